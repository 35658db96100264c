"""Evaluation runs: protocols of models, runner, caches, result files. Never in it: single models."""
