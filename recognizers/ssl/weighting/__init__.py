"""Rules that weight pseudo-labels, one a file, named as the file. Never in it: how pseudo-labels are made."""
