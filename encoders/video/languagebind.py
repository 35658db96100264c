"""LanguageBind's video tower, the encoder of Video-LLaVA (ViT-L/14, Table 5).

Two checkpoints call themselves so, and they are not the same network:

- LanguageBind/LanguageBind_Video_merge (its safetensors: revision refs/pr/2) is CLIP's ViT-L/14 whose every block
  attends over the frames of a place first: x + temporal_embedding, then x + attention(LayerNorm(x)) over time, then
  CLIP's own block. This is what Video-LLaVA was published with. It is rebuilt here from CLIP's parts, by the names its
  tensors have; `add_time_attn` and `num_frames` (8) are read from its vision_config.
- LanguageBind/Video-LLaVA-7B-hf, the one that transformers' VideoLlavaForConditionalGeneration loads, has a plain
  CLIPVisionModel as its `video_tower`: the attention over time is not there (PKU-YuanGroup/Video-LLaVA issue 223), so
  frames do not see each other. It is loaded as it is, without the language model.

Tokens are those of the last block but one, as in Video-LLaVA, which hands all 257 of each frame on (--grid 0). Not
reproduced: checkpoints with LoRA factors that are not merged, and Video-LLaVA's frames at linspace(0, n − 1, 8); ours
are the middles of 8 equal spans.
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
    """CLIP's block behind attention over the frames at each place of the picture; frames lie in the batch."""

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
    """CLIP's vision transformer, with attention over time where its configuration says `add_time_attn`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if getattr(config, "add_time_attn", False):
            layers = (TimeAttentionLayer(config) for _ in range(config.num_hidden_layers))
            self.encoder.layers = nn.ModuleList(layers)


def _fixed_frames(config: Any) -> int | None:
    """The frames it must have: those of its time embedding."""
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
