"""MvPL: one model for colours, temporal gradients and optical flow (Xiong et al., ICCV'21, arXiv 2104.00682).

Kept: the same network, head included, sees every view; pseudo-labels are the mean of its predictions on the weak
views (the paper's "aggregated view"); it learns from labels on all weak views and from pseudo-labels on all strong
ones; only colours are needed afterwards. Flow gets a third channel, its length, for a network of three: so does a
re-implementation by others that says it follows the paper (github.com/lambert-x/video-semisup, issue 4); the paper's
own words were not at hand.
Left out, or done otherwise: that release stretches each picture of flow to its whole range, here x, y and length are
all in units of 20 px, the farthest that is kept; the views' losses are added instead of averaged. Threshold 0.3 as in
the same release, whose MvPL has no flow; the mean of probabilities is from memory, the release averages logits.
Gradients are of the sampled frames, flow leads to the next cached one. A strong view's gradients are those of its
changed colours; of its flow, place and time alone are changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatch
from recognizers.ssl.losses import class_loss
from recognizers.ssl.objectives.base import Objective, Seen, StepViews
from recognizers.ssl.objectives.gradients import require_colours, temporal_gradient
from recognizers.ssl.pseudo_label import PseudoLabels, summarise


class SharedViews(Objective):
    """The student's losses on the temporal gradients and the flow of what it sees; without flow, on the gradients.

    L = Σ_v CE(F(v(labelled)), y) + ξ · unlabelled_weight · mean_i w_i · CE(F(v(strong_i)), c_i), v ∈ {∇, flow}

    Each kind of view goes through the student by itself and has running statistics of its own, so that batch norm sees
    one kind at a time; the student keeps those of colours.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        require_colours(config, "MvPL")
        kinds = 2 if config.modality == "rgb+flow" else 1  # gradients and, where it is loaded, flow
        self.statistics = nn.ModuleList(_Statistics(student) for _ in range(kinds))

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """The mean of the probabilities on all views."""
        others = []
        for view, statistics in zip(self._others(weak, flow), self.statistics, strict=True):
            with statistics.used_by(labeller):  # type: ignore[operator]
                others.append(self.label(labeller, view).probabilities)
        return summarise(torch.stack([labels.probabilities, *others]).mean(0, keepdim=True))

    def loss(self, views: StepViews) -> Tensor:
        """What the student makes of the other views than colours."""
        shown = [self._others(views.labelled.view, views.flow)]
        if views.unlabelled:
            shown.append(self._others(views.unlabelled.own.view, views.unlabelled.flow))
        terms = []
        for kind, statistics in zip(zip(*shown, strict=True), self.statistics, strict=True):
            with statistics.used_by(views.student):  # type: ignore[operator]
                terms.append(self._taught(views, self.see_all(views.student, *kind)))
        return torch.stack(terms).sum()

    def _others(self, colours: Tensor, flow: Tensor | None) -> list[Tensor]:
        """The other views [B, N, 3, S, S] of a view of colours."""
        gradients = temporal_gradient(colours, self.config.model.elements)
        return [gradients] if flow is None else [gradients, with_length(flow)]

    def _taught(self, views: StepViews, looks: list[Seen]) -> Tensor:
        """The loss on one kind of view: of labelled and, after the warm-up, of unlabelled clips."""
        supervised = F.cross_entropy(looks[0].logits, views.targets)
        if views.unlabelled is None:
            return supervised
        taught = class_loss(looks[1].logits, views.unlabelled.labels, views.unlabelled.weights)
        return supervised + views.xi * self.config.algorithm.unlabelled_weight * taught


class _Statistics(nn.Module):
    """The running statistics of a network's batch norms for one kind of view; none for a network without."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for place, (norm, name) in enumerate(_running(network)):
            self.register_buffer(f"{place}", getattr(norm, name).clone())

    @contextmanager
    def used_by(self, network: nn.Module) -> Iterator[None]:
        """Let a network use and update these instead of its own; tensors change places, none is written to."""
        places = _running(network)
        own = [getattr(norm, name) for norm, name in places]
        try:
            for (norm, name), tensor in zip(places, self.buffers(), strict=True):
                setattr(norm, name, tensor)
            yield
        finally:
            for (norm, name), tensor in zip(places, own, strict=True):
                setattr(norm, name, tensor)


def _running(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Batch norms and the names of their buffers, in the network's order."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return [(norm, name) for norm in norms for name, _ in norm.named_buffers()]


def with_length(flow: Tensor) -> Tensor:
    """Flow for a network of three channels: x, y and √(x² + y²), cut at 1 as x and y are: [B, N, 2, …] -> [B, N, 3, …].

    No movement is 0 in all of them.
    """
    return torch.cat([flow, flow.norm(dim=2, keepdim=True).clamp(max=1)], 2)
