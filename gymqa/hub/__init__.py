"""The one place that talks to the Hugging Face Hub, and exports for other harnesses. Never in it: how a model works."""
