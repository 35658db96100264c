"""A lighter network of the same family: fewer channels in every layer."""

from dataclasses import replace
from typing import Any

from gymqa.errors import GymQAError
from recognizers.backbones.sizes import ModelConfig, SeFARConfig


def narrowed(config: ModelConfig, factor: int) -> ModelConfig:
    """The same network with 1 / factor of the channels, or the least number above that the family takes.

    Args:
        config: sizes; a SeFAR's width is `dim`, that of the other families `width`.
        factor: 2 or more.

    Raises:
        GymQAError: the family has no width, or takes none below this one.
    """
    if isinstance(config, SeFARConfig):
        heads = max(1, config.heads // factor)
        dim = max(1, config.dim // factor // heads) * heads
        fusion = max(1, config.fusion_dim // factor)
        if dim >= config.dim:
            raise _too_narrow(config, "dim")
        return replace(config, dim=dim, heads=heads, fusion_dim=fusion, frozen_blocks=0)
    full = getattr(config, "width", None)
    if full is None:
        raise GymQAError(f"a {config.family} has no width that could be reduced; choose another recognizer")
    for width in range(max(1, full // factor), full):
        changes: dict[str, Any] = {"width": width}
        try:
            return replace(config, **changes)
        except GymQAError:  # some families take multiples only
            continue
    raise _too_narrow(config, "width")


def _too_narrow(config: ModelConfig, name: str) -> GymQAError:
    return GymQAError(
        f"this {config.family} cannot be made narrower; give the model a larger {name}, or choose another algorithm"
    )
