"""Import a llama2.c model for tuning: `python scripts/import_llama2c.py MODEL TOKENIZER --out FOLDER`."""

import sys
from pathlib import Path

from encoders.llm.llama2c import import_llama2c
from gymqa.cli.main import run_script


def import_model(model: Path, tokenizer: Path, *, out: Path) -> None:
    """Write a llama2.c model (github.com/karpathy/llama2.c) as a transformers folder, to be named by `--llm`.

    Args:
        model: its .bin file, such as stories260K.bin.
        tokenizer: its tokenizer's .bin file, such as tok512.bin.
        out: folder to write.
    """

    print(f"{import_llama2c(model, tokenizer, out)}: name it with --llm")


if __name__ == "__main__":
    sys.exit(run_script(import_model, "import_llama2c.py"))
