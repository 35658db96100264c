"""The multimodal model: projector, prompts, splicing, its folder and card. Never in it: the tuning loop."""
