"""Base class of objectives (further loss terms), their inputs StepViews, and Objectives, a training's collection."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import torch
import torch.distributed as dist
from torch import Generator, Tensor, nn

from gymqa.frames.modality import Modality
from recognizers.backbones.base import Features, Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import autocast, processes
from recognizers.loader import ClipBatch
from recognizers.ssl.objectives.registry import OBJECTIVES
from recognizers.ssl.pseudo_label import PseudoLabels, pseudo_label
from recognizers.ssl.views import draw_strong


class ViewOutputs(NamedTuple):
    """A view of some clips and a network's outputs for it, in float32 and with gradient.

    Attributes:
        view: [B, N, C, S, S].
        logits: [B, C].
        fused: the feature before dropout and head, [B, F].
        tokens: features of time steps, frames or elements, [B, T, F'].
    """

    view: Tensor
    logits: Tensor
    fused: Tensor
    tokens: Tensor


@dataclass(frozen=True, slots=True)
class UnlabelledViews:
    """The unlabelled clips of a step after the warm-up.

    Attributes:
        weak: the weak view that the teacher labelled, [B, N, C, S, S].
        own: the student's view, of which L_un is computed, and its outputs.
        teacher_prediction: pseudo-labels of the algorithm's teacher (moving average or student).
        labels: the student's targets: `teacher_prediction`, unless an objective's `relabel` changed them.
        weights: weights of `labels`, [B].
        flow: of `own`, with the same crop, mirror and order, [B, N, 2, S, S] in [-1, 1]; None unless an objective is
            registered with a modality (`sees`) that has flow.
    """

    weak: Tensor
    own: ViewOutputs
    teacher_prediction: PseudoLabels
    labels: PseudoLabels
    weights: Tensor
    flow: Tensor | None = None


@dataclass(frozen=True, slots=True)
class StepViews:
    """Inputs of an objective in one step.

    Attributes:
        student: not wrapped, in training mode; its gradients are averaged over the processes.
        teacher: its moving average, without gradient.
        labelled: weak views of the labelled clips and the student's outputs.
        targets: their labels, [B].
        clips: the unlabelled clips (uint8 frames, positions among all of them); None in the warm-up, unless the
            objective is registered with `in_warm_up`, and where the algorithm uses none.
        unlabelled: None during the warm-up.
        step: from 0, before the optimiser's step.
        xi: ξ, weight of the unlabelled clips; 0 during the warm-up. Objectives apply it themselves.
        rng: of all random numbers except dropout (on the CPU); exact resuming needs that no other source is used.
        flow: of `labelled`, as that of the unlabelled clips.
    """

    student: Recognizer
    teacher: Recognizer
    labelled: ViewOutputs
    targets: Tensor
    clips: ClipBatch | None
    unlabelled: UnlabelledViews | None
    step: int
    xi: float
    rng: Generator
    flow: Tensor | None = None


class Objective(nn.Module, ABC):
    """A further term of the loss: L = L_sup + ξ (w_un · L_un + w_mix · L_mix) + Σ objectives.

    Its parameters are in the optimizer, its state is in the checkpoint, and the gradients of its parameters are
    averaged over the processes; `clip_norm` applies to the gradients of student and objectives together. It is not part
    of the trained model. Its memory must be in buffers and equal in every process:
    `recognizers.distributed.all_gathered` collects the other processes' shards of a batch.

    Args:
        config: the run's settings.
        student: for its config and initial weights; not to be kept (`loss` gets the student).
    """

    copies: ClassVar[tuple[str, ...]] = ()
    """Attributes that are copies of the student, to which `backbone_rate` applies."""

    in_warm_up: ClassVar[bool] = False
    has_network: ClassVar[bool] = False
    sees: ClassVar[Modality | None] = None
    """As in `registry.Entry`, read from the user's own classes only; ours have registry entries without torch."""

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def loss(self, views: StepViews) -> Tensor:
        """The loss term, a float32 scalar, logged under the objective's name. Called in training mode."""

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """Replace the teacher's pseudo-labels as the student's targets; without gradient.

        Args:
            weak: the unlabelled clips' weak view [B, N, C, S, S].
            clips: the unlabelled clips.
            labels: the labeller's, perhaps changed by a previous objective.
            labeller: the algorithm's teacher, the moving average or the student, in evaluation mode.
            flow: of `weak`, see `UnlabelledViews`.
        """
        return labels

    def strong(self, frames: Tensor, rng: Generator) -> Tensor:
        """A strong view of uint8 frames [B, N, S', S', C], without temporal perturbation."""
        return draw_strong(frames, self.config, "none", rng).seen

    def forward_view(self, network: Recognizer, view: Tensor) -> ViewOutputs:
        """A forward pass in the run's precision, with gradients for network and view."""
        with autocast(view.device, self.config):
            logits, features = network(view, with_features=True)
        return view_outputs(view, logits, features)

    def forward_views(self, network: Recognizer, *views: Tensor) -> list[ViewOutputs]:
        """One forward pass over several views."""
        return split_outputs(self.forward_view(network, torch.cat(views)), [len(view) for view in views])

    def label(self, network: Recognizer, view: Tensor) -> PseudoLabels:
        """Pseudo-labels of a network for a view, without dropout and gradient; its mode is restored."""
        training = network.training
        with autocast(view.device, self.config):
            labels = pseudo_label(network, view, 1)
        network.train(training)
        return labels


def view_outputs(view: Tensor, logits: Tensor, features: Features) -> ViewOutputs:
    """Outputs of a forward pass, in float32."""
    return ViewOutputs(view, logits.float(), features.fused.float(), features.tokens.float())


def split_outputs(whole: ViewOutputs, sizes: list[int]) -> list[ViewOutputs]:
    """Split the outputs of a joint forward pass into parts."""
    return [ViewOutputs(*parts) for parts in zip(*(tensor.split(sizes) for tensor in whole), strict=True)]


class Objectives(nn.ModuleDict):
    """All objectives of a training, perhaps none, by name."""

    def each(self) -> Mapping[str, Objective]:
        """The objectives by name."""
        return {name.replace("/", "."): cast(Objective, module) for name, module in self.items()}

    def optimized(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters by name: the student's names for copies of it, else with the objective's prefix."""
        for objective_name, objective in self.each().items():
            for name, parameter in objective.named_parameters():
                module, _, rest = name.partition(".")
                yield (rest if module in objective.copies else f"{objective_name}.{name}"), parameter

    @torch.no_grad()
    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """Apply the objectives' `relabel` one after another."""
        for objective in self.each().values():
            labels = objective.relabel(weak, clips, labels, labeller, flow)
        return labels

    def losses(self, views: StepViews) -> dict[str, Tensor]:
        """Every objective's term by its name."""
        return {name: objective.loss(views) for name, objective in self.each().items()}

    def average_gradients(self) -> None:
        """Average the gradients over all processes in one all-reduce; parameters that no process used keep none."""
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if processes() == 1 or not parameters:
            return
        used = torch.tensor([float(parameter.grad is not None) for parameter in parameters])
        flat = [_flat_gradient(parameter) for parameter in parameters]
        together = torch.cat([*flat, used.to(flat[0])])
        dist.all_reduce(together)
        *gradients, counts = together.split([*(len(part) for part in flat), len(used)])
        for parameter, gradient, count in zip(parameters, gradients, counts.tolist(), strict=True):
            parameter.grad = (gradient / processes()).view_as(parameter) if count else None


def _flat_gradient(parameter: Tensor) -> Tensor:
    """The flattened gradient, zeros where there is none."""
    gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
    return gradient.flatten()


def make_objectives(config: "TrainConfig", student: "Recognizer") -> "Objectives":
    """Make the objectives of the algorithm, with initial weights determined by the run's seed.

    Args:
        config: settings.
        student: the initial student, for its config and for copies of it.
    """
    made = {}
    with torch.random.fork_rng(devices=[]):
        for number, name in enumerate(config.algorithm.objectives):
            torch.manual_seed(config.seed + 1 + number)
            module_name = name.replace(".", "/")  # module names may not have the dots of a plug-in's name
            made[module_name] = OBJECTIVES.make(name, Objective, config, student)  # type: ignore[type-abstract]
    return Objectives(made)
