"""Extraction of frozen features and the feature store. Never in it: encoders, labels."""
