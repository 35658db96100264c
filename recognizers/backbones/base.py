"""Base classes of all recognizers: ModelConfig (input, frame sampling) and Recognizer (features, head, weights)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, channels
from gymqa.frames.sampling import Indices, dual_level
from gymqa.runtime.choices import require_choices
from recognizers.weights_io.saved import holds_recognizer, saved_hash, start_from_recognizer
from recognizers.weights_io.tensors import save_model

GYM99 = 99
"""Number of classes of the registered configs."""


class Features(Protocol):
    """Features of a batch of clips, before the head."""

    @property
    def tokens(self) -> Tensor:
        """[B, T, F]: visual tokens for a language model."""

    @property
    def fused(self) -> Tensor:
        """[B, F']: input of `forward_head`, which may be run several times on it with dropout."""


@dataclass(frozen=True)
class ModelConfig(ABC):
    """Config of a recognizer; each family has a subclass.

    Attributes:
        image_size: side of the square frames in pixels.
        n_classes: classes of the head.
        modality: input modality; rgb in saved models without this field.
    """

    image_size: int = 48
    n_classes: int = field(default=24, kw_only=True)
    modality: Modality = field(default="rgb", kw_only=True)

    family: ClassVar[str] = ""
    """Name of the family in config.json."""
    prepared: ClassVar[bool] = False
    """Whether training begins with `Recognizer.prepare` on its clips, and may freeze parts (`frozen_parameters`)."""

    adapts_rgb_weights: ClassVar[bool] = False
    """Whether weights trained on rgb can initialise a model of another modality."""

    def __post_init__(self) -> None:
        require_choices(self)

    @property
    @abstractmethod
    def elements(self) -> tuple[int, ...]:
        """Frames of each temporal element; a model without elements has one, of all its frames."""

    @property
    def frames(self) -> int:
        """N, frames of a clip."""
        return sum(self.elements)

    @property
    def temporal_extent(self) -> int:
        """Temporal extent in source frames, (N − 1) · stride + 1: the shortest clip with N different sampled frames."""
        return self.frames

    @property
    def streams(self) -> tuple[Modality, ...]:
        """Input modality of each network; most recognizers have one network."""
        return (self.modality,)

    @property
    def channels(self) -> int:
        """C, channels of a frame."""
        return channels(self.modality)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame from a FrameSource: (S, S, C)."""
        return (self.image_size, self.image_size, self.channels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input clip: (N, C, S, S)."""
        return (self.frames, self.channels, self.image_size, self.image_size)

    @property
    def skeleton_name(self) -> str:
        """Name of the skeleton whose joints are the input; "" for image modalities."""
        return ""

    @property
    def tokens(self) -> int:
        """T, visual tokens of a clip for a language model."""
        return 1

    @property
    def mix_side(self) -> int:
        """TokenMix's grid: patches on a side of the frame, the model's own where it has patches."""
        return next(side for side in (14, 8, 7, 6, 4, 2, 1) if self.image_size % side == 0)

    @property
    def mix_parts(self) -> int:
        """Number of patches (or joints) that TokenMix exchanges."""
        return self.mix_side**2

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """Sample the indices of the input frames, element after element: [N].

        Args:
            n_frames: frames in the clip, at least 1.
            rng: samples a random frame of each span (training); None takes the position `within` (testing).
            within: relative position in each span, in [0, 1).
        """
        return np.concatenate(dual_level(n_frames, self.elements, rng, within))

    @abstractmethod
    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""

    def start_hash(self, source: str) -> str | None:
        """Hash of the weights that `Recognizer.start_from` would load; None where it would load none.

        Raises:
            GymQAError: there are no such weights.
        """
        if source == "shipped":
            return None
        return saved_hash(source)

    def saved(self) -> dict[str, Any]:
        """The values of config.json."""
        return {"model": self.family, **asdict(self)}


class Recognizer(nn.Module, ABC):
    """Clips [B, N, C, S, S] in [-1, 1] to logits [B, n_classes]: forward = forward_head(forward_features(…).fused).

    A family is a subclass of this and of `recognizers.backbones.base.ModelConfig`, and a function in
    `recognizers.backbones.registry` for each named config. A subclass has a linear layer `head`
    behind a `dropout`, the only stochastic layer of a teacher's passes (see `pseudo_label`).
    """

    dropout: nn.Module
    head: nn.Linear

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward_features(self, frames: Tensor) -> Features:
        """[B, N, C, S, S] -> tokens [B, T, F] and the fused feature [B, F]."""

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits

    def forward(self, frames: Tensor, with_features: bool = False) -> Tensor | tuple[Tensor, Features]:
        """[B, N, C, S, S] -> logits [B, n_classes], optionally with the features."""
        features = self.forward_features(frames)
        logits = self.forward_head(features.fused)
        return (logits, features) if with_features else logits

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Load initial weights, in place.

        Args:
            source: "shipped" for the package's own weights, where the family has some; a folder or Hub model with a
                recognizer of the same family, loaded without its head; else as the family defines.
            copy_attention: initialise time attention as a copy of spatial attention, where there are both.

        Returns:
            A sentence for the log on what was loaded; None where nothing was.

        Raises:
            GymQAError: the weights are missing, damaged, or of another architecture.
        """
        if source == "shipped":
            return None
        if not holds_recognizer(source):
            family = self.config.family
            raise GymQAError(
                f"a {family} cannot start from other weights than its own; give the folder of a saved {family}, "
                "or set initial to none"
            )
        return start_from_recognizer(self, source)

    def prepare(self, clips: Iterable[Tensor], seed: int) -> None:
        """Data-dependent initialisation before the first step, in place; by default none.

        Args:
            clips: shuffled batches [B, N, 3, S, S], loaded lazily; iterating again yields the same batches.
            seed: of the family's random numbers.
        """

    def frozen_parameters(self, progress: float) -> Sequence[nn.Parameter]:
        """Parameters to freeze at this fraction of the training, counted after a pre-training; by default none.

        Batch norms with frozen parameters also keep and use their running statistics.
        """
        return ()

    def reset_classifier(self, n_classes: int) -> None:
        """Replace the head by a fresh one for another number of classes."""
        self.config = replace(self.config, n_classes=n_classes)
        self.head = nn.Linear(self.head.in_features, n_classes).to(self.head.weight)

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
        save_model(self, folder, self.config.saved())

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Use torch.compile from now on (with its arguments); copies are not compiled: compile the teacher too."""
        super().compile(*args, **kwargs)
