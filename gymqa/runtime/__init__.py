"""Run folders, worker processes, launching and seeding. Never in it: what is computed in them."""
