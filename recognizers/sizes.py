"""Sizes of the models. No torch here, so that names and sizes are listed without waiting for it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gymqa.errors import GymQAError

if TYPE_CHECKING:
    from recognizers.sefar import SeFAR


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
class SeFARConfig:
    """Sizes of a SeFAR; pixels, frames and features. The defaults are `sefar_tiny`'s."""

    image_size: int = 48
    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4
    elements: tuple[int, ...] = (2, 2, 4)
    fusion_dim: int = 128
    n_classes: int = 24
    head_dropout: float = 0.5
    drop_path: float = 0.1
    time_embed_std: float = 0.02
    time_blocks: int = 0  # more than the paper's none: see TimeSformer
    frozen_blocks: int = 0

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
    def frames(self) -> int:
        """N, frames of a clip."""
        return sum(self.elements)

    @property
    def tokens(self) -> int:
        """Tokens a clip gives to a language model: elements, pairs, and the fused one."""
        k = len(self.elements)
        return k + k * (k - 1) // 2 + 1

    def build(self) -> "SeFAR":
        """The model of these sizes, with fresh weights."""
        from recognizers.sefar import SeFAR  # torch, which who only asks for sizes need not wait for

        return SeFAR(self)

    def saved(self) -> dict[str, Any]:
        """What config.json says of the model."""
        return {"model": "sefar", **asdict(self)}
