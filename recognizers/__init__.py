"""Video recognizers trained with few labels: SeFAR and the baselines. Never in it: language models, questions."""
