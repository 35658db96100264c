"""Sizes of the models. No torch here, so that names and sizes are listed without waiting for it."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, channels
from gymqa.frames.sampling import Indices, dual_level

if TYPE_CHECKING:
    from recognizers.backbones.base import Recognizer
    from recognizers.backbones.sefar import SeFAR


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a vision transformer; `image_size` and `patch_size` in pixels."""

    image_size: int = 48
    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4

    @property
    def patches(self) -> int:
        """Patches of one image."""
        return (self.image_size // self.patch_size) ** 2

    def __post_init__(self) -> None:
        if min(self.image_size, self.patch_size, self.dim, self.depth, self.heads) < 1:
            raise GymQAError(f"{self}: sizes are at least 1")
        if self.image_size % self.patch_size:
            raise GymQAError(f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        if self.dim % self.heads:
            raise GymQAError(f"dim {self.dim} is no multiple of heads {self.heads}")


@dataclass(frozen=True)
class ModelConfig:
    """What the sizes of every recognizer have; each family's are a subclass.

    Attributes:
        image_size: pixels of a side of the square frames.
        n_classes: classes of the head.
        modality: what it sees of a clip; a saved model that does not say sees rgb.
    """

    image_size: int = 48
    n_classes: int = field(default=24, kw_only=True)
    modality: Modality = field(default="rgb", kw_only=True)

    family: ClassVar[str] = ""
    """Name of the family, as config.json says it."""
    prepared: ClassVar[bool] = False
    """A training starts with a look at its clips, and may hold parts for a while (`Recognizer.prepare`, `held`)."""

    adapts_colours: ClassVar[bool] = False
    """Whether weights trained on rgb may start a model of another modality."""

    @property
    def elements(self) -> tuple[int, ...]:
        """Frames of each temporal element; a model without such has one, of all its frames."""
        raise NotImplementedError

    @property
    def frames(self) -> int:
        """N, frames of a clip."""
        return sum(self.elements)

    @property
    def window(self) -> int:
        """Frames in a row that it looks at all of, or at every so many of: the fewest that show it N different ones."""
        return self.frames

    @property
    def streams(self) -> tuple[Modality, ...]:
        """What each of its networks sees; mostly there is one, and it sees all."""
        return (self.modality,)

    @property
    def channels(self) -> int:
        """C, numbers of a pixel."""
        return channels(self.modality)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """One frame as a FrameSource gives it: (S, S, C)."""
        return (self.image_size, self.image_size, self.channels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One clip as the model sees it: (N, C, S, S)."""
        return (self.frames, self.channels, self.image_size, self.image_size)

    @property
    def joints_of(self) -> str:
        """Name of the skeleton that it sees; "" where it sees pictures."""
        return ""

    @property
    def tokens(self) -> int:
        """T, tokens a clip gives to a language model."""
        return 1

    @property
    def mix_side(self) -> int:
        """Squares on a side of the picture that TokenMix exchanges: patches, where the model sees patches."""
        return next(side for side in (14, 8, 7, 6, 4, 2, 1) if self.image_size % side == 0)

    @property
    def mix_parts(self) -> int:
        """Parts of a frame that TokenMix exchanges."""
        return self.mix_side**2

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """Which frames of a clip it looks at, element after element: [N].

        Args:
            n_frames: frames in the clip, at least 1.
            rng: draws one frame inside each span (training); None takes the same in all (testing).
            within: where in each span that is, in [0, 1).
        """
        return np.concatenate(dual_level(n_frames, self.elements, rng, within))

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        raise NotImplementedError

    def start_hash(self, source: str) -> str | None:
        """A hash of the weights that `Recognizer.start_from` would load; None where it would load none.

        Raises:
            GymQAError: there are no such weights.
        """
        if source == "shipped":
            return None
        from recognizers.starting import saved_hash

        return saved_hash(source)

    def saved(self) -> dict[str, Any]:
        """What config.json says of the model."""
        return {"model": self.family, **asdict(self)}


@dataclass(frozen=True)
class SeFARConfig(ModelConfig):
    """Sizes of a SeFAR; pixels, frames and features. The defaults are `sefar_tiny`'s."""

    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4
    elements: tuple[int, ...] = (2, 2, 4)  # type: ignore[assignment]
    fusion_dim: int = 128
    head_dropout: float = 0.5
    drop_path: float = 0.1
    time_embed_std: float = 0.02
    time_blocks: int = 0  # more than the paper's none: see TimeSformer
    frozen_blocks: int = 0

    family: ClassVar[str] = "sefar"

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", tuple(self.elements))  # JSON and YAML bring lists
        if not self.elements or min(self.elements) < 1:
            raise GymQAError(f"elements {self.elements}: name one or more, of at least one frame each, as (2, 2, 4)")
        if min(self.fusion_dim, self.n_classes) < 1:
            raise GymQAError(f"fusion_dim {self.fusion_dim} and n_classes {self.n_classes} are at least 1")

    @property
    def vit(self) -> ViTConfig:
        """The backbone's sizes."""
        return ViTConfig(self.image_size, self.patch_size, self.dim, self.depth, self.heads)

    @property
    def mix_side(self) -> int:
        """Patches on a side."""
        return self.image_size // self.patch_size

    @property
    def tokens(self) -> int:
        """Tokens a clip gives to a language model: elements, pairs, and the fused one."""
        k = len(self.elements)
        return k + k * (k - 1) // 2 + 1

    def start_hash(self, source: str) -> str | None:
        """A hash of the image ViT's weights."""
        from recognizers.backbones.image_checkpoints import image_weights_hash

        return image_weights_hash(source)

    def build(self) -> "SeFAR":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.sefar import SeFAR  # torch, which who only asks for sizes need not wait for

        return SeFAR(self)
