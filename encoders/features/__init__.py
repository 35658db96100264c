"""Feature extraction and the feature store. Never in it: encoders, labels."""
