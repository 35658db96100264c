"""Video encoders, and the Vicuna-based multimodal model that reads their features through a projector and LoRA."""
