"""Video encoders from clips to tokens, and their registry. Never in it: language models."""
