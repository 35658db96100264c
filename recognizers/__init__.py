"""Video recognizers: semi-supervised SeFAR, baselines; temporal localization. Never in it: language models."""
