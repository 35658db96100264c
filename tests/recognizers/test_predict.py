"""Predictions come with clip ids, from deterministic views, and are scored where they are written."""

import json
import signal
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eval.metrics.recognition import ClassPredictions, read_class_predictions, top_k
from gymqa.cli import main as cli
from gymqa.cli.commands.models import predict as predict_command
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from recognizers import predict as predict_module
from recognizers.backbones.sefar import SeFAR
from recognizers.predict import Views, opened_journal, predict, save_predictions, square_crops
from tests.helpers import warm
from tests.helpers.naming import naming
from tests.helpers.other_cpu import other_cpu
from tests.helpers.training_world import MODEL, World


@pytest.fixture
def model() -> SeFAR:
    torch.manual_seed(0)
    return SeFAR(MODEL).eval()


def test_predictions_come_back_from_their_file(model: SeFAR, world: World, tmp_path: Path) -> None:
    cache, splits = world
    found = predict(model, cache, splits.val, batch_size=5)
    assert all(row.shape == (2,) and row.sum() == pytest.approx(1, abs=1e-5) for row in found.values())
    lost = replace(splits.val[0], id="LOST_E_000000_000009_A_0000_0001")
    save_predictions(tmp_path / "p.jsonl", [*splits.val, lost], found, {lost.id: "it is empty"})
    back = read_class_predictions(tmp_path / "p.jsonl")
    assert list(back.by_clip()) == list(found)
    assert all(np.allclose(back.by_clip()[clip], found[clip], atol=1e-5) for clip in found)
    assert back.errors == {lost.id: "it is empty"}


def test_bf16_and_float32_predictions_are_close(model: SeFAR, world: World) -> None:
    cache, splits = world
    plain, quick = (predict(model, cache, splits.val, bf16=bf16) for bf16 in (False, True))
    assert all(np.allclose(plain[clip], quick[clip], atol=0.03) for clip in plain)


def test_classes_that_hardly_differ_do_not_tie_in_bf16(model: SeFAR, world: World) -> None:
    cache, splits = world
    alike = model.config.build().eval()
    with torch.no_grad():
        alike.head.weight[1] = alike.head.weight[0]
        alike.head.bias.copy_(torch.tensor([100.0, 100.001]))
    found = predict(alike, cache, splits.val, bf16=True)
    assert all(row.argmax() == 1 and row[0] != row[1] for row in found.values())


def test_views_are_averaged_and_the_same_each_time(model: SeFAR, world: World) -> None:
    cache, splits = world
    once, again = (predict(model, cache, splits.val, views=Views(2, 3)) for _ in range(2))
    assert all(np.array_equal(once[clip], again[clip]) for clip in once)
    clip = splits.val[0]
    frames = torch.from_numpy(cache.get(clip.id)).float().mul(2 / 255).sub(1).permute(0, 3, 1, 2)  # [16, 3, 16, 16]
    order, found = [1, 5, 3, 7, 0, 2, 4, 6], []  # of the spans of two frames: fine, fine, context
    for within in (0, 1):  # 2 views: at ¼ and ¾ of a span, its first and its second frame
        chosen = frames[[2 * span + within for span in order]]
        for left in (0, 1, 2):  # squares of 14 of the 16 pixels
            square = chosen[:, :, 1:15, left : left + 14]
            resized = torch.nn.functional.interpolate(square, (16, 16), mode="bilinear", antialias=True)
            found.append(model(resized.unsqueeze(0)).softmax(-1)[0])
    expected = torch.stack(found).mean(0).detach().numpy()
    np.testing.assert_allclose(once[clip.id], expected, atol=1e-5)
    assert not np.allclose(once[clip.id], predict(model, cache, [clip])[clip.id], atol=1e-6)


def test_squares_lie_along_the_longer_side() -> None:
    tall = torch.arange(16 * 8).view(1, 1, 16, 8, 1).expand(-1, -1, -1, -1, 3)
    tops = [int(square[0, 0, 0, 0, 0]) // 8 for square in square_crops(tall, 3)]
    assert tops == [0, 4, 9] and square_crops(tall, 3)[0].shape == (1, 1, 7, 7, 3)


def test_impossible_views_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming("1 × 2")):
        Views(1, 2)


def test_top_5_counts_the_right_class_among_five() -> None:
    rows = np.array([[0.3, 0.2, 0.2, 0.1, 0.1, 0.1], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1], [-1.0] * 6])
    found = ClassPredictions(("a", "b", "c"), ("a", "b", "c"), np.array([4, 5, 0]), rows, {})
    assert top_k(found, 5) == pytest.approx(1 / 3)  # b's class 5 comes last of equals; c is unanswered
    assert top_k(found, 1) == 0


