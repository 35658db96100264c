"""Published weights: reading, renaming, normalisation. Never in it: networks."""
