"""The training loop: clips, optimizer, checkpoints, validation, log. Never in it: what an algorithm is."""
