"""Where torchvision is not installed, transformers' processors work as with it, and nothing takes it to be there."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
from transformers.utils import is_torchvision_available

from eval.adapters.vlm import torchvision_parts as parts
from eval.adapters.vlm.families import FAMILIES
from gymqa.errors import GymQAError
from tests.helpers.naming import naming

BYTES = torch.randint(0, 256, (2, 3, 20, 31), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
FLOATS = BYTES.float() / 255


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.as_video])
def test_every_familys_video_processor_is_there(family: str) -> None:
    name = FAMILIES[family].video_processor
    assert parts.processor_class(name).__name__ == name
    installed = importlib.util.find_spec("torchvision") is not None
    assert ("torchvision" in sys.modules, is_torchvision_available()) == (installed, installed)


def test_a_processor_that_transformers_does_not_have_is_refused() -> None:
    with pytest.raises(GymQAError, match=naming("NoSuchVideoProcessor", "transformers")):
        parts.processor_class("NoSuchVideoProcessor")


def test_pixels_are_cropped_padded_and_normalised_as_numpy_does() -> None:
    frames = BYTES.numpy()
    around = np.pad(frames, ((0, 0), (0, 0), (5, 75), (3, 66)))
    np.testing.assert_array_equal(parts.crop(BYTES, -5, -3, 100, 100).numpy(), around)
    np.testing.assert_array_equal(parts.crop(BYTES, 4, 6, 8, 9).numpy(), frames[..., 4:12, 6:15])
    np.testing.assert_array_equal(parts.pad(BYTES, [3, 5, 66, 75]).numpy(), around)
    mean, deviation = np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.5, 0.6])
    expected = (frames / 255 - mean[:, None, None]) / deviation[:, None, None]
    np.testing.assert_allclose(
        parts.normalize(FLOATS.clone(), mean.tolist(), deviation.tolist()).numpy(), expected, atol=1e-5
    )


def test_bytes_are_resized_to_bytes_near_what_floats_are() -> None:
    modes = parts.InterpolationMode
    for mode in (modes.BILINEAR, modes.BICUBIC, modes.LANCZOS):
        small = parts.resize(BYTES, [10, 17], mode)
        assert small.dtype == torch.uint8 and small.shape == (2, 3, 10, 17)
        apart = small.float() - 255 * parts.resize(FLOATS, [10, 17], mode).clamp(0, 1)
        assert apart.abs().mean() < 0.6
    with pytest.raises(GymQAError, match="torchvision"):
        parts.resize(BYTES, [3, 3], modes.HAMMING)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="needs torchvision")
def test_every_function_gives_torchvisions_bits() -> None:
    real = importlib.import_module(parts._NAME)
    for image in (BYTES, FLOATS):
        for name in ("BILINEAR", "BICUBIC", "NEAREST", "LANCZOS"):
            for size in ([10, 17], [40, 50], [20, 31]):
                ours = parts.resize(image, size, parts.InterpolationMode[name])
                assert torch.equal(ours, real.resize(image, size, interpolation=real.InterpolationMode[name]))
    assert torch.equal(parts.crop(BYTES, -5, 20, 30, 30), real.crop(BYTES, -5, 20, 30, 30))
    assert torch.equal(parts.pad(BYTES, [1, 2, 3, 4]), real.pad(BYTES, [1, 2, 3, 4]))
    mean, deviation = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    assert torch.equal(parts.normalize(FLOATS, mean, deviation), real.normalize(FLOATS, mean, deviation))
    assert torch.equal(parts.to_dtype(BYTES, torch.float, True), real.to_dtype(BYTES, torch.float, True))
    assert torch.equal(parts.to_dtype(FLOATS, torch.uint8, True), real.to_dtype(FLOATS, torch.uint8, True))
    assert torch.equal(parts.grayscale_to_rgb(BYTES[:, :1]), real.grayscale_to_rgb(BYTES[:, :1]))
