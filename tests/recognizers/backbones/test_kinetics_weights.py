"""I3Ds to start from: PySlowFast's own files, and networks without non-local blocks for one that has some."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.base import Recognizer
from recognizers.backbones.i3d import I3DConfig
from recognizers.backbones.image_checkpoints import image_weights_hash
from recognizers.backbones.tsn import TSNConfig
from tests.helpers.naming import naming
from tests.helpers.published_networks import R50, WIDTH, clip, of_pyslowfast, resnet, saved, started, trained

PLAIN = I3DConfig(image_size=32, n_frames=4, width=WIDTH, architecture="resnet50")
NON_LOCAL = replace(PLAIN, non_local=True)
FRESH = 5 * 13  # tensors of five blocks


@pytest.fixture(scope="module")
def plain() -> Recognizer:
    """An I3D as after a training on Kinetics."""
    torch.manual_seed(3)
    model = replace(PLAIN, pixels="kinetics").build()
    trained(model)
    return model


def network_of(model: Recognizer) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = model.backbone.state_dict()  # type: ignore[union-attr, operator]
    return tensors


def checkpoint(model: Recognizer) -> dict[str, Any]:
    """What PySlowFast's save_checkpoint writes."""
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    state = {"epoch": 3, "model_state": of_pyslowfast(network_of(model)), "optimizer_state": optimizer}
    return {**state, "cfg": "DATA:\n  MEAN: [0.45, 0.45, 0.45]\n"}


@pytest.mark.slow
def test_a_checkpoint_of_pyslowfast_is_read_as_it_wrote_it(plain: Recognizer, tmp_path: Path) -> None:
    path = saved(tmp_path, checkpoint(plain), "checkpoint_epoch_00004.pyth")
    model, said = started(PLAIN, path)
    assert "318 tensors loaded, 0 of them resized, 0 fresh, 0 of the checkpoint left out" in said
    assert model.config == plain.config
    assert PLAIN.start_hash(str(path)) == image_weights_hash(path)
    frames = clip(PLAIN)
    torch.testing.assert_close(model.forward_features(frames).fused, plain.forward_features(frames).fused)


@pytest.mark.slow
def test_pyslowfasts_network_of_pictures_was_trained_on_imagenet(tmp_path: Path) -> None:
    network, _ = resnet(*R50)
    path = saved(tmp_path, {"model_state": of_pyslowfast(network.state_dict())}, "R50_IN1K.pyth")  # type: ignore[dict-item]
    config = TSNConfig(image_size=32, architecture="resnet50", width=WIDTH)
    model, _ = started(config, path)
    assert model.config == replace(config, pixels="imagenet")
    inflated, said = started(PLAIN, path)
    assert inflated.config == replace(PLAIN, pixels="imagenet") and "53 of them resized" in said


@pytest.mark.parametrize("content", [{"epoch": 3, "model_state": {}}, {"epoch": 3}, [torch.zeros(2)]])
def test_a_file_without_tensors_by_name_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("weights.pyth", "state_dict", "model_state")):
        started(PLAIN, saved(tmp_path, content, "weights.pyth"))


def test_caffe2s_files_are_refused_with_the_way_to_convert_them(tmp_path: Path) -> None:
    (tmp_path / "I3D_8x8_R50.pkl").write_bytes(b"")
    with pytest.raises(GymQAError, match=naming("I3D_8x8_R50.pkl", "convert_from_caffe2=True", ".pyth")):
        started(PLAIN, tmp_path / "I3D_8x8_R50.pkl")
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(GymQAError, match=naming("weights.h5", ".safetensors", ".pth", ".pt", ".bin", ".pyth")):
        started(PLAIN, tmp_path / "weights.h5")


@pytest.mark.parametrize("form", ["folder", "pyth"])
def test_an_i3d_starts_one_with_non_local_blocks_which_begin_as_nothing(
    form: str, plain: Recognizer, tmp_path: Path
) -> None:
    source = tmp_path
    if form == "folder":
        plain.save_pretrained(tmp_path)
    else:
        source = saved(tmp_path, checkpoint(plain), "i3d.pyth")
    model, said = started(NON_LOCAL, source)
    assert "318 tensors loaded" in said and f", {FRESH} fresh" in said
    assert model.config == replace(NON_LOCAL, pixels="kinetics")
    ours, theirs = network_of(model), network_of(plain)
    assert all(torch.equal(ours[name], one) for name, one in theirs.items())
    assert len(ours) == len(theirs) + FRESH
    frames = clip(PLAIN)
    torch.testing.assert_close(model.forward_features(frames).fused, plain.eval().forward_features(frames).fused)


@pytest.mark.slow
def test_learnt_non_local_blocks_are_taken_up_whole_or_not_at_all(tmp_path: Path) -> None:
    first = NON_LOCAL.build()
    torch.nn.init.ones_(first.get_parameter("backbone.layer2.non_local_1.norm.weight"))
    first.save_pretrained(tmp_path / "whole")
    model, said = started(NON_LOCAL, tmp_path / "whole")
    assert "fresh" not in said
    assert all(torch.equal(network_of(model)[name], one) for name, one in network_of(first).items())
    with pytest.raises(GymQAError, match=naming(tmp_path / "whole", "backbone.layer2.non_local_1.g.bias")):
        started(PLAIN, tmp_path / "whole")
    del first.backbone.layer2.non_local_1.theta  # type: ignore[union-attr, operator]
    with pytest.raises(GymQAError, match=naming("damaged.pth", "layer2.non_local_1.theta.weight")):
        started(NON_LOCAL, saved(tmp_path, first.state_dict(), "damaged.pth"))
    first.save_pretrained(tmp_path / "part")
    with pytest.raises(GymQAError, match=naming(tmp_path / "part", "backbone.layer2.non_local_1.theta.weight")):
        started(NON_LOCAL, tmp_path / "part")
