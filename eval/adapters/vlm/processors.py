"""Processors of image-text models: images by PIL, videos as transformers processes them; the same without torchvision.

Also the processor of a language model without images, for the adapter `blind`.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, AutoTokenizer, BatchFeature, ProcessorMixin
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils import is_torchvision_available, is_vision_available

from eval.adapters.vlm.torchvision_parts import processor_class
from gymqa.errors import GymQAError
from gymqa.hub.foreign_models import reading_foreign
from gymqa.io.typed_json import read_object

_TYPES = ("image_processor_type", "video_processor_type", "processor_class", "feature_extractor_type", "auto_map")


def load_processor(folder: Path, video_processor: str = "", trust_remote_code: bool = False) -> Any:
    """A model's processor, with images processed by PIL.

    Args:
        folder: of the model.
        video_processor: class of its family's video processor; "" where it has none.
        trust_remote_code: run Python code that comes with the model.

    Raises:
        GymQAError: the folder has none, or one that needs a missing package.
    """
    if not is_vision_available():
        raise GymQAError("image-text models need pillow; pip install 'gymqa[vlm]'")
    with reading_foreign(partial(_refusal, folder)):
        try:
            processor = AutoProcessor.from_pretrained(folder, backend="pil", trust_remote_code=trust_remote_code)
            whole = not video_processor or getattr(processor, "video_processor", None) is not None
        except (
            ImportError,
            ValueError,
            OSError,
        ) as error:  # without torchvision, or without the video processor's file
            if is_torchvision_available() and not video_processor:
                raise
            reason, whole = error, False
        else:
            reason = ImportError(f"{video_processor} needs torchvision")
        if not whole:
            processor = _assembled(folder, video_processor, reason)
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise GymQAError(f"{folder.name} has no processor of images and text; give an image-text-to-text model")
    return _padding_left(processor)


def _padding_left(processor: Any) -> Any:
    """The processor, whose tokenizer pads on the left."""
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


def _assembled(folder: Path, video_processor: str, reason: Exception) -> Any:
    """A processor put together from its parts, those of torchvision replaced.

    Raises:
        Exception: `reason`, where the folder's files do not name the parts.
    """
    options, _ = ProcessorMixin.get_processor_dict(folder)
    name = options.pop("processor_class", None)
    kind = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(folder, trust_remote_code=False)), None)
    if name is None and kind is None:
        raise reason
    kind = processor_class(str(name or kind.__name__))
    accepted = inspect.signature(kind.__init__).parameters
    parts: dict[str, Any] = {"tokenizer": AutoTokenizer.from_pretrained(folder, trust_remote_code=False)}
    if "image_processor" in accepted:
        parts["image_processor"] = _image_processor(folder)
    if "video_processor" in accepted and video_processor:
        parts["video_processor"] = processor_class(video_processor)(**settings_of(folder, "video_processor"))
    settings = {name: value for name, value in options.items() if name in accepted and name not in parts}
    return without_type_check(kind)(**parts, **settings)


def _image_processor(folder: Path) -> Any:
    """A model's image processor, by PIL where it has one of PIL."""
    try:
        return AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)
    except (ImportError, ValueError):
        name = str(_saved(folder, "image_processor").get("image_processor_type", "")).removesuffix("Fast")
        if not name:
            raise
        return processor_class(name)(**settings_of(folder, "image_processor"))


def without_type_check(kind: type) -> Any:
    """A processor class that accepts parts of any type.

    Without torchvision transformers does not export the class it checks a video processor against.
    """
    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": lambda self, name, part: None})


def settings_of(folder: Path, part: str) -> dict[str, Any]:
    """Settings of a processor's part as they are saved: beside the others, in a file of its own, or as the image's."""
    return {name: value for name, value in _saved(folder, part).items() if name not in _TYPES}


def _saved(folder: Path, part: str) -> dict[str, Any]:
    """What is saved of a processor's part."""
    if (folder / "processor_config.json").is_file():
        found = read_object(folder / "processor_config.json").get(part)
        if isinstance(found, dict):
            return found
    own = ["video_preprocessor_config.json"] if part == "video_processor" else []
    for name in (*own, "preprocessor_config.json"):
        if (folder / name).is_file():
            return read_object(folder / name)
    return {}


class TextProcessor:
    """The processor of a language model that takes no images: its tokenizer, and its chat template.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @property
    def chat_template(self) -> str | None:
        """Jinja source of the chat template."""
        template: str | None = self.tokenizer.chat_template
        return template

    def apply_chat_template(self, conversation: Sequence[Mapping[str, Any]], **options: Any) -> str:
        """A conversation, whose turns have parts of text, by the chat template."""
        turns = [{**turn, "content": "".join(part["text"] for part in turn["content"])} for turn in conversation]
        return str(self.tokenizer.apply_chat_template(turns, **options))

    def __call__(self, text: Sequence[str], **options: Any) -> Any:
        """A batch of texts as tokens."""
        tokens = self.tokenizer(list(text), **options)
        return BatchFeature({name: tokens[name] for name in ("input_ids", "attention_mask")})


def load_text_processor(folder: Path) -> TextProcessor:
    """The processor of a language model that takes no images.

    Raises:
        GymQAError: it has no tokenizer.
    """
    with reading_foreign(partial(_refusal, folder)):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    made: TextProcessor = _padding_left(TextProcessor(tokenizer))
    return made


def processing(processor: Any) -> Mapping[str, Any]:
    """The classes that process a model's inputs, and the pixels that they make of a frame; JSON values."""
    made: dict[str, Any] = {"class": type(processor).__name__}
    for part in ("image_processor", "video_processor"):
        found = getattr(processor, part, None)
        if found is not None:
            kept = {name: getattr(found, name, None) for name in ("size", "crop_size", "min_pixels", "max_pixels")}
            pixels = {name: str(value) for name, value in kept.items() if value is not None}
            made[part] = {"class": type(found).__name__, **pixels}
    return made


def first_line(error: Exception) -> str:
    """The first non-empty line of an error's text, and how to install what is missing; else the name of its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    install = next((line for line in lines[1:] if "pip install" in line), "")
    return f"{first} {install}".strip()
