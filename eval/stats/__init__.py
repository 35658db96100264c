"""Clustered intervals and tests. Never in it: what a score means."""
