"""Semi-supervised learning: algorithms, augmentation, pseudo-labels, mixing, losses. Never in it: the training loop."""
