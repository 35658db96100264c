"""Parser of free-text replies to multiple-choice questions. Never in it: guesses."""
