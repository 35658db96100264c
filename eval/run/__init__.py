"""Asking every question once: the Protocol of models, runner, caches, results. Never in it: single models."""
