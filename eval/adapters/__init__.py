"""Answering models: each file wraps one kind behind `eval.protocol.AnswerModel`."""
