"""Processors of image-text-to-text models without torchvision: PIL image processors, and videos as lists of frames.

A family's own video processor resizes, crops and normalises every frame as its image processor does an image. For
those families whose model takes a clip as one tensor [B, T, C, H, W], `FramesAsVideo` does the same with PIL's image
processor; all others are given the frames as a sequence of images.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    BatchFeature,
    CLIPImageProcessorPil,
    ProcessorMixin,
    video_processing_utils,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils import is_vision_available

from gymqa.errors import GymQAError
from gymqa.hub.foreign_models import reading_foreign
from gymqa.io.typed_json import read_object

_VideoProcessor = getattr(video_processing_utils, "VideoProcessorMixin", video_processing_utils.BaseVideoProcessor)
"""Base class of video processors: without torchvision where transformers has one that does without (from 5.18 on)."""
_FRAME_SETTINGS = (
    "size", "crop_size", "resample", "image_mean", "image_std", "rescale_factor",
    "do_resize", "do_center_crop", "do_rescale", "do_normalize",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """Input format of a model type for a clip.

    Attributes:
        as_video: one video of n frames rather than n images.
        image_options: options of the image processor for a frame, as the model's video processor would set them.
    """

    as_video: bool = False
    image_options: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    "llava_next_video": Family(as_video=True),
    "video_llava": Family(as_video=True),
    "internvl": Family(image_options={"crop_to_patches": False}),
    "smolvlm": Family(image_options={"do_image_splitting": False}),
}
"""By `model_type` of a config.json; all others take images, with their processor's own settings."""


def load_processor(folder: Path, trust_remote_code: bool = False) -> Any:
    """A model's processor, working on PIL images.

    Raises:
        GymQAError: the folder has none, or one that needs a missing package.
    """

    if not is_vision_available():
        raise GymQAError("image-text models need pillow; pip install 'gymqa[vlm]'")
    with reading_foreign(partial(_refusal, folder)):
        try:
            processor = AutoProcessor.from_pretrained(folder, backend="pil", trust_remote_code=trust_remote_code)
        except ImportError:  # its video processor needs torchvision
            processor = _without_video_processor(folder)
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise GymQAError(f"{folder.name} has no processor of images and text; give an image-text-to-text model")
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    processor.tokenizer.padding_side = "left"
    return processor


def _refusal(folder: Path, error: Exception) -> GymQAError:
    """The error of a processor that cannot be loaded."""
    if isinstance(error, ImportError):
        return GymQAError(f"the processor of {folder.name} needs a package that is not installed: {first_line(error)}")
    return GymQAError(
        f"the processor in {folder} cannot be loaded ({first_line(error)}); copy or download the model again"
    )


def _without_video_processor(folder: Path) -> Any:
    """Assemble a processor from its parts, with a PIL video processor in place of its own."""

    options, _ = ProcessorMixin.get_processor_dict(folder)
    kind = getattr(transformers, str(options.pop("processor_class", None)), None)
    kind = kind or PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(folder, trust_remote_code=False))]
    parts = {
        "image_processor": AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False),
        "tokenizer": AutoTokenizer.from_pretrained(folder, trust_remote_code=False),
        "video_processor": frames_as_video(_frame_settings(folder)),
    }
    accepted = inspect.signature(kind.__init__).parameters
    settings = {name: value for name, value in options.items() if name in accepted and name not in parts}
    return without_type_check(kind)(**parts, **settings)


def without_type_check(kind: type) -> Any:
    """A processor class that accepts parts of any type.

    Without torchvision transformers does not export the class it checks a video processor against.
    """
    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": lambda self, name, part: None})


def _frame_settings(folder: Path) -> dict[str, Any]:
    """Settings of a model's video processor for a frame: size and crop in pixels, mean and std of RGB."""
    found: dict[str, Any] = {}
    if (folder / "processor_config.json").is_file():
        found = read_object(folder / "processor_config.json").get("video_processor") or {}
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        if not found and (folder / name).is_file():
            found = read_object(folder / name)
    return {name: found[name] for name in _FRAME_SETTINGS if name in found}


def frames_as_video(settings: Mapping[str, Any]) -> Any:
    """A video processor that applies CLIP's image processor to every frame.

    transformers' video processors of LLaVA-NeXT-Video and Video-LLaVA do the same, with torchvision's bicubic resizing
    in place of PIL's.
    """

    image_processor = CLIPImageProcessorPil(**settings)

    class FramesAsVideo(_VideoProcessor):  # type: ignore[misc, valid-type]
        """From videos, each a list of frames, to `pixel_values_videos` [B, T, C, H, W]."""

        num_frames = fps = None  # SmolVLM's processor reads them: no further sampling

        def __call__(self, videos: Any, **_: Any) -> Any:
            rows = [image_processor(list(frames), return_tensors="pt")["pixel_values"] for frames in videos]
            return BatchFeature({"pixel_values_videos": torch.stack(rows)})

    return FramesAsVideo()


def first_line(error: Exception) -> str:
    """The first non-empty line of an error's text; the name of its class where it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
