"""Further terms of the training loss with networks of their own. Never in it: terms without parameters."""
