"""Run folders, worker processes, process launching, seeded randomness, name registries. Never in it: computations."""
