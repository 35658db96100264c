"""Adapters: wrap models as `eval.run.protocol.AnswerModel`; registry and helpers. Never in it: metrics."""
