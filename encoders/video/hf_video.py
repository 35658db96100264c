"""Video encoders from Hugging Face transformers: VideoMAE and TimeSformer.

The networks are unchanged; frames are spread evenly over the clip instead of taken at a fixed rate. A checkpoint
fine-tuned for classification is loaded without its head. VideoMAE checkpoints with mean pooling (the fine-tuned ones)
keep their last norm in the head, so their tokens are those before it.
"""

from functools import partial
from typing import Any

from torch import Tensor
from transformers import TimesformerConfig, TimesformerModel, VideoMAEConfig, VideoMAEModel

from encoders.video.base import SYMMETRIC, Normalisation
from encoders.video.checkpoints import Part
from encoders.video.hf_encoder import HFEncoder
from encoders.video.pixels import BILINEAR
from encoders.video.registry import EncoderOptions
from encoders.video.vision import Family, Hidden, Layout
from gymqa.errors import GymQAError

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _tubes(config: Any, n_frames: int, side: int) -> Layout:
    """VideoMAE's layout: no CLS token; tubes of `tubelet_size` frames."""
    return Layout(0, n_frames // config.tubelet_size, side)


def _arrange_tubes(hidden: Tensor, layout: Layout) -> Hidden:
    """[B, 1, steps · P, D], time outermost -> patches [B, steps, P, D]."""
    return None, hidden.squeeze(1).unflatten(1, (layout.steps, -1))


def _space_time(config: Any, n_frames: int, side: int) -> Layout:
    """TimeSformer's layout: one CLS token per clip."""
    if config.attention_type == "space_only":
        raise GymQAError("a TimeSformer of the attention type space_only compares no frames; use clip or image instead")
    return Layout(1, n_frames, side)


def _arrange_space_time(hidden: Tensor, layout: Layout) -> Hidden:
    """[B, 1, 1 + P · T, D], time innermost -> CLS [B, 1, D] and patches [B, T, P, D]."""
    tokens = hidden.squeeze(1)
    return tokens[:, :1], tokens[:, 1:].unflatten(1, (-1, layout.steps)).transpose(1, 2)


VIDEOMAE = Family(
    kind="videomae",
    called="a VideoMAE",
    model=VideoMAEModel,
    config=VideoMAEConfig,
    parts={"videomae": Part(prefixes=("videomae.", ""))},
    blocks=lambda model: model.encoder.layer,
    layout=_tubes,
    arrange=_arrange_tubes,
    per_frame=lambda config: False,
    normalisation=SYMMETRIC,
    resample=BILINEAR,
    n_frames=lambda config: int(config.num_frames),
    defaults=EncoderOptions(tokens="patches", grid=2),
    settings=("qkv_bias",),
)

TIMESFORMER = Family(
    kind="timesformer",
    called="a TimeSformer",
    model=TimesformerModel,
    config=TimesformerConfig,
    parts={"timesformer": Part(prefixes=("timesformer.", ""))},
    blocks=lambda model: model.encoder.layer,
    layout=_space_time,
    arrange=_arrange_space_time,
    per_frame=lambda config: False,
    normalisation=IMAGENET,
    resample=BILINEAR,
    n_frames=lambda config: int(config.num_frames),
    defaults=EncoderOptions(tokens="both", grid=2),
)


make_videomae = partial(HFEncoder, VIDEOMAE)
make_timesformer = partial(HFEncoder, TIMESFORMER)
