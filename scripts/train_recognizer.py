"""Train a recognizer: `accelerate launch scripts/train_recognizer.py --splits … --frames … [--config recipe.yaml]`."""

import sys

from gymqa.arguments import call
from gymqa.commands.train import train

if __name__ == "__main__":
    call(train, sys.argv[1:], "train_recognizer.py")
