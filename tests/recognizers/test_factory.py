"""Recognizers saved, loaded, refused by what differs, and pushed to a Hub and back with their card."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.hub.client import download_model
from recognizers.backbones.sefar import SeFAR, SeFARConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.backbones.two_stream import TwoStreamConfig
from recognizers.factory import load_recognizer
from recognizers.model_card import ModelFacts, model_card
from tests.helpers.loopback_hub import HubSite, serve_hub
from tests.helpers.naming import does_name, naming
from tests.helpers.warm import run_apart

TINY = SeFARConfig(image_size=24, patch_size=12, dim=16, depth=2, heads=2, fusion_dim=8, n_classes=5)
FACTS = ModelFacts(
    "apache-2.0", "GymSim, 10 % labelled", "me/gymsim", ("google/vit-base-patch16-224",), "sefar", {"top1": 0.5}, 8
)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, SeFAR]:
    """A recognizer in a folder."""
    torch.manual_seed(0)
    model = SeFAR(TINY).eval()
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model", model


def test_what_is_loaded_is_bit_for_bit_what_was_saved_and_draws_nothing(saved: tuple[Path, SeFAR]) -> None:
    folder, model = saved
    before = torch.get_rng_state()
    loaded = load_recognizer(folder)
    assert torch.equal(before, torch.get_rng_state())
    assert loaded.config == TINY and not loaded.training
    frames = torch.randn(2, 8, 3, 24, 24)
    assert torch.equal(loaded(frames), model(frames))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_half_precision_weights_come_back_as_float32_and_frozen_blocks_frozen(tmp_path: Path) -> None:
    model = SeFAR(SeFARConfig(**{**TINY.__dict__, "frozen_blocks": 1}))
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = load_recognizer(tmp_path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert {name: parameter.requires_grad for name, parameter in loaded.named_parameters()} == trained


def changed_config(**changes: Any) -> Callable[[Path], None]:
    """Change settings in a saved config.json."""

    def change(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**values, **changes}))

    return change


def fewer_tensors(folder: Path) -> None:
    """Take the head out of a file of weights, and put something else in."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["head.weight"]
    save_file({**tensors, "odd": torch.zeros(1)}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (changed_config(n_classes=7), ("head.bias", [5], [7])),
        (changed_config(dim=32), ("backbone.blocks.0.attn.proj.bias", [16], [32])),
        (changed_config(depth=3), ("backbone.blocks.2.attn.proj.bias",)),
        (changed_config(depth=1), ("backbone.blocks.1.attn.proj.bias",)),
        (fewer_tensors, ("head.weight", "odd")),
        (changed_config(model="x3d"), ("config.json", "'x3d'")),
        (changed_config(wings=2), ("config.json", "'wings'")),
        (changed_config(dim="16"), ("config.json", "dim", "'16'")),
        (changed_config(dim=True), ("config.json", "dim", True)),
        (changed_config(elements=4), ("config.json", "elements", 4)),
        (changed_config(heads=3), ("dim 16", "heads 3")),
        (changed_config(depth=0), ("depth=0",)),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused_and_what_differs_is_named(
    saved: tuple[Path, SeFAR], change: Callable[[Path], None], named: tuple[object, ...]
) -> None:
    folder, _ = saved
    change(folder)
    with pytest.raises(GymQAError, match=naming(*named)):
        load_recognizer(folder)


def test_only_safetensors_are_read(saved: tuple[Path, SeFAR]) -> None:
    folder, model = saved
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(GymQAError, match=naming("model.safetensors")):
        load_recognizer(folder)


@pytest.mark.parametrize("metrics", [{"f1": 0.5}, {"top1": 50.0}])
def test_figures_by_other_names_or_no_shares_are_refused(metrics: dict[str, float]) -> None:
    with pytest.raises(GymQAError, match=naming(*metrics, *metrics.values())):
        ModelFacts("apache-2.0", "GymSim", metrics=metrics)


def test_the_card_says_to_the_hub_what_the_model_is(saved: tuple[Path, SeFAR], tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    text = model_card("me/sefar", saved[1], FACTS)
    (tmp_path / "README.md").write_text(text)
    card: Any = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == "apache-2.0" and card.data.base_model == "google/vit-base-patch16-224"
    assert card.data.datasets == ["me/gymsim"] and card.data.metrics == ["accuracy"]
    assert card.data.pipeline_tag == "video-classification" and card.data.library_name == "gymqa"
    result, *more = card.data.eval_results
    assert (result.metric_name, result.metric_value, result.dataset_name, more) == (
        "Top-1 accuracy",
        0.5,
        "GymSim, 10 % labelled",
        [],
    )
    assert 'load_recognizer("me/sefar")' in card.text and "| Top-1 accuracy | 50.0 % |" in card.text
    assert "8 frames of 24 px in the temporal elements {2-2-4}" in card.text.replace("\n", " ")
    assert "started from [google/vit-base-patch16-224]" in card.text


def test_a_card_of_another_family_names_it_and_its_own_frames() -> None:
    model = TSNConfig(image_size=16, width=4, n_classes=3).build()
    text = model_card("me/tsn", model, ModelFacts("apache-2.0", "GymSim"))
    assert "a network of the family tsn" in text and "- tsn\n" in text and "- sefar\n" not in text
    assert "clips [B, 3, 3, 16, 16]" in text and "[B, 3, width]" in text


def test_a_card_without_figures_claims_none(saved: tuple[Path, SeFAR]) -> None:
    text = model_card("me/sefar", saved[1], ModelFacts("apache-2.0", "GymSim"))
    assert "model-index" not in text and "Figures" not in text and "None" not in text


def test_a_card_keeps_to_its_yaml_whatever_the_data_set_is_called(saved: tuple[Path, SeFAR], tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    facts = ModelFacts("apache-2.0", "a: b\n---\nlicense: mit", metrics={"map": 1.0})
    (tmp_path / "README.md").write_text(model_card("me/sefar", saved[1], facts))
    card: Any = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == "apache-2.0"


def gymqa(tmp_path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run gymqa in a process of its own, with no token but the one given."""
    return run_apart(tmp_path, "-m", "gymqa.cli.main", *words, **environment)


LOAD = """
import sys, torch
from recognizers.factory import load_recognizer
torch.manual_seed(0)
model = load_recognizer(sys.argv[1])
print(model(torch.randn(2, 8, 3, 24, 24)).flatten().tolist())
"""


@pytest.mark.slow
def test_a_card_names_the_models_that_both_streams_started_from(tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    streams = TwoStreamConfig(image_size=32, width=4, n_classes=2)
    streams.build().save_pretrained(tmp_path / "model")
    words = ["hub", "push-recognizer", str(tmp_path / "model"), "--repo", "me/two", "--license", "mit"]
    for initial, bases in (
        ("me/rgb,me/flow", ["me/rgb", "me/flow"]),
        ("me/rgb", "me/rgb"),
        ("rgb.pt,me/flow", "me/flow"),
    ):
        (tmp_path / "model" / "training.json").write_text(json.dumps({"initial": initial}))
        assert cli.main([*words, "--dataset", "GymSim", "--out", str(tmp_path / "card")]) == 0
        card: Any = ModelCard.load(tmp_path / "card" / "README.md")
        assert card.data.base_model == bases
        if len(bases) == 2:
            told = "started from [me/rgb](https://huggingface.co/me/rgb) and [me/flow](https://huggingface.co/me/flow)."
            assert told in card.text


@pytest.mark.slow
def test_what_is_pushed_comes_back_from_the_hub_bit_for_bit(saved: tuple[Path, SeFAR], tmp_path: Path) -> None:
    folder, model = saved
    (folder / "training.json").write_text(json.dumps({"algorithm": {"name": "sefar"}, "initial": "owner/vit"}))
    (folder / "notes.pth").touch()
    lines = [{"clip_id": f"v_E_000000_000001_A_0000_000{i}", "label": i, "probabilities": [0.9, 0.1]} for i in (0, 1)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["hub", "push-recognizer", str(folder), "--repo", "me/sefar", "--license", "apache-2.0"]
    words += ["--dataset", "GymSim", "--predictions", str(tmp_path / "p.jsonl")]
    with serve_hub(HubSite()) as hub:
        done = gymqa(tmp_path, *words, HF_TOKEN="hf_secret", HF_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"me/sefar: {hub.url}/me/sefar/commit/1\n"
        assert sorted(hub.files) == ["README.md", "config.json", "model.safetensors"]
        card = hub.files["README.md"].decode()
        assert "base_model: owner/vit" in card and "algorithm sefar" in card and "| Top-1 accuracy | 50.0 % |" in card
        hub.files["pytorch_model.bin"] = b"never asked for"
        hub.requests.clear()
        loaded = run_apart(tmp_path, "-c", LOAD, "me/sefar", HF_ENDPOINT=hub.url)
        assert loaded.returncode == 0, loaded.stderr
        assert not any("pytorch_model" in path for path in hub.requests)
    torch.manual_seed(0)
    assert json.loads(loaded.stdout) == model(torch.randn(2, 8, 3, 24, 24)).flatten().tolist()
    again = run_apart(tmp_path, "-c", LOAD, "me/sefar", HF_ENDPOINT=hub.url)  # the Hub is gone
    assert again.stdout == loaded.stdout, again.stderr
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_folder_is_written_and_nothing_uploaded(saved: tuple[Path, SeFAR], tmp_path: Path) -> None:
    words = ["--repo", "me/sefar", "--license", "apache-2.0", "--dataset", "GymSim", "--out", str(tmp_path / "out")]
    done = gymqa(tmp_path, "hub", "push-recognizer", str(saved[0]), *words, HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/out: nothing uploaded\n"), done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert (tmp_path / "out/model.safetensors").read_bytes() == (saved[0] / "model.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("status", "named"), [(401, "HF_TOKEN"), (404, "name")])
def test_a_model_that_the_hub_does_not_give_is_one_sentence(tmp_path: Path, status: int, named: str) -> None:
    with serve_hub(HubSite(status)) as hub:
        code = "from gymqa.hub.client import download_model; download_model('me/none')"
        done = run_apart(tmp_path, "-c", code, HF_ENDPOINT=hub.url, HF_TOKEN="hf_secret")
    assert does_name(done.stderr.splitlines()[-1], "GymQAError: me/none", named)
    assert "secret" not in done.stderr


@pytest.mark.parametrize("name", ["../x", "alone", "a/b/c"])
def test_names_that_no_model_can_have_are_refused(name: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(name))):
        download_model(name)


@pytest.mark.slow
def test_an_image_vit_of_the_hub_starts_a_backbone(tmp_path: Path) -> None:
    from recognizers.backbones.image.vit import ImageViT

    ImageViT(TINY.vit).save_pretrained(tmp_path / "vit")
    files = {path.name: path.read_bytes() for path in (tmp_path / "vit").iterdir()}
    code = (
        "from recognizers.backbones.image_checkpoints import initialise_backbone as start\n"
        "from recognizers.backbones.timesformer import TimeSformer\n"
        "from recognizers.backbones.image.vit import ViTConfig\n"
        "vit = ViTConfig(image_size=24, patch_size=12, dim=16, depth=2, heads=2)\n"
        "print(start(TimeSformer(vit, (2, 4), 0.0, 0.0), 'me/vit').sentence())"
    )
    with serve_hub(HubSite(files=files)) as hub:
        done = run_apart(tmp_path, "-c", code, HF_ENDPOINT=hub.url)
    assert re.findall(r"\d+", done.stdout) == ["42", "0", "5", "0"], done.stderr
