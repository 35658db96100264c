"""Video recognizers trained with few labels: SeFAR, its parts, and the baselines."""
