"""Registry of video encoders: name -> description, options, constructor; parsing of specifications. Imports no torch.

An encoder's module is imported when it is built. A new encoder is its file in this folder and its lines here; one
outside the repository is named `package.module:function` (docs/extending.md).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gymqa.errors import GymQAError
from gymqa.runtime.precision import BF16, FLOAT32, known
from gymqa.runtime.registry import Registry, is_plug_in

if TYPE_CHECKING:
    from encoders.video.base import VideoEncoder


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of encoder, with the shape of its tokens under default source and options.

    Attributes:
        maker: "module:function" of (source, options, device).
        model: the network.
        source: default weights; "" where they must be named.
        options: names of EncoderOptions that it supports.
        frames: frames sampled per clip.
        n_tokens: tokens per clip.
        dim: width of a token.
        input_size: side of its input in pixels.
        tokens: description of the tokens.
    """

    maker: str
    model: str
    source: str
    options: tuple[str, ...]
    frames: int
    n_tokens: int
    dim: int
    input_size: int
    tokens: str


_PER_FRAME = ("n_frames", "layer", "tokens", "grid", "precision")
_VIDEO = ("layer", "tokens", "grid", "precision")

_OURS = {
    "sefar": Entry(
        "encoders.video.sefar:make", "a recognizer of gymqa train (here sefar_b)", "", ("grid",), 8, 7, 256, 224,
        "elements, their pairs, the fused feature; with grid the frames' patches behind them",
    ),
    "image": Entry(
        "encoders.video.image:make", "ImageViT", "shipped", (), 8, 8, 256, 48,
        "a frame each: CLS beside the mean of the patches",
    ),
    "clip": Entry(
        "encoders.video.clip:make", "CLIPVisionModel", "openai/clip-vit-large-patch14", _PER_FRAME, 8, 40, 1024, 224,
        "a frame each: CLS, then 2 × 2 patches, of the last block but one",
    ),
    "eva_clip": Entry(
        "encoders.video.clip:make_eva_clip", "Blip2VisionModel", "Salesforce/blip2-opt-2.7b", _PER_FRAME,
        8, 40, 1408, 224, "a frame each: CLS, then 2 × 2 patches, behind BLIP-2's last norm",
    ),
    "languagebind": Entry(
        "encoders.video.languagebind:make", "CLIPVisionModel with attention over time",
        "LanguageBind/LanguageBind_Video_merge@refs/pr/2", _PER_FRAME, 8, 40, 1024, 224,
        "a frame each: CLS, then 2 × 2 patches, of the last block but one",
    ),
    "videomae": Entry(
        "encoders.video.hf_video:make_videomae", "VideoMAEModel", "MCG-NJU/videomae-base", _VIDEO, 16, 32, 768, 224,
        "2 × 2 patches for every two frames",
    ),
    "timesformer": Entry(
        "encoders.video.hf_video:make_timesformer", "TimesformerModel", "facebook/timesformer-base-finetuned-k400",
        _VIDEO, 8, 33, 768, 224, "the clip's CLS, then 2 × 2 patches a frame",
    ),
}  # fmt: skip


class EncoderMaker(Protocol):
    """Constructor of an encoder."""

    def __call__(self, source: str, options: "EncoderOptions", device: str) -> "VideoEncoder":
        """The encoder of the weights at `source`, "" where none are named."""


ENCODERS = Registry("encoder", "gymqa list encoders", _OURS, EncoderMaker)


def describe(kind: str) -> dict[str, Any]:
    """Description of a kind as JSON values, without building it."""
    values = asdict(ENCODERS.entry(kind))
    del values["maker"]
    return {"name": kind, **values, "options": list(ENCODERS.entry(kind).options)}


@dataclass(frozen=True)
class EncoderOptions:
    """Options of an encoder; None takes its default, and not every encoder has every option.

    Attributes:
        n_frames: frames sampled, spread evenly over the clip.
        layer: the block whose output is taken, from 1, or from the end: -1 the last, -2 the one before (as in LLaVA).
        tokens: "cls", "patches" or "both" (the CLS token of a frame first).
        grid: patches of a frame are average-pooled to grid × grid tokens; 0 keeps all.
        precision: of the computation, float32 (the default) or bf16.
    """

    n_frames: int | None = None
    layer: int | None = None
    tokens: str | None = None
    grid: int | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.n_frames is not None and self.n_frames < 1:
            raise GymQAError(f"an encoder cannot sample {self.n_frames} frames; give 1 or more")
        if self.tokens is not None and self.tokens not in TOKENS:
            raise GymQAError(f"there are no tokens {self.tokens!r}; choose one of {', '.join(TOKENS)}")
        if self.grid is not None and self.grid < 0:
            raise GymQAError(f"grid {self.grid} is negative; give 0 for all patches, or 1 or more")
        if self.precision is not None:
            object.__setattr__(self, "precision", known(self.precision, PRECISIONS))

    def given(self) -> dict[str, Any]:
        """The options that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def parse(spec: str) -> tuple[str, str]:
    """Kind and source of an encoder's name: a kind, kind:source, the folder of a trained recognizer, or a plug-in.

    A plug-in is `package.module:function`, followed by `:source` if it takes one. A registered kind and an existing
    path take precedence over a module of that name.

    Raises:
        GymQAError: no such kind, or a kind without default weights and no source.
    """
    kind, colon, source = spec.partition(":")
    if kind in ENCODERS:
        source = source or ENCODERS.entry(kind).source
        if not source:
            raise GymQAError(f"the encoder {kind} has no weights of its own; name its folder, {kind}:FOLDER")
        return kind, source
    if not colon or Path(spec).exists():
        return "sefar", spec
    function, _, source = source.partition(":")
    if not is_plug_in(f"{kind}:{function}"):
        ENCODERS.entry(kind)  # refuses it
    return f"{kind}:{function}", source


def options_of(kind: str, fingerprint: Mapping[str, Any]) -> EncoderOptions:
    """The options recorded in a fingerprint of features, to build the same encoder."""
    every = [one.name for one in fields(EncoderOptions)]
    names = ENCODERS.entry(kind).options if kind in ENCODERS else every
    return EncoderOptions(**{name: fingerprint[name] for name in names if name in fingerprint})


def default_spec(kind: str) -> str | None:
    """A kind with its default weights, as `kind:source`; None where it must be named.

    A plug-in must always be named: no code is imported because a model's file names it.
    """
    source = ENCODERS.entry(kind).source if kind in ENCODERS else ""
    return f"{kind}:{source}" if source else None


TOKENS = ("cls", "patches", "both")
PRECISIONS = (FLOAT32, BF16)
