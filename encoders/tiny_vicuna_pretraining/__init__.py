"""Pre-training of the shipped `tiny-vicuna`: grammar, corpus, tokenizer, training loop. Never in it: its use."""
