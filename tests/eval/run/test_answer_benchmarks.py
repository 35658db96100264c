"""The benchmarks of answering and tuning run, compare what they time, and write what the documents quote."""

import json
from pathlib import Path
from typing import Any

import answering_speed
import finetuning_speed
import pytest
import torch
from answering_speed import QUESTIONS, QUICK, SAME, TIMED, Ways, differences
from random_mllm import N_CHOICES, draw_clips

from gymqa.errors import GymQAError
from tests.helpers.naming import naming


@pytest.fixture
def ways() -> Ways:
    model = QUICK.model.build("sdpa", 0).eval()
    clips = draw_clips(QUICK.lengths, QUICK.model.vocabulary, QUICK.clips, QUESTIONS, 0)
    return Ways(model, clips, torch.randn(QUICK.clips, QUICK.model.n_visual, QUICK.model.visual_dim))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    assert {"transformers", "torch"} <= found["environment"]["versions"].keys()
    assert found["environment"]["seed"] == 3
    assert found["environment"]["machine"]["cores"] and found["threads"]
    return found


@pytest.mark.slow
def test_answering_is_timed_every_way_and_written_down(tmp_path: Path) -> None:
    answering_speed.main(tmp_path / "speed.json", quick=True, rounds=1, seed=3)
    found = read(tmp_path / "speed.json")
    assert found["quick"] and max(found["differences"].values()) < 1e-5
    for dtype in ("float32", "bfloat16"):
        timed = found[dtype]
        assert timed["ratios"].keys() == timed["questions_per_second"].keys() == timed["seconds"].keys() == TIMED.keys()
        assert timed["ratios"]["generate"] == 1
        assert all(len(seconds) == 1 for seconds in timed["seconds"].values())


@pytest.mark.slow
def test_ways_that_score_otherwise_are_not_timed(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    assert differences(ways).keys() == {"texts", "letters", "plain_texts"}
    monkeypatch.setitem(SAME, "letters", (Ways.full_letters, Ways.full_passes))
    with pytest.raises(GymQAError, match=naming("letters")):
        differences(ways)


@pytest.mark.slow
def test_generating_answers_every_question_with_as_many_new_tokens(ways: Ways) -> None:
    assert [list(one.shape) for one in ways.generate()] == [[1, 16]] * QUICK.clips * QUESTIONS
    assert [list(one.shape) for one in ways.generate_batch()] == [[QUESTIONS, 16]] * QUICK.clips
    together = torch.cat(ways.generate_batch())
    assert torch.equal(torch.cat(ways.generate())[:, 0], together[:, 0])


def test_questions_about_a_clip_have_names_in_common() -> None:
    [asked] = draw_clips(QUICK.lengths, 1000, 1, QUESTIONS, 0)
    names = [tuple(choice) for one in asked for choice in one.choices]
    assert len(names) == QUESTIONS * N_CHOICES and len(set(names)) == QUICK.lengths.names
    assert {len(one.lettered) for one in asked} == {QUICK.lengths.lettered + 1}  # and the place of the video


@pytest.mark.slow
def test_tuning_is_timed_from_the_store_and_with_either_encoder(tmp_path: Path) -> None:
    finetuning_speed.main(tmp_path / "speed.json", quick=True, rounds=1, seed=3)
    found = read(tmp_path / "speed.json")
    assert found["difference"] < 1e-4 and found["parameters"] > 0
    ways = {"feature_store", "straightforward_encoder", "bf16_encoder"}
    for dtype in ("float32", "bfloat16"):
        assert found[dtype]["times_as_long"].keys() == found[dtype]["seconds"].keys() == ways


@pytest.mark.parametrize("benchmark", [answering_speed, finetuning_speed])
def test_no_rounds_are_refused(benchmark: Any) -> None:
    with pytest.raises(GymQAError, match=naming("rounds", 0)):
        benchmark.main(quick=True, rounds=0)
