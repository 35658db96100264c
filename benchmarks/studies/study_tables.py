"""Print result tables: mean ± deviation in %, paired differences with p-values (own file: several studies use it)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gymqa.io.console import text_table
from gymqa.io.files import read_json
from gymqa.runtime.precision import same_settings


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean of some fractions, and their standard deviation; None of a single one."""
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None}


def percent(cell: Mapping[str, Any]) -> str:
    """Mean and, where there are several values, spread: "93.2 ± 0.9"."""
    text = f"{100 * cell['mean']:.1f}"
    return text if cell["sd"] is None else f"{text} ± {100 * cell['sd']:.1f}"


def print_table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    """Print a table; each row has a text for every column."""
    lines = [[title, *columns], *([name, *texts] for name, texts in rows.items())]
    print(text_table(lines))


def print_differences(differences: Mapping[str, Mapping[str, float]]) -> None:
    """Print what `paired_comparison.compare` found, in points of per cent."""
    for name, one in differences.items():
        print(f"  {name}: {difference_text(one)}")
    print()


def difference_text(one: Mapping[str, float]) -> str:
    """One difference of `paired_comparison.compare`: "+3.5 (+2.2 to +4.9), p < 0.001, by Holm 0.004"."""
    mean, low, high = (f"{100 * one[key]:+.1f}" for key in ("mean", "ci_low", "ci_high"))
    return f"{mean} ({low} to {high}), p {_chance(one['p'])}, by Holm {_chance(one['p_holm'])}"


def _chance(p: float) -> str:
    """Three decimals of a p value."""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def other_parts(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that are in a file of figures already, if they were made with these settings."""
    if not path.exists():
        return {}
    there = read_json(path)
    return dict(there["parts"]) if same_settings(there["settings"], settings) else {}
