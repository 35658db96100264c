"""Recognizer networks, one family a file with its config; registry, initial weights. Never in it: training."""
