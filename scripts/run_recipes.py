"""Run recipes, print tables: `python scripts/run_recipes.py list | run --only NAMES | table`, as `gymqa recipes`."""

import sys

from gymqa.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["recipes", *sys.argv[1:]]))
