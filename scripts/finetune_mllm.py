"""Tune the language model: `accelerate launch scripts/finetune_mllm.py --config recipe.yaml`, as `gymqa finetune`."""

import sys

from gymqa.cli import main

if __name__ == "__main__":
    sys.exit(main(["finetune", *sys.argv[1:]]))
