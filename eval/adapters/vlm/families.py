"""How each family of image-text models of transformers is shown a clip: as its makers do, video or images with times.

`benchmarks/vlm_families.py` tries every entry with a tiny random model, and prints the table of docs/adapters.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gymqa.errors import GymQAError

_CAPPED = {"cap_pixels_per_frame": True}  # as Qwen's own code does; without it a short clip costs as much as a long one


@dataclass(frozen=True, slots=True)
class Family:
    """How a model type is shown a clip.

    Attributes:
        video_processor: class of transformers that processes a clip as one video; "" for a family that takes images.
        least_frames: fewest frames of a video that it takes; a shorter clip's last frame is repeated.
        video_options: of that processor.
        image_options: of the image processor, for a frame among several.
        pil: images are given as PIL images rather than arrays.
    """

    video_processor: str = ""
    least_frames: int = 1
    video_options: Mapping[str, Any] = field(default_factory=dict)
    image_options: Mapping[str, Any] = field(default_factory=dict)
    pil: bool = False

    @property
    def as_video(self) -> bool:
        """Whether a clip is one video rather than several images."""
        return bool(self.video_processor)


_WHOLE = {"do_image_splitting": False}  # a frame is one image of a clip, not a page to be read in tiles

FAMILIES: dict[str, Family] = {
    "aya_vision": Family(image_options={"crop_to_patches": False}),
    "gemma3": Family(),
    "glm46v": Family("Glm46VVideoProcessor", 2),
    "glm4v": Family("Glm4vVideoProcessor", 2),
    "idefics2": Family(image_options=_WHOLE, pil=True),
    "idefics3": Family(image_options=_WHOLE),
    "internvl": Family("InternVLVideoProcessor"),
    "lfm2_vl": Family(image_options=_WHOLE),
    "llava": Family(),
    "llava_next": Family(),
    "llava_next_video": Family("LlavaNextVideoVideoProcessor"),
    "llava_onevision": Family("LlavaOnevisionVideoProcessor"),
    "mistral3": Family(),
    "paligemma": Family(),
    "qwen2_5_vl": Family("Qwen2VLVideoProcessor", 2, _CAPPED),
    "qwen2_vl": Family("Qwen2VLVideoProcessor", 2, _CAPPED),
    "qwen3_5": Family("Qwen3VLVideoProcessor", 2, _CAPPED),
    "qwen3_vl": Family("Qwen3VLVideoProcessor", 2, _CAPPED),
    "smolvlm": Family("SmolVLMVideoProcessor"),
    "video_llama_3": Family("VideoLlama3VideoProcessor"),
    "video_llava": Family("VideoLlavaVideoProcessor"),
    "vipllava": Family(),
}
"""By `model_type` of a config.json; what is not here has not been tried."""


def family_of(model_type: str, name: str, untried: bool = False) -> Family:
    """How a model is shown a clip.

    Args:
        model_type: of its config.json.
        name: of the model, for the message.
        untried: show a model of a family that was not tried images with their times.

    Raises:
        GymQAError: its family was not tried.
    """
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    if untried:
        return Family()
    raise GymQAError(
        f"{name} is a {model_type or 'model of no type'}, which was not tried; --options.untried true shows it images "
        f"with their times all the same, or choose one of {', '.join(FAMILIES)}"
    )
