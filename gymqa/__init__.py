"""gymqa: fine-grained gymnastics questions for multimodal language models (taxonomy, clips, frames, questions)."""

__version__ = "0.1.0"
