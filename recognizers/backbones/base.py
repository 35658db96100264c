"""What every recognizer is, whatever its family; training, prediction and the encoders need no more."""

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
"""Classes of the named configs: Gym99's."""


class Features(Protocol):
    """What a recognizer knows of a batch of clips before its head."""

    @property
    def tokens(self) -> Tensor:
        """[B, T, F]: what an encoder hands to a language model."""

    @property
    def fused(self) -> Tensor:
        """[B, F']: what `forward_head` takes; a stochastic head is passed several times on one of these."""


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

    def __post_init__(self) -> None:
        require_choices(self)

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
        return saved_hash(source)

    def saved(self) -> dict[str, Any]:
        """What config.json says of the model."""
        return {"model": self.family, **asdict(self)}


class Recognizer(nn.Module):
    """Clips [B, N, C, S, S] in [-1, 1] to logits [B, n_classes]: forward = forward_head(forward_features(…).fused).

    A family is a subclass of this and of `recognizers.backbones.base.ModelConfig`, and a function in
    `recognizers.backbones.registry` for each of its named sizes. A subclass has a linear layer `head` that
    `forward_head` ends with; all that is stochastic in evaluation is dropout in `forward_head`.
    """

    head: nn.Linear

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def forward_features(self, frames: Tensor) -> Features:
        """[B, N, C, S, S] -> tokens [B, T, F] and the fused feature [B, F]."""
        raise NotImplementedError

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        raise NotImplementedError

    def forward(self, frames: Tensor, with_features: bool = False) -> Tensor | tuple[Tensor, Features]:
        """[B, N, C, S, S] -> logits [B, n_classes], and on request the features that they are made of."""
        features = self.forward_features(frames)
        logits = self.forward_head(features.fused)
        return (logits, features) if with_features else logits

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Start from trained weights, in place.

        Args:
            source: "shipped" takes the package's own weights, where the family has some; a folder or a model on the Hub
                that holds a recognizer of the same family gives all but its head; else as the family says.
            copy_attention: start time attention as a copy of spatial attention, where there are both.

        Returns:
            A sentence on what was loaded; None where nothing was.

        Raises:
            GymQAError: the weights are not there, damaged, or of another architecture.
        """
        if source == "shipped":
            return None
        if not holds_recognizer(source):
            family = self.config.family
            raise GymQAError(
                f"a {family} starts from no other weights than its own; give a saved {family}'s folder, "
                "or set initial to none"
            )
        return start_from_recognizer(self, source)

    def prepare(self, clips: Iterable[Tensor], seed: int) -> None:
        """Look at training clips before the first step, where the family wants to, and change in place.

        Args:
            clips: batches [B, N, 3, S, S], in an order that is drawn; taken only as far as wanted, and the same when
                they are gone through again.
            seed: of what the family draws.
        """

    def held(self, share: float) -> Sequence[nn.Parameter]:
        """The parameters that a step leaves as they are, after this share of the training; mostly none.

        A pre-training comes before the share is counted. Batch norm whose parameters are held keeps its statistics,
        too, and computes with them.
        """
        return ()

    def reset_classifier(self, n_classes: int) -> None:
        """Put a fresh head for another number of classes; the rest stays."""
        self.config = replace(self.config, n_classes=n_classes)
        self.head = nn.Linear(self.head.in_features, n_classes).to(self.head.weight)

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
        save_model(self, folder, self.config.saved())

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compute with torch.compile from now on (its arguments); a copy is not compiled: compile the teacher too."""
        super().compile(*args, **kwargs)
