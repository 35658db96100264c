"""Answering questions by likelihood, with shared prompt prefixes. Never in it: scores of answers."""
