"""Video encoders, and the Vicuna-based multimodal model that reads their features. Never in it: training recognizers."""
