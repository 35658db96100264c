"""Recognizers, one family a file: its config beside its network; the registry. Never in it: training."""
