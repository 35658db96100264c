"""Tiny random image-text models of families that take videos, saved as their makers save them; see `tiny_vlms`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers as hf

from eval.adapters.vlm.processors import without_type_check
from tests.helpers.tiny_vlms import (
    CHATML,
    MROPE,
    PATCH,
    QWEN_CHAT,
    QWEN_SPECIALS,
    SIDE,
    SMALL,
    SQUARE,
    TEXT,
    TOWER,
    VICUNA,
    qwen_ids,
    save_pretrained,
    tokenizer,
    video,
)  # fmt: skip


def save_qwen2_vl(folder: Path) -> None:
    words = tokenizer(*QWEN_SPECIALS)
    config = hf.Qwen2VLConfig(
        text_config={**TEXT, "rope_parameters": MROPE},
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 32,
            "mlp_ratio": 2,
            "num_heads": 4,
            "patch_size": PATCH,
        },
        **qwen_ids(words),
    )
    pictures = hf.Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56})
    processor = without_type_check(hf.Qwen2VLProcessor)(
        pictures,
        words,
        video("qwen2_vl", size={"shortest_edge": 28 * 28, "longest_edge": 8 * 56 * 56}),
        chat_template=QWEN_CHAT,
    )
    save_pretrained(hf.Qwen2VLForConditionalGeneration(config), processor, folder)


def save_llava_onevision(folder: Path) -> None:
    words = tokenizer("<|im_start|>", "<|im_end|>", "<image>", "<video>")
    vision = hf.SiglipVisionConfig(**TOWER, vision_use_head=False)
    config = hf.LlavaOnevisionConfig(
        vision_config=vision,
        text_config=hf.Qwen2Config(**TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=[[28, 28], [28, 56]],
    )
    size = SQUARE
    processor = without_type_check(hf.LlavaOnevisionProcessor)(
        hf.LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=[[28, 28], [28, 56]]),
        words,
        video("llava_onevision", size=size),
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=CHATML.replace("IMAGE", "<image>\n").replace("VIDEO", "<video>\n"),
    )
    save_pretrained(hf.LlavaOnevisionForConditionalGeneration(config), processor, folder)


def save_video_llama_3(folder: Path) -> None:
    words = tokenizer("<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>")
    config = hf.VideoLlama3Config(
        text_config=hf.Qwen2Config(**TEXT),
        vision_config={**SMALL, "patch_size": PATCH},
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
    )
    size = {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    processor = without_type_check(hf.VideoLlama3Processor)(
        hf.VideoLlama3ImageProcessorPil(size=size),
        words,
        video("video_llama_3", size={"shortest_edge": 28 * 28, "longest_edge": 8 * 56 * 56}),
        chat_template=CHATML.replace("IMAGE", "<|image_pad|>\n").replace("VIDEO", "<|video_pad|>\n"),
    )
    save_pretrained(hf.VideoLlama3ForConditionalGeneration(config), processor, folder)


def _glm(folder: Path, name: str) -> None:
    specials = (
        "<|image|>",
        "<|video|>",
        "<|begin_of_image|>",
        "<|end_of_image|>",
        "<|begin_of_video|>",
        "<|end_of_video|>",
    )
    words = tokenizer(*specials)
    number = words.convert_tokens_to_ids
    ids = {
        "image_token_id": number("<|image|>"),
        "video_token_id": number("<|video|>"),
        "image_start_token_id": number("<|begin_of_image|>"),
        "image_end_token_id": number("<|end_of_image|>"),
        "video_start_token_id": number("<|begin_of_video|>"),
        "video_end_token_id": number("<|end_of_video|>"),
    }
    text = {
        **TEXT,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [1, 1, 2],
            "partial_rotary_factor": 1.0,
        },
    }
    if name == "Glm46V":
        text["model_type"] = "glm4v_text"
    vision: dict[str, Any] = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 4,
        "patch_size": PATCH,
        "out_hidden_size": 32,
        "image_size": SIDE,
    }
    if name == "Glm46V":
        vision["model_type"] = "glm4v_vision"
    config = getattr(hf, name + "Config")(text_config=text, vision_config=vision, **ids)
    size = {"shortest_edge": 28 * 28 * 2, "longest_edge": 56 * 56 * 2}
    processor = without_type_check(getattr(hf, name + "Processor"))(
        getattr(hf, name + "ImageProcessorPil")(size=size),
        words,
        video(name.lower(), size={"shortest_edge": 28 * 28 * 2, "longest_edge": 8 * 56 * 56}),
        chat_template=VICUNA.replace("<image>\n", "<|begin_of_image|><|image|><|end_of_image|>").replace(
            "<video>\n", "<|begin_of_video|><|video|><|end_of_video|>"
        ),
    )
    save_pretrained(getattr(hf, name + "ForConditionalGeneration")(config), processor, folder)


def save_qwen3_5(folder: Path) -> None:
    words = tokenizer(*QWEN_SPECIALS)
    config = hf.Qwen3_5Config(
        text_config={
            **TEXT,
            "head_dim": 8,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"],
            "rope_parameters": {**MROPE, "partial_rotary_factor": 1.0},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 4,
            "patch_size": 16,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
        },
        **qwen_ids(words),
    )
    pictures = hf.Qwen2VLImageProcessorPil(size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64}, patch_size=16)
    processor = without_type_check(hf.Qwen3VLProcessor)(
        pictures,
        words,
        video("qwen3_5", size={"shortest_edge": 32 * 32, "longest_edge": 8 * 64 * 64}),
        chat_template=QWEN_CHAT,
    )
    save_pretrained(hf.Qwen3_5ForConditionalGeneration(config), processor, folder)


def save_glm4v(folder: Path) -> None:
    _glm(folder, "Glm4v")


def save_glm46v(folder: Path) -> None:
    _glm(folder, "Glm46V")


VIDEO_FAMILIES: dict[str, Callable[[Path], None]] = {
    "glm46v": save_glm46v,
    "glm4v": save_glm4v,
    "llava_onevision": save_llava_onevision,
    "qwen2_vl": save_qwen2_vl,
    "qwen3_5": save_qwen3_5,
    "video_llama_3": save_video_llama_3,
}
