"""A training that starts from a saved recognizer of the same family."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gymqa.errors import GymQAError
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.c3d import C3DConfig
from recognizers.backbones.image.vit import ImageViT
from recognizers.backbones.resnet3d import ResNet3DConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.ssl.algorithms import algorithm_named
from recognizers.training.train import train
from recognizers.weights_io.tensors import weights_modality
from tests.helpers.loopback_hub import HubSite, serve_hub
from tests.helpers.naming import does_name, naming
from tests.helpers.training_world import CONFIG, MODEL, World, weights
from tests.helpers.warm import run_apart

TSN = TSNConfig(image_size=16, width=4, n_classes=2)
SMALL: list[ModelConfig] = [TSN, ResNet3DConfig(image_size=16, n_frames=4, width=4, n_classes=2), MODEL]


@pytest.mark.parametrize("config", SMALL, ids=lambda config: config.family)
def test_all_but_the_head_is_taken_up_and_the_rest_is_reported(config: ModelConfig, tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = replace(config, n_classes=5).build()
    before.save_pretrained(tmp_path)
    model = config.build()
    head = model.head.weight.detach().clone()
    said = model.start_from(str(tmp_path))
    assert said == f"{len(before.state_dict()) - 2} tensors loaded, 2 left out (head.bias, head.weight)"
    for name, tensor in model.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(tensor, before.state_dict()[name]), name
    assert torch.equal(model.head.weight, head)


def test_the_head_stays_fresh_even_where_it_would_fit(tmp_path: Path) -> None:
    before, model = TSN.build(), TSN.build()
    before.save_pretrained(tmp_path)
    model.start_from(str(tmp_path))
    assert not torch.equal(model.head.weight, before.head.weight)


def test_other_families_other_sizes_and_other_folders_are_refused(tmp_path: Path) -> None:
    replace(TSN, width=8).build().save_pretrained(tmp_path / "wide")
    with pytest.raises(GymQAError, match=naming(tmp_path / "wide", "backbone.bn1.bias")):
        TSN.build().start_from(str(tmp_path / "wide"))
    with pytest.raises(GymQAError, match=naming(tmp_path / "wide", "tsn", "sefar")):
        MODEL.build().start_from(str(tmp_path / "wide"))
    (tmp_path / "nothing").mkdir()
    c3d = C3DConfig(image_size=16, width=2, wide=2, n_frames=2).build()
    with pytest.raises(GymQAError, match=naming("c3d")):
        c3d.start_from(str(tmp_path / "nothing"))
    (tmp_path / "nothing" / "config.json").write_text(json.dumps([]))
    with pytest.raises(GymQAError, match=naming("c3d")):
        c3d.start_from(str(tmp_path / "nothing"))
    with pytest.raises(GymQAError, match=naming("model.safetensors")):
        TSN.build().start_from(str(tmp_path / "nothing"))


@pytest.mark.parametrize("config", [TSN, C3DConfig(image_size=16, width=2, wide=2, n_frames=2)], ids=["tsn", "c3d"])
def test_a_recognizer_of_colours_starts_one_of_flow_of_its_family(config: ModelConfig, tmp_path: Path) -> None:
    before, model = config.build(), replace(config, modality="flow").build()
    before.save_pretrained(tmp_path)
    said = model.start_from(str(tmp_path))
    theirs, ours = before.state_dict(), model.state_dict()
    (first,) = (name for name in ours if ours[name].shape != theirs[name].shape)
    assert does_name(str(said), first)
    assert torch.equal(ours[first], theirs[first].mean(1, keepdim=True).expand_as(ours[first]))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name != first and not name.startswith("head."))
    model.save_pretrained(tmp_path / "flow")
    with pytest.raises(GymQAError, match=naming("config.json", "flow")):
        before.start_from(str(tmp_path / "flow"))


@pytest.mark.slow
def test_what_weights_were_trained_on_is_known_of_folders_files_and_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    replace(TSN, modality="flow").build().save_pretrained(folder)
    assert weights_modality(str(folder)) == weights_modality(str(folder / "model.safetensors")) == "flow"
    said = (
        "import sys; from recognizers.weights_io.tensors import weights_modality; print(weights_modality(sys.argv[1]))"
    )
    with serve_hub(HubSite(files={path.name: path.read_bytes() for path in folder.iterdir()})) as hub:
        ran = run_apart(tmp_path, "-c", said, "me/of-flow", HF_ENDPOINT=hub.url)
    assert (ran.stdout, ran.returncode) == ("flow\n", 0), ran.stderr


def test_a_sefar_still_starts_from_an_image_vit(tmp_path: Path) -> None:
    image = ImageViT(MODEL.vit)
    image.save_pretrained(tmp_path)
    model = MODEL.build()
    model.start_from(str(tmp_path))
    assert torch.equal(model.state_dict()["backbone.cls_token"], image.cls_token)


@pytest.mark.slow
def test_a_training_says_what_it_started_from_and_other_weights_of_that_name_are_another_run(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(CONFIG, model=TSN, algorithm=algorithm_named("supervised"), steps=2, warm_up_steps=0)
    before = train(config, *world, tmp_path / "before")
    fine = replace(config, initial=str(before), learning_rate=1e-9, clip_norm=0.0)
    after = train(fine, *world, tmp_path / "after")
    assert does_name(capsys.readouterr().err.replace("\n", ""), before)
    torch.testing.assert_close(
        weights(after)["backbone.conv1.weight"], weights(before)["backbone.conv1.weight"], atol=1e-6, rtol=0
    )
    TSN.build().save_pretrained(before)
    with pytest.raises(GymQAError, match=naming("initial_weights")):
        train(fine, *world, tmp_path / "after")
