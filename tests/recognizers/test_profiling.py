"""`gymqa benchmark backbones`: operations are the published ones, speeds are measured, lack of memory is said."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gymqa.cli import main as cli
from recognizers import profiling as backbone_speed
from recognizers.backbones.base import Recognizer
from recognizers.backbones.registry import describe, list_models
from recognizers.factory import create_model
from recognizers.profiling import Setting, count_cost, measure, multiply_adds
from tests.helpers.naming import does_name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        ("r3d_18", 112, 40.697),  # torchvision
        ("r2plus1d_18", 112, 40.519),  # torchvision
        ("slowfast_r50", 256, 65.71),  # PyTorchVideo; 65.7 in the paper
        ("i3d_r50", 256, 37.53),  # PyTorchVideo; PySlowFast's
        ("c3d", 112, 38.5),  # in arXiv 1906.04226
        ("tsm_r50", 224, 33.0),  # the paper
    ],
)
def test_multiply_adds_are_the_published_ones(name: str, size: int, published: float) -> None:
    with torch.device("meta"):
        model = create_model(name, image_size=size, n_classes=400).eval()
        frames = torch.empty(1, model.config.frames, 3, size, size)
    assert multiply_adds(model, frames) / 1e9 == pytest.approx(published, rel=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_every_recognizer_is_counted_without_being_built_and_is_as_it_is_listed(name: str) -> None:
    found, listed = count_cost(name), describe(name)
    assert found.giga_multiply_adds > 0.001
    assert (found.parameters, found.frames, found.input_size) == tuple(
        listed[what] for what in ("parameters", "frames", "input_size")
    )


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_command_measures_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"benchmark backbones --only sefar_tin* --device cpu --seconds 0.05 --json {tmp_path / 'speed.json'}"
    assert cli.main(words.split()) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1].startswith("sefar_tiny") and "did not fit" not in shown[-1]
    written = json.loads((tmp_path / "speed.json").read_text())
    (one,) = written["backbones"]
    assert one["name"] == "sefar_tiny" and one["parameters"] == 1_316_579
    assert one["forward"] > one["training"] > 0 and one["lost"] == ""
    assert min(one["forward_passes"], one["training_passes"]) >= 3
    assert (written["batch"], written["device"]) == (1, "cpu") and "torch" in json.dumps(written["environment"])


@pytest.mark.slow
def test_the_slowest_are_measured_three_times_and_the_rate_is_of_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 4.0, 10.0, 12.0, 20.0, 120.0] * 2)  # s: passes of 4, 2 and 100, forward and in training
    monkeypatch.setattr(backbone_speed, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    found = measure(Setting("sefar_tiny", 2, "cpu", 1.0))
    assert (found.forward, found.training) == (2 / 4, 2 / 4)
    assert (found.forward_passes, found.training_passes) == (3, 3)


@pytest.mark.slow
def test_training_in_bf16_learns_from_step_to_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a linear layer learns: with weights cast once for all steps, the loss would stay what it was."""
    losses: list[float] = []

    def steady(name: str, **changes: Any) -> Recognizer:
        model = create_model(name, head_dropout=0.0, drop_path=0.0, **changes).requires_grad_(False)
        model.head.requires_grad_(True)
        model.register_forward_hook(lambda one, _, logits: losses.append(loss(logits)) if one.training else None)
        return model

    def loss(logits: torch.Tensor) -> float:
        assert logits.dtype == torch.bfloat16
        return float(-logits.detach().double().log_softmax(-1)[:, 0].mean())

    monkeypatch.setattr(backbone_speed, "create_model", steady)
    found = measure(Setting("sefar_tiny", 1, "cpu", 0.3, bf16=True))
    assert len(losses) == 1 + found.training_passes
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_what_does_not_fit_is_said_and_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB\nand more")

    monkeypatch.setattr(backbone_speed, "_training", no_room)
    found = measure(Setting("sefar_tiny", 1, "cpu", 0.01))
    assert found.forward is not None and found.training is None
    assert found.lost == "training in batches of 1: CUDA out of memory. Tried to allocate 2 TiB"


def test_other_errors_are_not_taken_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(backbone_speed, "_forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        measure(Setting("sefar_tiny", 1, "cpu", 0.01))


@pytest.mark.parametrize(("words", "said"), [("--only nothing_*", ("'nothing_*'",)), ("--batch 0", ("0", "5.0"))])
def test_wrong_input_is_refused(words: str, said: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", "backbones", *words.split()]) == 2
    assert does_name(capsys.readouterr().err, *said)
