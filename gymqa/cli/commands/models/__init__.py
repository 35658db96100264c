"""Commands that train recognizers and language models and extract features. Never in it: questions' scores."""
