"""What can be set about a video encoder. No torch here, so that the kinds are listed without waiting for it."""

from dataclasses import asdict, dataclass
from typing import Any

from gymqa.errors import GymQAError

TOKENS = ("cls", "patches", "both")
PRECISIONS = ("float32", "bf16")


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
