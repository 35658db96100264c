"""Merge LoRA adapters into the language model: `python scripts/merge_lora.py runs/mllm --out runs/merged`."""

import sys
from pathlib import Path

from encoders.mllm.merge_lora import merge_lora
from gymqa.cli.main import run_script


def merge(model: str, *, out: Path, dtype: str = "float32") -> None:
    """Merge a tuned model's adapters into its language model.

    Args:
        model: folder of `gymqa finetune`, or owner/name on the Hub.
        out: folder to write; an existing merged model is replaced.
        dtype: precision of the written weights: float32, bfloat16 or float16; below float32 answers change slightly.
    """

    print(f"{merge_lora(model, out, dtype)}: merged")


if __name__ == "__main__":
    sys.exit(run_script(merge, "merge_lora.py"))
