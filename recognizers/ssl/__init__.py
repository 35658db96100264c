"""Semi-supervised learning: algorithms, views, pseudo-labels, weighting, mixing, losses. Never in it: the loop."""
