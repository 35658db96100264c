"""Video encoders and the Vicuna-based multimodal model on their features. Never in it: how recognizers train."""
