"""Commands that evaluate models on questions, score and report; demo and listings. Never in it: training."""
