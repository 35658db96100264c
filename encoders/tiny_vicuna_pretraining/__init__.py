"""Pre-training of the shipped tiny-vicuna: grammar, corpus, tokenizer, training. Never in it: use of the model."""
