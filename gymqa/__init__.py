"""Data, questions and the command line of the benchmark: FineGym's labels, video frames, question sets, `gymqa`.

One folder per concern, in layers: a folder imports only from layers below (docs/architecture.md). Never in it:
neural networks, language models, evaluation of models."""

__version__ = "0.1.0"
