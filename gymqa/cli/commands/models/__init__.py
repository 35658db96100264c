"""Commands that train recognizers, tune language models and extract features. Never in it: scoring of questions."""
