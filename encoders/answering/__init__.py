"""Answers by likelihood; shared prompt prefixes are encoded once. Never in it: scores of answers."""
