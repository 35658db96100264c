"""Recognizers and algorithms by name: what is listed is true, and listing builds nothing."""

import json
import resource
import subprocess
import sys
from typing import Any

import pytest
import torch

from gymqa.cli import main as cli
from recognizers.backbones.registry import list_models
from recognizers.factory import create_model, family_named, model_config
from recognizers.ssl.algorithms import ALGORITHMS


def listed(capsys: pytest.CaptureFixture[str], what: str) -> dict[str, Any]:
    """The entries that `gymqa list … --json` prints, by name."""
    assert cli.main(["list", what, "--json"]) == 0
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def test_what_is_listed_is_what_the_config_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, "recognizers")
    assert list(found) == list_models()
    for name, one in found.items():
        config = model_config(name)
        assert (one["input_size"], one["elements"]) == (config.image_size, list(config.elements)), name
        assert (one["family"], one["modality"]) == (config.family, config.modality), name
        assert one.get("joints") == (config.frame_shape[0] if config.skeleton_name else None), name
        assert type(config) is family_named(config.family)


def test_the_papers_sizes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, "recognizers")
    assert list(found) == list_models()
    for name, millions in (("sefar_s", 31.26), ("sefar_b", 122.27)):
        one = found[name]
        assert (one["millions"], one["classes"], one["input_size"], one["frames"]) == (millions, 99, 224, 8)
        assert one["elements"] == [2, 2, 4]
    assert cli.main(["list", "recognizers"]) == 0
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert dict(rows)["sefar_s"].startswith("31.26 M parameters at 99 classes; 8 frames {2-2-4} of 224 px")


def test_every_algorithm_is_listed_with_what_it_composes(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, "algorithms")
    assert list(found) == list(ALGORITHMS)
    assert all(one["composes"] for one in found.values())
    assert "TokenMix" in " ".join(found["sefar"]["composes"])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["recognizers", "algorithms"])
def test_a_list_takes_less_than_three_seconds(what: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "gymqa.cli.main", "list", what, "--json"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 3  # of the processor: what a busy machine takes says nothing of us


def test_listing_recognizers_builds_none_and_does_not_even_import_torch() -> None:
    code = (
        "import sys; from gymqa.cli.main import main; main(['list', 'recognizers']); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_every_recognizer_keeps_the_contract(name: str) -> None:
    own = {"sefar": {"patch_size": 8, "dim": 16, "depth": 1, "heads": 2, "fusion_dim": 8}, "slowfast": {"width": 32}}
    config = model_config(name, image_size=32, n_classes=5, **own.get(model_config(name).family, {"width": 8}))
    torch.manual_seed(0)
    model = config.build().eval()
    frames = torch.randn(2, *config.input_shape)
    features = model.forward_features(frames)
    assert features.tokens.shape[:2] == (2, config.tokens) and features.fused.shape[0] == 2
    assert torch.equal(model.forward_head(features.fused), model(frames))
    many = features.fused.expand(4, -1, -1)
    assert model.forward_head(many).shape == (4, 2, 5)
    model.reset_classifier(7)
    assert model(frames).shape == (2, 7) and model.config.n_classes == 7
    assert torch.equal(model.forward_features(frames).tokens, features.tokens)
    model.train()(frames).square().sum().backward()
    without = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert all("non_local" in name and "norm" not in name for name in without)  # behind a norm that begins at 0


PARAMETERS = {
    "i3d_inception": (400, 12_697_264, 0), "i3d_r50": (400, 28_043_472, 0), "nl_i3d_r50": (400, 35_400_000, 7e4),
    "r3d_18": (400, 33_371_472, 0), "r2plus1d_18": (400, 31_505_325, 0), "r2plus1d_34": (400, 63_800_000, 1.3e5),
    "slowfast_r50": (400, 34_566_488, 0), "c3d": (101, 78_409_573, 0), "lstm_inception": (400, 9_000_000, 5e5),
    "two_stream": (400, 12_000_000, 9e5), "two_stream_3d_fused": (400, 39_000_000, 9e5),
    "two_stream_i3d": (400, 25_000_000, 9e5), "sefar_s": (99, 31_260_000, 5e3), "sefar_b": (99, 122_270_000, 5e3),
}  # fmt: skip
"""By name: classes, published parameters, and how far the published figure is rounded; those of 400 are Kinetics'."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published_ones(name: str) -> None:
    classes, published, rounded = PARAMETERS[name]
    with torch.device("meta"):
        model = create_model(name, n_classes=classes)
    assert abs(sum(one.numel() for one in model.parameters()) - published) <= rounded