def test_the_command_scores_and_draws(
    model: SeFAR, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, splits = world
    splits.write(tmp_path / "splits")
    (tmp_path / "splits" / "classes.txt").write_text("down & out\nup\n")
    model.save_pretrained(tmp_path / "model")
    words = ["predict", str(tmp_path / "model"), str(cache.folder), "--temporal_views", "2", "--spatial_views", "3"]
    out = tmp_path / "found.jsonl"
    assert cli.main([*words, "--clips", str(tmp_path / "splits" / "val.txt"), "--out", str(out)]) == 0
    metrics = json.loads((tmp_path / "found.metrics.json").read_text())
    right = sum(int(row.argmax()) == clip.label for clip, row in zip(splits.val, _rows(out), strict=True))
    assert metrics["clips"] == 12 and metrics["top1"] == pytest.approx(right / 12)
    assert set(metrics) == {"clips", "top1", "top5", "mean_class", "mAP", "mAP_micro"}
    assert f"top1 {100 * right / 12:.1f} %" in capsys.readouterr().out
    drawn = ET.parse(tmp_path / "found.confusion.svg").getroot()
    titles = [title.text or "" for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("down & out → ") for title in titles)


def test_an_interrupted_prediction_goes_on_in_its_precision(model: SeFAR, world: World, tmp_path: Path) -> None:
    cache, splits = world
    splits.write(tmp_path / "splits")
    model.save_pretrained(tmp_path / "model")
    words = ["predict", str(tmp_path / "model"), str(cache.folder), "--clips", str(tmp_path / "splits" / "val.txt")]

    def predicted(name: str, *options: str) -> list[Any]:
        assert cli.main([*words, *options, "--out", str(tmp_path / name)]) == 0
        return [row.tolist() for row in _rows(tmp_path / name)]

    for name in ("bf16", "float32"):
        expected, journal = predicted(name, "--precision", name), tmp_path / ".begun.partial"
        with other_cpu(bf16=name == "bf16"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(predict_command, "save_predictions", _interrupt)
            assert cli.main([*words, "--out", str(tmp_path / "begun")]) != 0
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(lines[:4]))
        with other_cpu(bf16=name != "bf16"):
            assert predicted("begun") == expected and not journal.exists()
    assert (
        predicted("flag", "--bf16")
        == predicted("bf16", "--precision", "bf16")
        != predicted("exact", "--precision", "no")
    )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


KILLED = """
import os, signal, sys
from gymqa.cli import main as cli
from recognizers.predict import PredictionJournal
add = PredictionJournal.add
def add_and_die(self, clip_ids, rows):
    add(self, clip_ids, rows)
    if len(self.found) >= 8:
        os.kill(os.getpid(), signal.SIGKILL)
PredictionJournal.add = add_and_die
cli.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_prediction_goes_on_to_the_same_file(
    model: SeFAR, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, splits = world
    splits.write(tmp_path / "splits")
    model.save_pretrained(tmp_path / "model")
    words = ["predict", str(tmp_path / "model"), str(cache.folder), "--batch_size", "4"]
    words += ["--clips", str(tmp_path / "splits" / "val.txt"), "--out"]
    assert cli.main([*words, str(tmp_path / "whole.jsonl")]) == 0
    out = tmp_path / "found.jsonl"
    assert warm.run(["-c", KILLED, *words, str(out)]).returncode == -signal.SIGKILL
    partial = tmp_path / ".found.jsonl.partial"
    assert not out.exists() and len(partial.read_text().splitlines()) == 1 + 8
    with partial.open("a") as file:
        file.write('["torn')  # a kill inside a line
    asked: list[str] = []
    monkeypatch.setattr("recognizers.predict._frames", _noting(asked))
    assert cli.main([*words, str(out)]) == 0
    assert asked == [clip.id for clip in splits.val][8:]
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes() and not partial.exists()


def test_what_another_model_said_is_not_taken_over(tmp_path: Path) -> None:
    target, row = tmp_path / "found.jsonl", np.array([[0.25, 0.75]], np.float32)
    with pytest.raises(RuntimeError), opened_journal(target, {"weights": "a"}) as journal:
        journal.add(["clip"], row)
        raise RuntimeError
    with pytest.raises(RuntimeError), opened_journal(target, {"weights": "a"}) as journal:
        np.testing.assert_array_equal(journal.found["clip"], row[0])
        raise RuntimeError
    with opened_journal(target, {"weights": "b"}) as journal:
        assert journal.found == {}
        with pytest.raises(GymQAError, match=naming("--out")), opened_journal(target, {}):
            pass


def _noting(asked: list[str]) -> Callable[..., list[torch.Tensor]]:
    """Load frames as ever, and note whose."""
    load = predict_module._frames

    def noting(cache: FrameCache, ids: Sequence[str], *rest: Any) -> list[torch.Tensor]:
        asked.extend(ids)
        return load(cache, ids, *rest)

    return noting


def _rows(path: Path) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [np.array(json.loads(line)["probabilities"]) for line in path.read_text().splitlines()]
