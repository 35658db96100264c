"""Language models: names, loading, LoRA, llama2.c files. Never in it: video."""
