"""The one place that talks to the Hugging Face Hub, and exports for other harnesses. Never in it: how a model works."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """`gymqa.hub.load_gym_qa`, as published data cards call it; `datasets` is loaded only then."""
    if name != "load_gym_qa":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return importlib.import_module("gymqa.hub.load").load_gym_qa
