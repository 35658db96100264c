"""What every recognizer is, whatever its family; training, prediction and the encoders need no more."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.image.vit import save_model
from recognizers.backbones.sizes import ModelConfig

if TYPE_CHECKING:
    from recognizers.model_card import ModelFacts


class Features(Protocol):
    """What a recognizer knows of a batch of clips before its head."""

    @property
    def tokens(self) -> Tensor:
        """[B, T, F]: what an encoder hands to a language model."""

    @property
    def fused(self) -> Tensor:
        """[B, F']: what `forward_head` takes; a stochastic head is passed several times on one of these."""


class Recognizer(nn.Module):
    """Clips [B, N, C, S, S] in [-1, 1] to logits [B, n_classes]: forward = forward_head(forward_features(…).fused).

    A family is a subclass of this and of `recognizers.backbones.sizes.ModelConfig`, and a function in
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
        from recognizers.starting import holds_recognizer, start_from_recognizer

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

    @classmethod
    def from_pretrained(cls, source: Path | str) -> Self:
        """Read what `save_pretrained` or `push_to_hub` wrote, of whatever family; the model is in evaluation mode.

        Args:
            source: a folder, or a model on the Hub, owner/name.

        Raises:
            GymQAError: a file is missing or damaged, the weights are of another architecture, or the model is none of
                this class; it says which.
        """
        from recognizers.saved import load_recognizer

        model = load_recognizer(source)
        if not isinstance(model, cls):
            raise GymQAError(f"{source} holds a {model.config.family}, not a {cls.__name__}; give another folder")
        return model

    def push_to_hub(self, repo: str, facts: "ModelFacts", private: bool = False) -> str:
        """Upload weights, configuration and model card in one commit; returns its address.

        Raises:
            GymQAError: no token, the Hub refuses, or it cannot be reached.
        """
        from recognizers.model_card import push_model

        return push_model(self, repo, facts, private)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compute with torch.compile from now on (its arguments); a copy is not compiled: compile the teacher too."""
        super().compile(*args, **kwargs)
