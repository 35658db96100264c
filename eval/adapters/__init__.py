"""Answering models: each file wraps one kind behind `eval.run.protocol.AnswerModel`. Never in it: scores."""
