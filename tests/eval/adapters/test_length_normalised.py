"""Texts scored by token or as a whole are told apart in the result, and either adapter has both."""

from pathlib import Path

import pytest

from eval.run.results import load_result
from gymqa.cli.main import main
from gymqa.questions.files import save_questions
from tests.helpers.evaluation_world import EvaluationWorld
from tests.helpers.questions import question


@pytest.mark.slow
@pytest.mark.parametrize(("adapter", "default"), [("gymqa", "texts"), ("hf-vlm", "texts-per-token")])
def test_either_adapter_scores_texts_both_ways_and_says_so(
    asked_world: EvaluationWorld, tmp_path: Path, adapter: str, default: str
) -> None:
    model = str(asked_world.mllm if adapter == "gymqa" else asked_world.vlm)
    save_questions(tmp_path / "asked" / "gym-qa.jsonl", [question("q", (0, 1), 0)])
    said, answers = {}, {}
    folder = str(tmp_path / "asked")
    for way in ("", "true", "false"):
        words = ["evaluate", "--adapter", adapter, "--model", model, "--questions", folder,
                 "--out", str(tmp_path / f"o{way}"), "--controls", "no-video", "--scoring", "texts"]  # fmt: skip
        assert main([*words, *(["--options.length_normalised", way] if way else [])]) == 0
        said[way] = load_result(tmp_path / f"o{way}" / "gym-qa.no-video.result.json").scoring
        answers[way] = (tmp_path / f"o{way}" / "gym-qa.no-video.jsonl").read_bytes()
    assert said == {"": default, "true": "texts-per-token", "false": "texts"}
    assert answers["true"] != answers["false"]
    assert answers[""] == answers["true" if default == "texts-per-token" else "false"]
