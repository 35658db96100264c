"""Image transformers applied frame by frame: CLIP's ViT of any size, and EVA-CLIP's ViT-g/14 as in BLIP-2.

CLIP is the encoder of LLaVA and VideoChat2 in SeFAR's Table 5, EVA-CLIP that of VideoLLaMA and VideoChat. BLIP-2's
vision model is EVA-CLIP's without its last block (39 of 40) and with a LayerNorm trained by BLIP-2 behind; by default
the tokens are those behind that norm, as its Q-Former takes them. The Q-Former is not part of it.
"""

from typing import Any

from torch import Tensor
from transformers import Blip2VisionConfig, Blip2VisionModel, CLIPVisionConfig, CLIPVisionModel

from encoders.video.base import Normalisation
from encoders.video.checkpoints import Part
from encoders.video.hf_encoder import HFEncoder
from encoders.video.registry import EncoderOptions
from encoders.video.vision import Family, Hidden, Layout

CLIP_PIXELS = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def frame_layout(config: Any, n_frames: int, side: int) -> Layout:
    """Layout with a CLS token and patches per frame."""
    return Layout(n_frames, n_frames, side)


def arrange_frames(hidden: Tensor, layout: Layout) -> Hidden:
    """[B, T, 1 + P, D] -> CLS tokens [B, T, D] and patches [B, T, P, D]."""
    return hidden[:, :, 0], hidden[:, :, 1:]


CLIP = Family(
    kind="clip",
    called="a CLIP vision model",
    model=CLIPVisionModel,
    config=CLIPVisionConfig,
    parts={
        "clip_vision_model": Part(prefixes=("vision_model.", "")),
        "clip": Part("vision_config", ("vision_model.",)),
    },
    blocks=lambda model: model.encoder.layers,
    layout=frame_layout,
    arrange=arrange_frames,
    normalisation=CLIP_PIXELS,
    defaults=EncoderOptions(layer=-2, tokens="both", grid=2),
)


def make(source: str, options: EncoderOptions, device: str = "cpu") -> HFEncoder:
    """A CLIP encoder; by default the penultimate block's output, as in LLaVA, with 2 × 2 patches per frame."""
    return HFEncoder(CLIP, source, options, device)


EVA_CLIP = Family(
    kind="eva_clip",
    called="BLIP-2's vision model",
    model=Blip2VisionModel,
    config=Blip2VisionConfig,
    parts={"blip_2_vision_model": Part(), "blip-2": Part("vision_config", ("vision_model.", "model.vision_model."))},
    blocks=lambda model: model.encoder.layers,
    layout=frame_layout,
    arrange=arrange_frames,
    normalisation=CLIP_PIXELS,
    defaults=EncoderOptions(tokens="both", grid=2),
)


def make_eva_clip(source: str, options: EncoderOptions, device: str = "cpu") -> HFEncoder:
    """An EVA-CLIP encoder from BLIP-2 or its vision model alone; of BLIP-2 only that part is read."""
    return HFEncoder(EVA_CLIP, source, options, device)
