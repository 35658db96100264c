"""Random image-text-to-text models of every family that transformers builds here, tiny, saved as their makers save."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from transformers import video_processing_utils
from transformers.utils import is_torchvision_available

from eval.adapters.vlm.families import FAMILIES as TRIED
from eval.adapters.vlm.processors import without_type_check
from eval.adapters.vlm.torchvision_parts import processor_class
from tests.helpers.places import ROOT

TOKENIZER = ROOT / "encoders" / "tiny_vicuna"
SIDE, PATCH = 28, 14
TEXT = {
    "vocab_size": 1040, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": SIDE,
    "patch_size": PATCH, "projection_dim": 32,
}  # fmt: skip
SMALL: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TOWER: dict[str, Any] = {**SMALL, "image_size": SIDE, "patch_size": PATCH}
SQUARE = {"height": SIDE, "width": SIDE}
CLIP_SIZE = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
VICUNA = (
    "{% for message in messages %}{{ message['role'].upper() }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% elif part['type'] == 'video' %}<video>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% elif part['type'] == 'video' %}VIDEO{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(*specials: str, **named: str) -> Any:
    """The embedded tokenizer of 1,024 pieces with further special tokens."""
    made = hf.AutoTokenizer.from_pretrained(TOKENIZER, extra_special_tokens=named)
    made.add_tokens([*specials, *named.values()], special_tokens=True)
    return made


def save_llava(folder: Path) -> None:
    words = tokenizer("<image>")
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**VISION), text_config=hf.LlamaConfig(**TEXT), image_seq_length=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessorPil(**CLIP_SIZE), words, patch_size=PATCH, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=VICUNA,
    )  # fmt: skip
    model = hf.LlavaForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "vision_tower" not in name:
                weight *= 10  # so that what it says depends on what it sees
    save_pretrained(model, processor, folder)


def save_llava_next_video(folder: Path) -> None:
    words = tokenizer("<image>", "<video>")
    config = hf.LlavaNextVideoConfig(
        vision_config=hf.CLIPVisionConfig(**{**VISION, "image_size": 2 * SIDE}), text_config=hf.LlamaConfig(**TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"), image_grid_pinpoints=[[56, 112], [112, 112]],
        video_token_index=words.convert_tokens_to_ids("<video>"),
    )  # fmt: skip
    clip_size = {"size": {"shortest_edge": 2 * SIDE}, "crop_size": {"height": 2 * SIDE, "width": 2 * SIDE}}
    processor = without_type_check(hf.LlavaNextVideoProcessor)(
        video("llava_next_video", **clip_size), hf.LlavaNextImageProcessorPil(**clip_size), words, patch_size=PATCH,
        vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=VICUNA,
    )  # fmt: skip
    save_pretrained(hf.LlavaNextVideoForConditionalGeneration(config), processor, folder)


def save_video_llava(folder: Path) -> None:
    words = tokenizer("<image>", "<video>")
    config = hf.VideoLlavaConfig(
        vision_config=hf.CLIPVisionConfig(**VISION), text_config=hf.LlamaConfig(**TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"), image_seq_length=4,
        video_token_index=words.convert_tokens_to_ids("<video>"), video_seq_length=20,
    )  # fmt: skip
    processor = without_type_check(hf.VideoLlavaProcessor)(
        hf.VideoLlavaImageProcessor(**CLIP_SIZE), video("video_llava", **CLIP_SIZE), words, patch_size=PATCH,
        vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=VICUNA,
    )  # fmt: skip
    save_pretrained(hf.VideoLlavaForConditionalGeneration(config), processor, folder)


QWEN_SPECIALS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_CHAT = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>").replace(
    "VIDEO", "<|vision_start|><|video_pad|><|vision_end|>"
)
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}


def qwen_ids(words: Any) -> dict[str, int]:
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {name: words.convert_tokens_to_ids(token) for name, token in names.items()}


def save_qwen2_5_vl(folder: Path) -> None:
    words = tokenizer(*QWEN_SPECIALS)
    config = hf.Qwen2_5_VLConfig(
        text_config={**TEXT, "rope_parameters": MROPE},
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "patch_size": PATCH,
            "out_hidden_size": 32, "window_size": 56, "fullatt_block_indexes": [1],
        },
        **qwen_ids(words),
    )  # fmt: skip
    pictures = hf.Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56})
    kind = without_type_check(hf.Qwen2_5_VLProcessor)
    clips = video("qwen2_5_vl", size={"shortest_edge": 28 * 28, "longest_edge": 8 * 56 * 56})
    processor = kind(pictures, words, clips, chat_template=QWEN_CHAT)
    save_pretrained(hf.Qwen2_5_VLForConditionalGeneration(config), processor, folder)


def save_qwen3_vl(folder: Path) -> None:
    words = tokenizer(*QWEN_SPECIALS)
    config = hf.Qwen3VLConfig(
        text_config={**TEXT, "head_dim": 8, "rope_parameters": MROPE},
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "patch_size": 16,
            "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
        },
        **qwen_ids(words),
    )  # fmt: skip
    pictures = hf.Qwen2VLImageProcessorPil(size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64}, patch_size=16)
    clips = video("qwen3_vl", size={"shortest_edge": 32 * 32, "longest_edge": 8 * 64 * 64})
    processor = without_type_check(hf.Qwen3VLProcessor)(pictures, words, clips, chat_template=QWEN_CHAT)
    save_pretrained(hf.Qwen3VLForConditionalGeneration(config), processor, folder)


def save_internvl(folder: Path) -> None:
    words = tokenizer(
        "<|im_start|>", "<|im_end|>", start_image_token="<img>", end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>", video_token="<video>",
    )  # fmt: skip
    config = hf.InternVLConfig(
        text_config=hf.Qwen2Config(**TEXT), image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=1,
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH],
        },
    )  # fmt: skip
    pictures = hf.GotOcr2ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    processor = without_type_check(hf.InternVLProcessor)(
        pictures,
        words,
        video("internvl", size={"height": SIDE, "width": SIDE}),
        image_seq_length=1,
        chat_template=CHATML.replace("IMAGE", "<IMG_CONTEXT>\n").replace("VIDEO", "<video>\n"),
    )
    save_pretrained(hf.InternVLForConditionalGeneration(config), processor, folder)


def save_smolvlm(folder: Path) -> None:
    words = tokenizer("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", "<|im_start|>")
    config = hf.SmolVLMConfig(
        text_config=hf.LlamaConfig(**TEXT), image_token_id=words.convert_tokens_to_ids("<image>"), scale_factor=2,
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "image_size": SIDE, "patch_size": PATCH,
        },
    )  # fmt: skip
    pictures = hf.SmolVLMImageProcessorPil(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=True
    )
    template = CHATML.replace("IMAGE", "<image>").replace("VIDEO", "<video>")
    template = template.replace("<|im_end|>", "<end_of_utterance>")
    processor = without_type_check(hf.SmolVLMProcessor)(
        pictures,
        words,
        video("smolvlm", size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}),
        image_seq_len=1,
        chat_template=template,
    )
    save_pretrained(hf.SmolVLMForConditionalGeneration(config), processor, folder)


def video(family: str, **settings: Any) -> Any:
    """The video processor of a family."""
    return processor_class(TRIED[family].video_processor)(**settings)


def save_pretrained(model: Any, processor: Any, folder: Path) -> None:
    """Save a model as its makers do."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


FAMILIES: dict[str, Callable[[Path], None]] = {
    "llava": save_llava,
    "llava_next_video": save_llava_next_video,
    "video_llava": save_video_llava,
    "qwen2_5_vl": save_qwen2_5_vl,
    "qwen3_vl": save_qwen3_vl,
    "internvl": save_internvl,
    "smolvlm": save_smolvlm,
}


def save_tiny(
    family: str, folder: Path, seed: int = 0, families: Mapping[str, Callable[[Path], None]] = FAMILIES
) -> Path:
    """Save a random model of a family, always the same one for the same seed."""
    alone = is_torchvision_available() or hasattr(video_processing_utils, "VideoProcessorMixin")
    if family != "llava" and not alone:
        pytest.skip("this version of transformers needs torchvision for a model with a video processor")
    torch.manual_seed(seed)
    families[family](folder)
    return folder
