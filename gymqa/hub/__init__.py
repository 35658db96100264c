"""Hugging Face Hub client, question data sets and cards; exports to other harnesses. Never in it: models' internals."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """Load `gymqa.hub.load_gym_qa` on access, as published data cards call it; only this imports `datasets`."""
    if name != "load_gym_qa":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return importlib.import_module("gymqa.hub.load").load_gym_qa
