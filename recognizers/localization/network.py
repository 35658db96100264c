"""Localizer: actionness classifier and structured segment network on snippet features; pyramid pooling, losses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.typed_json import read_object, require_buildable
from recognizers.localization.config import LEVELS, GroupingConfig, Level
from recognizers.weights_io.tensors import load_exactly, read_weights, require_same_shapes, save_model


@dataclass(frozen=True)
class LocalizerConfig:
    """Config of a localizer.

    Attributes:
        level: actions in videos, or sub-actions in actions.
        labels: labels of the classes, as in annotations and detections.
        features: D, width of snippet features.
        snippet: length of a snippet in seconds.
        hidden: width of the layer below the pyramid.
        dropout: before the classifiers.
        seen_by: fingerprint of the feature network.
        setting: the release's setting of the labels.
        grouping: of snippets to proposals, as in training.
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


class ProposalScores(NamedTuple):
    """Outputs for P proposals: activity logits [P, 1 + K], background first; completeness [P, K]; standardised bound
    regression [P, K, 2] by class."""

    activity: Tensor
    completeness: Tensor
    regression: Tensor


class Localizer(nn.Module):
    """Snippets [T, D] to actionness [T], and snippets with proposals to `ProposalScores`.

    The activity classifier takes the course stage alone, the others the whole pyramid.
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
        """Standardise snippets [T, D] by the training snippets' mean and std."""
        return (snippets.float() - self.feature_mean) / self.feature_std

    def actionness(self, snippets: Tensor) -> Tensor:
        """Actionness logits: [T, D] -> [T]."""
        logits: Tensor = self.actionness_net(self.standardised(snippets)).squeeze(-1)
        return logits

    def forward(self, snippets: Tensor, spans: Tensor) -> ProposalScores:
        """Snippets [T, D], proposals [P, 2] in snippets -> scores of the proposals."""
        parts = pyramid(self.projection(self.standardised(snippets)), spans)  # [P, PARTS, H]
        parts = self.dropout(parts)
        whole = parts.flatten(1)
        regression = self.places(whole).unflatten(1, (-1, 2))
        return ProposalScores(self.activity(parts[:, COURSE]), self.completeness(whole), regression)

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
        save_model(self, folder, {"model": "localizer", **asdict(self.config)})

    @classmethod
    def from_pretrained(cls, folder: Path) -> "Localizer":
        """Read what `save_pretrained` wrote; the model is in evaluation mode.

        Raises:
            GymQAError: a file is missing or damaged, or is not of a localizer.
        """
        config, weights = _read_config(folder), read_weights(folder)
        with torch.device("meta"):
            require_same_shapes(cls(config), weights, folder)
        model = cls(config)
        load_exactly(model, weights, folder)
        return model.eval()


def _read_config(folder: Path) -> LocalizerConfig:
    values = read_object(folder / "config.json", "give the folder that `gymqa localize train` wrote")
    require_buildable(folder / "config.json", values)
    try:
        if values.pop("model") != "localizer" or values["level"] not in LEVELS:
            raise ValueError("it is of another model")
        labels = tuple(int(label) for label in values.pop("labels"))
        grouping = GroupingConfig(**values.pop("grouping", {}))
        config = LocalizerConfig(labels=labels, grouping=grouping, **values)
        if min(config.features, config.hidden, len(labels)) < 1 or config.snippet <= 0:
            raise ValueError("a width, number of labels or snippet length is not positive")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise GymQAError(
            f"{folder} does not hold a localizer ({error}); give the folder that `gymqa localize train` wrote"
        ) from error
    return config


PARTS = 5  # pyramid: start, course, its halves, end
COURSE = 1


def running_sum(snippets: Tensor) -> Tensor:
    """Cumulative sum [T, D] -> float64 [T + 1, D], row t summing the first t rows."""
    return torch.cat([snippets.new_zeros(1, snippets.shape[1]), snippets]).double().cumsum(0)


def span_means(summed: Tensor, spans: Tensor) -> Tensor:
    """Mean over each span, with fractional weights of partly covered snippets: [P, 2] -> float32 [P, D].

    Parts outside the video count as zero, as in the released code, which scales by the fraction inside.

    Args:
        summed: `running_sum` of the snippets.
        spans: starts and ends in snippets, of any length.
    """
    bounds = spans.double().clamp(0, len(summed) - 1)
    low = bounds.floor().long().clamp(max=len(summed) - 2)  # [P, 2]
    at = summed[low] + (bounds - low).unsqueeze(-1) * (summed[low + 1] - summed[low])  # [P, 2, D]
    lengths = (spans[:, 1:] - spans[:, :1]).double().clamp(min=1e-6)
    return ((at[:, 1] - at[:, 0]) / lengths).float()


def pyramid(snippets: Tensor, spans: Tensor) -> Tensor:
    """Temporal pyramid pooling of proposals: snippets [T, D], spans [P, 2] in snippets -> [P, PARTS, D]."""
    start, end = spans[:, 0], spans[:, 1]
    half = (end - start) / 2
    bounds = [(start - half, start), (start, end), (start, start + half), (start + half, end), (end, end + half)]
    parts = torch.stack([torch.stack(one, -1) for one in bounds], 1)  # [P, PARTS, 2]
    return span_means(running_sum(snippets), parts.flatten(0, 1)).unflatten(0, (len(spans), PARTS))


def completeness_loss(complete: Tensor, incomplete: Tensor, hard: float) -> Tensor:
    """Hinge loss of the class-wise completeness classifiers, with the hardest incomplete proposals of each group.

    The mean of max(0, 1 − c) over complete proposals and of max(0, 1 + c) over the hard incomplete ones together,
    where c is the score of the class of the true segment that a proposal belongs to.

    Args:
        complete: c of foreground proposals [F].
        incomplete: c of incomplete ones by group [G, M].
        hard: fraction of each group that is used, at least one proposal.
    """
    kept = max(1, int(incomplete.shape[1] * hard)) if incomplete.numel() else 0
    losses = torch.cat([F.relu(1 - complete), F.relu(1 + incomplete).topk(kept, 1).values.flatten()])
    return losses.sum() / max(1, len(losses))


def regression_loss(found: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1 loss, summed over a proposal's two numbers, averaged over proposals: [F, 2], [F, 2] -> a scalar."""
    if not len(found):
        return found.sum()
    return F.smooth_l1_loss(found, targets) * found.shape[1]


def regression_targets(spans: Tensor, truth: Tensor) -> Tensor:
    """Regression targets from proposals to true spans: [P, 2], [P, 2] -> [P, 2].

    The shift of the centre relative to the proposal's length, and the log ratio of lengths.
    """
    lengths, true_lengths = spans[:, 1] - spans[:, 0], truth[:, 1] - truth[:, 0]
    shift = (truth.sum(1) - spans.sum(1)) / 2 / lengths
    return torch.stack([shift, (true_lengths / lengths).log()], 1)


def apply_regression(spans: Tensor, targets: Tensor) -> Tensor:
    """The inverse of `regression_targets`: spans [P, 2], targets [P, …, 2] -> [P, …, 2].

    Lengths change at most by a factor of e², centres move at most by two lengths.
    """
    shape = [len(spans), *[1] * (targets.ndim - 2)]
    lengths = (spans[:, 1] - spans[:, 0]).view(shape)
    centres = spans.mean(1).view(shape) + lengths * targets[..., 0].clamp(-2, 2)
    halves = lengths * targets[..., 1].clamp(-2, 2).exp() / 2
    return torch.stack([centres - halves, centres + halves], -1)
