"""Video encoders: clip in, tokens out; the registry. Never in it: language models."""
