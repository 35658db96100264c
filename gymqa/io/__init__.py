"""Reading and writing text, JSON and template files; terminal output. Never in it: videos, labels, questions."""
