"""Which choice a written reply means. Never in it: guesses."""
