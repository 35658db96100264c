"""Video encoders by kind. No torch here: kinds are listed without it; a kind's file is imported when it is built.

A new encoder is its file in this folder and its lines here; one outside the repository is named
`package.module:function` (docs/extending.md).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gymqa.errors import GymQAError
from gymqa.runtime.registry import Registry, is_plug_in

if TYPE_CHECKING:
    from encoders.video.base import VideoEncoder


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of encoder, and what it gives at its source with the options left alone.

    Attributes:
        maker: "module:function" of (source, options, device).
        model: what computes the tokens.
        source: where its weights are unless one is named; "" where one must be.
        options: names in EncoderOptions that it has.
        frames: frames of a clip it looks at.
        n_tokens: tokens a clip.
        dim: width of a token.
        input_size: pixels of a side of what it sees.
        tokens: what the tokens are.
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
        "encoders.video.eva_clip:make", "Blip2VisionModel", "Salesforce/blip2-opt-2.7b", _PER_FRAME, 8, 40, 1408, 224,
        "a frame each: CLS, then 2 × 2 patches, behind BLIP-2's last norm",
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
    """What a kind of encoder stands for."""

    def __call__(self, source: str, options: "EncoderOptions", device: str) -> "VideoEncoder":
        """The encoder of the weights at `source`, "" where none are named."""


ENCODERS = Registry("encoder", "gymqa list encoders", _OURS, EncoderMaker)


def describe(kind: str) -> dict[str, Any]:
    """What there is to say of a kind without building it; JSON values, pixels and frames."""
    values = asdict(ENCODERS.entry(kind))
    del values["maker"]
    return {"name": kind, **values, "options": list(ENCODERS.entry(kind).options)}


@dataclass(frozen=True)
class EncoderOptions:
    """Options of an encoder; None leaves one to the encoder, and not every encoder has every option.

    Attributes:
        n_frames: frames looked at, spread evenly over the clip.
        layer: the block whose output is taken, from 1, or from the end: -1 the last, -2 the one before (as LLaVA).
        tokens: "cls", "patches" or "both" (the CLS token of a frame first).
        grid: patches of a frame are averaged to grid × grid tokens; 0 keeps them all.
        precision: the model computes in float32 or bf16.
    """

    n_frames: int | None = None
    layer: int | None = None
    tokens: str | None = None
    grid: int | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.n_frames is not None and self.n_frames < 1:
            raise GymQAError(f"an encoder cannot look at {self.n_frames} frames; give 1 or more")
        if self.tokens is not None and self.tokens not in TOKENS:
            raise GymQAError(f"there are no tokens {self.tokens!r}; choose one of {', '.join(TOKENS)}")
        if self.grid is not None and self.grid < 0:
            raise GymQAError(f"grid {self.grid} is negative; give 0 for all patches, or 1 or more")
        if self.precision is not None and self.precision not in PRECISIONS:
            raise GymQAError(f"there is no precision {self.precision!r}; choose one of {', '.join(PRECISIONS)}")

    def given(self) -> dict[str, Any]:
        """The options that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def parse(spec: str) -> tuple[str, str]:
    """Kind and source of what the user wrote: a kind; kind:source; the folder of a trained recognizer; a plug-in.

    A plug-in is `package.module:function`, with `:source` behind it if it takes one. A kind of ours wins over a module
    of its name, and so does a path that exists.

    Raises:
        GymQAError: no such kind, or a kind that needs a source and has none.
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
    """The options of an encoder that its features' fingerprint names, so that it can be built again.

    A plug-in has those that its fingerprint names.
    """
    every = [one.name for one in fields(EncoderOptions)]
    names = ENCODERS.entry(kind).options if kind in ENCODERS else every
    return EncoderOptions(**{name: fingerprint[name] for name in names if name in fingerprint})


def own_source(kind: str) -> str | None:
    """What to build an encoder of a kind from when nothing else is said; None where it has to be named.

    A plug-in has to be named always: nothing is imported because a model's file says so.
    """
    source = ENCODERS.entry(kind).source if kind in ENCODERS else ""
    return f"{kind}:{source}" if source else None


TOKENS = ("cls", "patches", "both")
PRECISIONS = ("float32", "bf16")
