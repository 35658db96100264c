"""The multimodal model: projector, prompts, splicing of visual tokens, files, model card. Never in it: tuning."""
