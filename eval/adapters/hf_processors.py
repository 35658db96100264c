"""Processors of image-text-to-text models, on PIL alone: torchvision is not there, and video processors need it.

A family's own video processor resizes, crops and normalises every frame as its image processor does a picture. For
those families whose model takes a clip as one tensor [B, T, C, H, W] `FramesAsVideo` does the same with the image
processor of PIL; all others are shown the frames as a row of pictures.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
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
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils import is_vision_available
from transformers.video_processing_utils import VideoProcessorMixin

from gymqa.errors import GymQAError
from gymqa.io.files import read_json

_FRAME_SETTINGS = (
    "size", "crop_size", "resample", "image_mean", "image_std", "rescale_factor",
    "do_resize", "do_center_crop", "do_rescale", "do_normalize",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """How a kind of model is shown a clip.

    Attributes:
        as_video: one video of n frames rather than n pictures.
        image_options: options of its image processor for a frame, as its own video processor would set them.
    """

    as_video: bool = False
    image_options: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    "llava_next_video": Family(as_video=True),
    "video_llava": Family(as_video=True),
    "internvl": Family(image_options={"crop_to_patches": False}),
    "smolvlm": Family(image_options={"do_image_splitting": False}),
}
"""By `model_type` of a config.json; every other one is shown pictures, with its processor's own settings."""


def load_processor(folder: Path, trust_remote_code: bool = False) -> Any:
    """A model's processor, working on PIL pictures.

    Raises:
        GymQAError: the folder has none, or one that needs a package that is not there.
    """

    if not is_vision_available():
        raise GymQAError("models that see pictures need pillow; pip install 'gymqa[vlm]'")
    try:
        processor = AutoProcessor.from_pretrained(folder, backend="pil", trust_remote_code=trust_remote_code)
    except ImportError:  # its video processor wants torchvision
        try:
            processor = _without_video_processor(folder)
        except ImportError as error:
            raise GymQAError(f"the processor of {folder.name} needs a package: {_first_line(error)}") from error
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise GymQAError(f"{folder.name} has no processor of pictures and text; give an image-text-to-text model")
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    processor.tokenizer.padding_side = "left"
    return processor


def _without_video_processor(folder: Path) -> Any:
    """Put a processor together from its parts, with one of PIL in place of its video processor."""

    options, _ = ProcessorMixin.get_processor_dict(folder)
    kind = getattr(transformers, str(options.pop("processor_class", None)), None)
    kind = kind or PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(folder))]
    parts = {
        "image_processor": AutoImageProcessor.from_pretrained(folder, backend="pil"),
        "tokenizer": AutoTokenizer.from_pretrained(folder),
        "video_processor": frames_as_video(_frame_settings(folder)),
    }
    accepted = inspect.signature(kind.__init__).parameters
    settings = {name: value for name, value in options.items() if name in accepted and name not in parts}
    return unchecked(kind)(**parts, **settings)


def unchecked(kind: type) -> Any:
    """A kind of processor that takes its parts as they are.

    Without torchvision transformers does not export the class that it would check a video processor against.
    """
    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": lambda self, name, part: None})


def _frame_settings(folder: Path) -> dict[str, Any]:
    """How a model's video processor treats a frame: sizes in pixels, mean and spread of the colours."""
    found: dict[str, Any] = {}
    if (folder / "processor_config.json").is_file():
        found = read_json(folder / "processor_config.json").get("video_processor", {})
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        if not found and (folder / name).is_file():
            found = read_json(folder / name)
    return {name: found[name] for name in _FRAME_SETTINGS if name in found}


def frames_as_video(settings: Mapping[str, Any]) -> Any:
    """A video processor that does with every frame what CLIP's image processor does with a picture.

    It is what transformers' video processors of LLaVA-NeXT-Video and Video-LLaVA do, with PIL's bicubic resizing in
    place of torchvision's.
    """

    image_processor = CLIPImageProcessorPil(**settings)

    class FramesAsVideo(VideoProcessorMixin):
        """Videos, each a list of frames, in; `pixel_values_videos` [B, T, C, H, W] out."""

        num_frames = fps = None  # all that are given: SmolVLM's processor asks

        def __call__(self, videos: Any, **_: Any) -> Any:
            rows = [image_processor(list(frames), return_tensors="pt")["pixel_values"] for frames in videos]
            return BatchFeature({"pixel_values_videos": torch.stack(rows)})

    return FramesAsVideo()


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
