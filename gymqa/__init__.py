"""Gymnastics questions for multimodal language models: FineGym's labels, video frames, question sets, the command line.

Holds one folder a concern, in floors: a folder imports only from floors below (docs/architecture.md). Never in it:
networks, language models, scores of models."""

__version__ = "0.1.0"
