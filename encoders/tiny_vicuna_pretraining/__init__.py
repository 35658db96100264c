"""How the shipped `tiny-vicuna` came to be: its grammar, its tokenizer, its training text and its training loop."""
