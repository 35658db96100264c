"""Encoder `languagebind`: LanguageBind's video tower, the encoder of Video-LLaVA (ViT-L/14, SeFAR's Table 5).

Two checkpoints have this name, with different networks:

- LanguageBind/LanguageBind_Video_merge (its safetensors: revision refs/pr/2) is CLIP's ViT-L/14 with temporal attention
  at each patch position before every block: x + temporal_embedding, then x + attention(LayerNorm(x)) over time, then
  CLIP's own block. Video-LLaVA was published with it. It is rebuilt here from CLIP's parts, by the names of its
  tensors; `add_time_attn` and `num_frames` (8) are read from its vision_config.
- LanguageBind/Video-LLaVA-7B-hf, which transformers' VideoLlavaForConditionalGeneration loads, has a plain
  CLIPVisionModel as its `video_tower`, without temporal attention (PKU-YuanGroup/Video-LLaVA issue 223), so that frames
  do not attend to each other. It is loaded as it is, without the language model.

Tokens are those of the penultimate block, as in Video-LLaVA, which passes on all 257 of each frame (--grid 0). Not
reproduced: checkpoints with unmerged LoRA factors, and Video-LLaVA's frames at linspace(0, n − 1, 8); ours are the
middles of 8 equal spans.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.models.clip.modeling_clip import CLIPAttention, CLIPEncoderLayer

from encoders.video.checkpoints import Part
from encoders.video.clip import CLIP_PIXELS, arrange_frames, frame_layout
from encoders.video.hf_encoder import HFEncoder
from encoders.video.registry import EncoderOptions
from encoders.video.vision import Family


class TimeAttentionLayer(CLIPEncoderLayer):
    """CLIP's block preceded by temporal attention at each patch position; frames are in the batch dimension."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.frames = int(config.num_frames)
        self.temporal_embedding = nn.Parameter(torch.zeros(1, self.frames, config.hidden_size))
        self.temporal_attn = CLIPAttention(config)
        self.temporal_layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor:
        """[B · T, L, D] -> [B · T, L, D]."""
        length = hidden_states.shape[1]
        x = hidden_states.unflatten(0, (-1, self.frames)).transpose(1, 2).flatten(0, 1)  # [B · L, T, D]
        if self.frames > 1:
            x = x + self.temporal_embedding
        x = x + self.temporal_attn(hidden_states=self.temporal_layer_norm1(x), attention_mask=None)[0]
        x = x.unflatten(0, (-1, length)).transpose(1, 2).flatten(0, 1)  # [B · T, L, D]
        out: Tensor = super().forward(x, attention_mask, **kwargs)
        return out


class LanguageBindVideoTower(CLIPVisionModel):
    """CLIP's vision transformer, with temporal attention where its configuration has `add_time_attn`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if getattr(config, "add_time_attn", False):
            layers = (TimeAttentionLayer(config) for _ in range(config.num_hidden_layers))
            self.encoder.layers = nn.ModuleList(layers)


def _fixed_frames(config: Any) -> int | None:
    """Fixed number of frames of its temporal embedding; None without one."""
    return int(config.num_frames) if getattr(config, "add_time_attn", False) else None


FAMILY = Family(
    kind="languagebind",
    called="LanguageBind's video tower",
    model=LanguageBindVideoTower,
    config=CLIPVisionConfig,
    parts={
        "LanguageBindVideo": Part("vision_config", ("vision_model.",)),
        "video_llava": Part("vision_config", ("video_tower.vision_model.", "video_tower.", "model.video_tower.")),
    },
    blocks=lambda model: model.encoder.layers,
    layout=frame_layout,
    arrange=arrange_frames,
    normalisation=CLIP_PIXELS,
    n_frames=_fixed_frames,
    defaults=EncoderOptions(layer=-2, tokens="both", grid=2),
    settings=("add_time_attn", "num_frames"),
)


def make(source: str, options: EncoderOptions, device: str = "cpu") -> HFEncoder:
    """The video tower of LanguageBind or of a Video-LLaVA; of the latter only that part is read."""
    return HFEncoder(FAMILY, source, options, device)
