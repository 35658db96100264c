"""Data, questions, command line: FineGym and other data sets, GymSim renderer, frame caches, question sets, Hub.

One folder per concern, in layers: a folder imports only from layers below (docs/architecture.md). Never in it:
neural networks, language models, evaluation of models."""

__version__ = "0.1.0"
