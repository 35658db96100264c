"""Accuracy of an MLLM: likelihood of option letters against choice texts: `benchmarks/studies/answer_scoring.py`."""

import sys
import time
from pathlib import Path
from typing import Any

from encoders.answering.answerer import MLLMAnswerer
from encoders.features.extract import FeatureStore
from encoders.mllm.model import GymMLLM
from encoders.tuning.config import SCORINGS
from eval.stats.bootstrap import mean_interval
from gymqa.cli.main import run_script
from gymqa.io.files import write_json
from gymqa.questions.files import load_questions
from gymqa.runtime.runs import environment

RESULT = Path("benchmarks/results/answer_scoring.json")


def score(model: GymMLLM, store: FeatureStore, questions: Path, scoring: str) -> dict[str, Any]:
    """Accuracy with its interval, and the seconds that the answers took."""
    asked = load_questions(questions)
    began = time.monotonic()
    answers = MLLMAnswerer(model, model.load_tokenizer(), store, scoring).answer(asked)
    seconds = time.monotonic() - began
    right = [float(answer.choice == question.answer) for question, answer in zip(asked, answers, strict=True)]
    accuracy = mean_interval(right, [question.video_id for question in asked])
    figures = {"value": accuracy.value, "ci_low": accuracy.low, "ci_high": accuracy.high}
    return {**figures, "n": len(asked), "seconds": round(seconds, 1)}


def main(model: Path, features: Path, json: Path = RESULT, *, questions: list[Path]) -> None:
    """Answer every question with each scoring and write accuracies and times.

    The default scoring was chosen with a release of seed 0, which the demo does not use.

    Args:
        model: folder of `gymqa finetune`.
        features: folder of `gymqa extract`.
        json: file of the figures.
        questions: files of `gymqa questions build`.
    """
    tuned, store = GymMLLM.from_pretrained(model), FeatureStore(features)
    found = {path.stem: {how: score(tuned, store, path, how) for how in SCORINGS} for path in questions}
    write_json(json, {"accuracy": found, "environment": environment()})
    print(found)


if __name__ == "__main__":
    sys.exit(run_script(main, "answer_scoring.py"))
