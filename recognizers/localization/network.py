"""A structured segment network on frozen snippet features, and the actionness that its proposals come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from recognizers.localization.config import LEVELS, GroupingConfig, Level
from recognizers.weights_io.tensors import load_exactly, read_weights, save_model


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


PARTS = 5  # start, course, its halves, end
COURSE = 1


def running_sum(snippets: Tensor) -> Tensor:
    """[T, D] -> float64 [T + 1, D], whose row t is the sum of the first t rows."""
    return torch.cat([snippets.new_zeros(1, snippets.shape[1]), snippets]).double().cumsum(0)


def span_means(summed: Tensor, spans: Tensor) -> Tensor:
    """Mean over each span, a snippet that lies in it partly counting partly: [P, 2] -> float32 [P, D].

    What lies outside the video counts as zero, as in the released code, which scales by the share that lies inside.

    Args:
        summed: `running_sum` of the snippets.
        spans: starts and ends in snippets, of any length.
    """
    places = spans.double().clamp(0, len(summed) - 1)
    low = places.floor().long().clamp(max=len(summed) - 2)  # [P, 2]
    at = summed[low] + (places - low).unsqueeze(-1) * (summed[low + 1] - summed[low])  # [P, 2, D]
    lengths = (spans[:, 1:] - spans[:, :1]).double().clamp(min=1e-6)
    return ((at[:, 1] - at[:, 0]) / lengths).float()


def pyramid(snippets: Tensor, spans: Tensor) -> Tensor:
    """Features of proposals: snippets [T, D], spans [P, 2] in snippets -> [P, PARTS, D]."""
    start, end = spans[:, 0], spans[:, 1]
    half = (end - start) / 2
    bounds = [(start - half, start), (start, end), (start, start + half), (start + half, end), (end, end + half)]
    parts = torch.stack([torch.stack(one, -1) for one in bounds], 1)  # [P, PARTS, 2]
    return span_means(running_sum(snippets), parts.flatten(0, 1)).unflatten(0, (len(spans), PARTS))


def completeness_loss(complete: Tensor, incomplete: Tensor, hard: float) -> Tensor:
    """Hinge loss of the class-wise completeness classifiers, the hardest incomplete proposals of each group counting.

    The mean of max(0, 1 − c) over complete proposals and of max(0, 1 + c) over the hard incomplete ones together,
    where c is the score of the class of the true segment that a proposal belongs to.

    Args:
        complete: c of foreground proposals [F].
        incomplete: c of incomplete ones by group [G, M].
        hard: share of each group that counts, one proposal at least.
    """
    kept = max(1, int(incomplete.shape[1] * hard)) if incomplete.numel() else 0
    losses = torch.cat([F.relu(1 - complete), F.relu(1 + incomplete).topk(kept, 1).values.flatten()])
    return losses.sum() / max(1, len(losses))


def regression_loss(found: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1, the two numbers of a proposal added up: [F, 2], [F, 2] -> a mean over the proposals."""
    if not len(found):
        return found.sum()
    return F.smooth_l1_loss(found, targets) * found.shape[1]


def place_targets(spans: Tensor, truth: Tensor) -> Tensor:
    """What leads from proposals to their true segments: [P, 2], [P, 2] -> [P, 2].

    The shift of the centre by the proposal's length, and the logarithm of the ratio of lengths.
    """
    lengths, true_lengths = spans[:, 1] - spans[:, 0], truth[:, 1] - truth[:, 0]
    shift = (truth.sum(1) - spans.sum(1)) / 2 / lengths
    return torch.stack([shift, (true_lengths / lengths).log()], 1)


def placed(spans: Tensor, targets: Tensor) -> Tensor:
    """The inverse of `place_targets`: spans [P, 2], targets [P, …, 2] -> [P, …, 2].

    No span becomes longer or shorter than e² times, nor moves by more than two lengths.
    """
    shape = [len(spans), *[1] * (targets.ndim - 2)]
    lengths = (spans[:, 1] - spans[:, 0]).view(shape)
    centres = spans.mean(1).view(shape) + lengths * targets[..., 0].clamp(-2, 2)
    halves = lengths * targets[..., 1].clamp(-2, 2).exp() / 2
    return torch.stack([centres - halves, centres + halves], -1)
