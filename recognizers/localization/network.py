"""A structured segment network on frozen snippet features, and the actionness that its proposals come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from recognizers.backbones.image.vit import read_weights, save_model
from recognizers.localization.config import LEVELS, GroupingConfig, Level
from recognizers.localization.pooling import COURSE, PARTS, pyramid
from recognizers.weights_io.tensors import load_exactly


@dataclass(frozen=True)
class LocalizerConfig:
    """What a localizer is made for.

    Attributes:
        level: actions in videos, or sub-actions in actions.
        labels: of the classes, as annotations and detections have them.
        features: D of a snippet.
        snippet: seconds of a snippet.
        hidden: features after the layer below the pyramid.
        dropout: before the classifiers.
        seen_by: fingerprint of what the features come from.
        setting: of the release whose labels these are.
        grouping: of snippets to the proposals that it was trained on.
    """

    level: Level
    labels: tuple[int, ...]
    features: int
    snippet: float
    hidden: int
    dropout: float
    seen_by: Mapping[str, Any]
    setting: str
    grouping: GroupingConfig = field(default_factory=GroupingConfig)


class Judgement(NamedTuple):
    """What the network says of P proposals: activity logits [P, 1 + K], background first; completeness [P, K]; the
    standardised way to the true segment [P, K, 2], by class."""

    activity: Tensor
    completeness: Tensor
    places: Tensor


class Localizer(nn.Module):
    """Snippets [T, D] to actionness [T], and snippets with proposals to a `Judgement`.

    The activity classifier sees the course alone, the others the whole pyramid.
    """

    feature_mean: Tensor
    feature_std: Tensor
    place_mean: Tensor
    place_std: Tensor

    def __init__(self, config: LocalizerConfig) -> None:
        super().__init__()
        self.config = config
        width, classes = config.hidden, len(config.labels)
        for name, size, value in (("feature", config.features, 1.0), ("place", 2, 1.0)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.full((size,), value))
        self.actionness_net = nn.Sequential(
            nn.Linear(config.features, width), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(width, 1)
        )
        self.projection = nn.Sequential(nn.Linear(config.features, width), nn.ReLU())
        self.dropout = nn.Dropout(config.dropout)
        self.activity = nn.Linear(width, 1 + classes)
        self.completeness = nn.Linear(PARTS * width, classes)
        self.places = nn.Linear(PARTS * width, 2 * classes)

    def standardised(self, snippets: Tensor) -> Tensor:
        """[T, D] with the mean and spread of the training snippets taken out."""
        return (snippets.float() - self.feature_mean) / self.feature_std

    def actionness(self, snippets: Tensor) -> Tensor:
        """[T, D] -> logits [T] of a snippet's lying in an action."""
        logits: Tensor = self.actionness_net(self.standardised(snippets)).squeeze(-1)
        return logits

    def forward(self, snippets: Tensor, spans: Tensor) -> Judgement:
        """Snippets [T, D], spans [P, 2] in snippets."""
        parts = pyramid(self.projection(self.standardised(snippets)), spans)  # [P, PARTS, H]
        parts = self.dropout(parts)
        whole = parts.flatten(1)
        places = self.places(whole).unflatten(1, (-1, 2))
        return Judgement(self.activity(parts[:, COURSE]), self.completeness(whole), places)

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
        save_model(self, folder, {"model": "localizer", **asdict(self.config)})

    @classmethod
    def from_pretrained(cls, folder: Path) -> "Localizer":
        """Read what `save_pretrained` wrote; the model is in evaluation mode.

        Raises:
            GymQAError: a file is missing or damaged, or is no localizer's.
        """
        model = cls(_read_config(folder))
        load_exactly(model, read_weights(folder), folder)
        return model.eval()


def _read_config(folder: Path) -> LocalizerConfig:
    values = read_json(folder / "config.json")
    try:
        if values.pop("model") != "localizer" or values["level"] not in LEVELS:
            raise ValueError("it is another model's")
        labels = tuple(int(label) for label in values.pop("labels"))
        grouping = GroupingConfig(**values.pop("grouping", {}))
        config = LocalizerConfig(labels=labels, grouping=grouping, **values)
        if min(config.features, config.hidden, len(labels)) < 1 or config.snippet <= 0:
            raise ValueError("sizes are at least 1")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GymQAError(
            f"{folder} does not hold a localizer ({error}); give the folder that `gymqa localize train` wrote"
        ) from error
    return config
