"""Weight files: reading, writing, hashing, renaming tensors, input normalisation. Never in it: networks."""
