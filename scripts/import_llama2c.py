"""A Llama of llama2.c as a language model to tune: `python scripts/import_llama2c.py MODEL TOKENIZER --out FOLDER`."""

import sys
from pathlib import Path

from encoders.llm.llama2c import import_llama2c
from gymqa.cli.main import run_script


def import_model(model: Path, tokenizer: Path, *, out: Path) -> None:
    """Write a model of llama2.c (github.com/karpathy/llama2.c) as a folder that transformers and `--llm` read.

    Args:
        model: its .bin file, such as stories260K.bin.
        tokenizer: its tokenizer's .bin file, such as tok512.bin.
        out: folder to write.
    """

    print(f"{import_llama2c(model, tokenizer, out)}: name it with --llm")


if __name__ == "__main__":
    sys.exit(run_script(import_model, "import_llama2c.py"))
