"""Print pip constraints of the lowest run-time versions that pyproject.toml allows, for `make test-versions`."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


def lower_bound(requirement: str) -> str:
    """A requirement at its lower bound: `torch>=2.6` gives `torch==2.6`.

    Raises:
        ValueError: it has no lower bound.
    """
    wanted = Requirement(requirement)
    bounds = [one.version for one in wanted.specifier if one.operator == ">="]
    if len(bounds) != 1:
        raise ValueError(f"{requirement} in pyproject.toml has no lower bound; write it as {wanted.name}>=VERSION")
    return f"{wanted.name}=={bounds[0]}"


def main() -> None:
    """Print one constraint a line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("\n".join(lower_bound(one) for one in [*project["dependencies"], *project["optional-dependencies"]["vlm"]]))


if __name__ == "__main__":
    main()
