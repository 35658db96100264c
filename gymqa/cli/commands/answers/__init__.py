"""Commands that ask models, score and report; the demo and the lists. Never in it: training."""
