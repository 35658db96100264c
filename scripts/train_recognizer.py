"""Train a recognizer: `accelerate launch scripts/train_recognizer.py --config recipe.yaml`, as `gymqa train`."""

import sys

from gymqa.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
