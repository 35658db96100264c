"""Claims of speed: each benchmark's short form, and where its JSON holds the figures that the documentation states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNRECORDED = "2 cores, CPU not recorded"
"""Machine of the results that were written before records named the CPU."""

Path = tuple[str | int, ...]
"""Keys and list indices that lead to a figure."""


@dataclass(frozen=True)
class Claim:
    """One figure of a benchmark; with `over`, the ratio of two of its figures."""

    text: str
    path: Path
    unit: str = "×"
    over: Path = ()

    def value(self, figures: Mapping[str, Any]) -> float | None:
        """The figure, or None where the benchmark's JSON lacks it."""
        try:
            found = _at(figures, self.path)
            return found / _at(figures, self.over) if self.over else found
        except (KeyError, IndexError, TypeError):
            return None


def _at(figures: Any, path: Path) -> float:
    for key in path:
        figures = figures[key]
    return float(figures)


@dataclass(frozen=True)
class Benchmark:
    """One script of benchmarks/speed.

    Attributes:
        short: words of its short form: real sizes in fewer rounds, so that ratios keep their meaning.
        claims: its figures.
        output: its option of the JSON file.
        measured_on: machine of the committed result, where the result does not name the CPU.
    """

    short: tuple[str, ...]
    claims: tuple[Claim, ...]
    output: str = "json"
    measured_on: str = UNRECORDED


_WAYS = {
    "generate_4_a_batch": "generating, the four of a clip together",
    "four_full_passes": "four full passes, one a choice",
    "cached_prefix_four_suffixes": "prompt encoded once, four choices after its cache",
    "choices_in_one_pass": "all choices in one pass",
    "letters_in_one_pass": "letters in one pass",
    "letters_4_questions_of_a_clip": "letters, four questions of a clip",
    "letters_4_questions_of_2_clips": "letters, eight questions of two clips",
    "plain_texts_4_questions_of_a_clip": "texts, four questions of a clip",
    "plain_texts_4_questions_of_2_clips": "texts, eight questions of two clips",
}
_SOURCES = {
    "straightforward_encoder": "straightforward encoder in the loop",
    "bf16_encoder": "ours in bf16 in the loop",
}
_READERS = ("decord_seeks", "one_pass", "jpeg_cache", "raw_cache")
_FLOW = {
    "times_faster_one_process": "one process",
    "times_faster_several_processes_by_the_clock": "all cores, by the clock",
}
_TIMES_LONGER = "× as long"


def _ssl_step() -> tuple[Claim, ...]:
    sizes = {"": "SeFAR-S at 224 px", "tiny_": "tiny model at 64 px"}
    return tuple(
        Claim(f"semi-supervised step, {text}, {dtype}", (f"{prefix}{dtype}",))
        for prefix, text in sizes.items()
        for dtype in ("float32", "bfloat16")
    )


def _answering(dtypes: Sequence[str] = ("float32", "bfloat16")) -> tuple[Claim, ...]:
    return tuple(
        Claim(f"answering, {text}, {dtype}", (dtype, "ratios", way)) for dtype in dtypes for way, text in _WAYS.items()
    )


def _tuning(dtypes: Sequence[str] = ("float32", "bfloat16")) -> tuple[Claim, ...]:
    return tuple(
        Claim(f"tuning step, {text}, {dtype}", (dtype, "times_as_long", source), _TIMES_LONGER)
        for dtype in dtypes
        for source, text in _SOURCES.items()
    )


_OFTEN = ("measured", "8 frames, replies after 0.5 s")
_SCORING = ("reading", "load_predictions", "seconds")
_METRICS = ("reading", "gymqa metrics", "seconds")
BENCHMARKS: dict[str, Benchmark] = {
    "bench_ssl_step": Benchmark(("--rounds=1",), _ssl_step(), "out", "2 cores, AVX512-BF16, no AMX"),
    "answering_speed": Benchmark(("--rounds=1",), _answering()),
    "finetuning_speed": Benchmark(("--rounds=3",), _tuning()),
    "augmentation_speed": Benchmark(
        ("--rounds=3",),
        tuple(Claim(f"strong views at {n} px against kornia", ("by_size", n, "ratio")) for n in ("48", "112", "224")),
    ),
    "frame_cache": Benchmark(
        ("--rounds=2",),
        tuple(
            Claim(f"8 frames of a 720p clip, {way}, against seeking", ("methods", way, "times_faster"))
            for way in _READERS
        ),
    ),
    "flow_speed": Benchmark(
        ("--clips=2",),
        tuple(
            Claim(f"optical flow, {method}, {text}, against a loader", ("methods", method, key))
            for method in ("dis", "tvl1")
            for key, text in _FLOW.items()
        ),
    ),
    "rendering_speed": Benchmark(
        ("--videos=[20]",),
        (
            Claim("rendering on all cores against one", ("speedup_of_all_workers",)),
            Claim("rendering at 112 px on all cores", ("releases", 0, "clips_per_second"), "clips/s"),
        ),
    ),
    "trimming_speed": Benchmark(
        ("--videos=3",),
        tuple(
            Claim(f"trimming out of {size}", ("by_raw_size", size, "clips_per_second"), "clips/s")
            for size in ("456x256", "1280x720")
        ),
    ),
    "question_speed": Benchmark(
        ("--repeats=1",),
        (
            Claim("reading FineGym's lists", ("seconds_reading_lists",), "s"),
            Claim("building Gym-QA", ("building", "gym-qa", "seconds"), "s"),
            Claim("building minimal pairs", ("building", "minimal-pairs", "seconds"), "s"),
        ),
    ),
    "question_import": Benchmark(
        ("--repeats=1",),
        tuple(
            Claim(f"importing 100,000 questions from {name}", ("processor_seconds", name), "s of the processor")
            for name in ("json", "jsonl", "csv", "tsv", "parquet")
        ),
    ),
    "runner_overhead": Benchmark(
        ("--rounds=3",),
        tuple(
            Claim(f"runner, batches of {n}, a question", ("per_question", f"batch_{n}", "median_ms"), "ms")
            for n in (1, 64)
        ),
    ),
    "openai_adapter_speed": Benchmark(
        ("--batches=3",),
        (
            Claim("openai adapter, 8 frames, a question of one core", (*_OFTEN, "cpu_milliseconds_a_question"), "ms"),
            Claim("openai adapter, 8 frames, replies after 0.5 s", (*_OFTEN, "questions_per_second"), "questions/s"),
        ),
    ),
    "scoring_speed": Benchmark(
        (),
        (
            Claim("scoring three models with 10,000 resamples", ("seconds", "total", "clock"), "s"),
            Claim("a million predictions as columns against as objects", _SCORING, over=_METRICS),
        ),
    ),
    "leaderboard_speed": Benchmark((), (Claim("leaderboard of Gym99's size", ("seconds", "total"), "s"),)),
}
"""The benchmarks by script, in the documentation's order. `measure_demo.py` takes ten minutes and is not among them."""
