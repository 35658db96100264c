"""Objective MvPL: one network on RGB, temporal gradients and optical flow (Xiong et al., ICCV'21, arXiv 2104.00682).

Kept: the same network, head included, is applied to every view; pseudo-labels are the mean of its predictions on the
weak views (the paper's "aggregated view"); it is trained on labels of all weak views and on pseudo-labels of all strong
ones; testing needs RGB only. Flow gets its magnitude as a third channel, for a network of three: so does a
re-implementation by others that says it follows the paper (github.com/lambert-x/video-semisup, issue 4); the paper's
own words were not at hand.
Left out, or done otherwise: that release stretches each flow image to its whole range, here x, y and magnitude are
in units of 20 px, the largest kept displacement; the views' losses are added instead of averaged. Threshold 0.3 as in
the same release, whose MvPL has no flow; the mean of probabilities is from memory, the release averages logits.
Gradients are of the sampled frames, flow leads to the next cached one. A strong view's gradients are computed
after its photometric operations; its flow gets the geometric and temporal ones only.
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
from recognizers.ssl.objectives.base import Objective, StepViews, ViewOutputs
from recognizers.ssl.objectives.temporal_gradients import require_rgb, temporal_gradient
from recognizers.ssl.pseudo_label import PseudoLabels, summarise


class SharedViews(Objective):
    """The student's losses on the temporal gradients and, if loaded, the flow of its views.

    L = Σ_v CE(F(v(labelled)), y) + ξ · unlabelled_weight · mean_i w_i · CE(F(v(strong_i)), c_i), v ∈ {∇, flow}

    Each modality has its own forward pass and batch norm statistics; the student keeps those of RGB.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        require_rgb(config, "MvPL")
        kinds = 2 if config.modality == "rgb+flow" else 1  # gradients and, where it is loaded, flow
        self.statistics = nn.ModuleList(_Statistics(student) for _ in range(kinds))

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """The mean of the labeller's probabilities over all modalities."""
        others = []
        for view, statistics in zip(self._others(weak, flow), self.statistics, strict=True):
            with statistics.used_by(labeller):  # type: ignore[operator]
                others.append(self.label(labeller, view).probabilities)
        return summarise(torch.stack([labels.probabilities, *others]).mean(0, keepdim=True))

    def loss(self, views: StepViews) -> Tensor:
        """The student's losses on the modalities other than RGB."""
        views_by_split = [self._others(views.labelled.view, views.flow)]
        if views.unlabelled:
            views_by_split.append(self._others(views.unlabelled.own.view, views.unlabelled.flow))
        terms = []
        for kind, statistics in zip(zip(*views_by_split, strict=True), self.statistics, strict=True):
            with statistics.used_by(views.student):  # type: ignore[operator]
                terms.append(self._modality_loss(views, self.forward_views(views.student, *kind)))
        return torch.stack(terms).sum()

    def _others(self, rgb: Tensor, flow: Tensor | None) -> list[Tensor]:
        """The gradients and flow [B, N, 3, S, S] of an RGB view."""
        gradients = temporal_gradient(rgb, self.config.model.elements)
        return [gradients] if flow is None else [gradients, with_magnitude(flow)]

    def _modality_loss(self, views: StepViews, outputs: list[ViewOutputs]) -> Tensor:
        """The loss on one modality: of labelled and, after the warm-up, of unlabelled clips."""
        supervised = F.cross_entropy(outputs[0].logits, views.targets)
        if views.unlabelled is None:
            return supervised
        taught = class_loss(outputs[1].logits, views.unlabelled.labels, views.unlabelled.weights)
        return supervised + views.xi * self.config.algorithm.unlabelled_weight * taught


class _Statistics(nn.Module):
    """Running statistics of a network's batch norms for one modality; empty for a network without batch norm."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for index, (norm, name) in enumerate(_running(network)):
            self.register_buffer(f"{index}", getattr(norm, name).clone())

    @contextmanager
    def used_by(self, network: nn.Module) -> Iterator[None]:
        """Swap these statistics into a network within the block, which then uses and updates them."""
        buffers = _running(network)
        own = [getattr(norm, name) for norm, name in buffers]
        try:
            for (norm, name), tensor in zip(buffers, self.buffers(), strict=True):
                setattr(norm, name, tensor)
            yield
        finally:
            for (norm, name), tensor in zip(buffers, own, strict=True):
                setattr(norm, name, tensor)


def _running(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Batch norms and the names of their buffers, in the network's order."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return [(norm, name) for norm in norms for name, _ in norm.named_buffers()]


def with_magnitude(flow: Tensor) -> Tensor:
    """Flow in three channels: x, y and magnitude √(x² + y²), clipped at 1: [B, N, 2, …] -> [B, N, 3, …]."""
    return torch.cat([flow, flow.norm(dim=2, keepdim=True).clamp(max=1)], 2)
