"""Adapter `hf-vlm`: image-text models of transformers, families, processors. Never in it: endpoints, parsing."""
