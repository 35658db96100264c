"""Tiny random image-text models of families that take images, saved as their makers save them; see `tiny_vlms`."""

from collections.abc import Callable
from pathlib import Path

import torch
import transformers as hf

from eval.adapters.vlm.processors import without_type_check
from eval.adapters.vlm.torchvision_parts import processor_class
from tests.helpers.tiny_vlms import (
    CLIP_SIZE,
    PATCH,
    SIDE,
    SMALL,
    SQUARE,
    TEXT,
    TOWER,
    VICUNA,
    VISION,
    save_pretrained,
    tokenizer,
)  # fmt: skip


def save_llava_next(folder: Path) -> None:
    words = tokenizer("<image>")
    config = hf.LlavaNextConfig(
        vision_config=hf.CLIPVisionConfig(**{**VISION, "image_size": 2 * SIDE}),
        text_config=hf.LlamaConfig(**TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=[[56, 112], [112, 56]],
    )
    clip_size = {"size": {"shortest_edge": 2 * SIDE}, "crop_size": {"height": 2 * SIDE, "width": 2 * SIDE}}
    processor = hf.LlavaNextProcessor(
        hf.LlavaNextImageProcessorPil(**clip_size, image_grid_pinpoints=[[56, 112], [112, 56]]),
        words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    save_pretrained(hf.LlavaNextForConditionalGeneration(config), processor, folder)


def save_idefics2(folder: Path) -> None:
    words = tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>")
    config = hf.Idefics2Config(
        text_config=hf.MistralConfig(**TEXT),
        vision_config=TOWER,
        perceiver_config={
            "hidden_size": 32,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 4,
            "resampler_head_dim": 8,
            "num_key_value_heads": 2,
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )
    processor = hf.Idefics2Processor(
        hf.Idefics2ImageProcessorPil(size={"shortest_edge": SIDE, "longest_edge": SIDE}),
        words,
        image_seq_len=4,
        chat_template=VICUNA,
    )
    save_pretrained(hf.Idefics2ForConditionalGeneration(config), processor, folder)


def save_idefics3(folder: Path) -> None:
    words = tokenizer("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", "<|im_start|>")
    config = hf.Idefics3Config(
        text_config=hf.LlamaConfig(**TEXT),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        vision_config=TOWER,
    )
    processor = hf.Idefics3Processor(
        hf.Idefics3ImageProcessorPil(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}),
        words,
        image_seq_len=1,
        chat_template=VICUNA.replace("<image>\n", "<image>"),
    )
    save_pretrained(hf.Idefics3ForConditionalGeneration(config), processor, folder)


def save_gemma3(folder: Path) -> None:
    words = tokenizer(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>")
    vision = hf.SiglipVisionConfig(**TOWER, vision_use_head=False)
    config = hf.Gemma3Config(
        text_config=hf.Gemma3TextConfig(**{**TEXT, "head_dim": 8, "query_pre_attn_scalar": 8}),
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
    )
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessorPil(size=SQUARE),
        words,
        image_seq_length=4,
        chat_template=VICUNA.replace("<image>\n", "<start_of_image>"),
    )
    model = hf.Gemma3ForConditionalGeneration(config)
    with torch.no_grad():
        model.model.multi_modal_projector.mm_input_projection_weight.normal_()  # zeros until it is trained
    save_pretrained(model, processor, folder)


def save_aya_vision(folder: Path) -> None:
    words = tokenizer(
        "<image>", "<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_LINE_BREAK|>", "TILE", "TILE_GLOBAL"
    )
    vision = hf.SiglipVisionConfig(**TOWER, vision_use_head=False)
    config = hf.AyaVisionConfig(
        vision_config=vision,
        text_config=hf.Cohere2Config(**TEXT, sliding_window=512),
        downsample_factor=2,
        alignment_intermediate_size=32,
        image_token_index=words.convert_tokens_to_ids("<|IMG_PATCH|>"),
    )
    processor = hf.AyaVisionProcessor(
        hf.GotOcr2ImageProcessorPil(size=SQUARE),
        words,
        patch_size=PATCH,
        img_size=SIDE,
        downsample_factor=2,
        chat_template=VICUNA.replace("<image>\n", "<image>"),
    )
    save_pretrained(hf.AyaVisionForConditionalGeneration(config), processor, folder)


def save_mistral3(folder: Path) -> None:
    words = tokenizer("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    config = hf.Mistral3Config(
        vision_config=hf.PixtralVisionConfig(**SMALL, head_dim=8, image_size=56, patch_size=PATCH),
        text_config=hf.MistralConfig(**TEXT),
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
    )
    processor = without_type_check(processor_class("PixtralProcessor"))(
        hf.PixtralImageProcessorPil(size={"longest_edge": 56}, patch_size={"height": PATCH, "width": PATCH}),
        words,
        patch_size=PATCH,
        spatial_merge_size=2,
        chat_template=VICUNA.replace("<image>\n", "[IMG]"),
    )
    save_pretrained(hf.Mistral3ForConditionalGeneration(config), processor, folder)


def save_vipllava(folder: Path) -> None:
    words = tokenizer("<image>")
    config = hf.VipLlavaConfig(
        vision_config=hf.CLIPVisionConfig(**{**VISION, "num_hidden_layers": 3}),
        text_config=hf.LlamaConfig(**TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layers=[-2, -3],
    )
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessorPil(**CLIP_SIZE),
        words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    save_pretrained(hf.VipLlavaForConditionalGeneration(config), processor, folder)


def save_lfm2_vl(folder: Path) -> None:
    words = tokenizer(
        "<image>",
        image_token="<image>",
        image_start_token="<|image_start|>",
        image_end_token="<|image_end|>",
        image_thumbnail="<|img_thumbnail|>",
    )
    config = hf.Lfm2VlConfig(
        vision_config=hf.Siglip2VisionConfig(**SMALL, patch_size=PATCH, num_patches=16),
        text_config=hf.Lfm2Config(**TEXT, layer_types=["full_attention", "conv"]),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        downsample_factor=2,
        projector_hidden_size=32,
    )
    pics = processor_class("Lfm2VlImageProcessor")(
        do_image_splitting=False,
        downsample_factor=2,
        encoder_patch_size=PATCH,
        min_image_tokens=1,
        max_image_tokens=4,
        tile_size=56,
        max_num_patches=16,
    )
    processor = without_type_check(hf.Lfm2VlProcessor)(
        pics, words, chat_template=VICUNA.replace("<image>\n", "<image>")
    )
    save_pretrained(hf.Lfm2VlForConditionalGeneration(config), processor, folder)


def save_paligemma(folder: Path) -> None:
    words = tokenizer("<image>")
    vision = hf.SiglipVisionConfig(**VISION, vision_use_head=False)
    config = hf.PaliGemmaConfig(
        vision_config=vision,
        text_config=hf.GemmaConfig(**TEXT, head_dim=8),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    pictures = hf.SiglipImageProcessorPil(size=SQUARE)
    pictures.image_seq_length = 4
    processor = hf.PaliGemmaProcessor(pictures, words)
    save_pretrained(hf.PaliGemmaForConditionalGeneration(config), processor, folder)


IMAGE_FAMILIES: dict[str, Callable[[Path], None]] = {
    "aya_vision": save_aya_vision,
    "gemma3": save_gemma3,
    "idefics2": save_idefics2,
    "idefics3": save_idefics3,
    "lfm2_vl": save_lfm2_vl,
    "llava_next": save_llava_next,
    "mistral3": save_mistral3,
    "paligemma": save_paligemma,
    "vipllava": save_vipllava,
}
