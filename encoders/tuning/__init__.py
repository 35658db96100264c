"""Fine-tuning of projector and LoRA: config, batches, loop, state. Never in it: the model's parts."""
