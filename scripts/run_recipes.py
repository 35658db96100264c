"""Run recipes, print tables: `python scripts/run_recipes.py list | run METHOD DATA | table`, as `gymqa recipes`."""

import sys

from gymqa.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["recipes", *sys.argv[1:]]))
