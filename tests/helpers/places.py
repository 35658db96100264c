"""Where the checkout is, and the real data beside it, where there is some."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


RECIPES = ROOT / "recipes"
