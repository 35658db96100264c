"""What an objective is, what a step offers it, and how several are trained together with the student."""

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


class Seen(NamedTuple):
    """A view of some clips and what a network makes of it, in float32 and with gradient.

    Attributes:
        view: [B, N, C, S, S].
        logits: [B, C].
        fused: the feature before dropout and head, [B, F].
        tokens: features of moments, frames or elements, [B, T, F'].
    """

    view: Tensor
    logits: Tensor
    fused: Tensor
    tokens: Tensor


@dataclass(frozen=True, slots=True)
class UnlabelledViews:
    """The unlabelled clips of a step after the warm-up.

    Attributes:
        weak: the weak view that was labelled, [B, N, C, S, S].
        own: the view that L_un is taken of, as the student sees it.
        believed: the pseudo-labels of the algorithm's teacher (moving average or student).
        labels: those that the student learns from: `believed`, unless an objective's `relabel` changed them.
        weights: how much each of `labels` counts, [B].
        flow: of `own`, the same crop, mirror and order, [B, N, 2, S, S] in [-1, 1]; None unless an objective is
            registered with a modality (`sees`) that shows it.
    """

    weak: Tensor
    own: Seen
    believed: PseudoLabels
    labels: PseudoLabels
    weights: Tensor
    flow: Tensor | None = None


@dataclass(frozen=True, slots=True)
class StepViews:
    """What a step offers an objective.

    Attributes:
        student: not wrapped, in training mode; gradients that reach it are averaged over the processes as always.
        teacher: its moving average, without gradient.
        labelled: weak views of the labelled clips, as the student sees them.
        targets: their labels, [B].
        clips: the unlabelled clips (uint8 frames, positions among all of them); None in the warm-up, unless the
            objective is registered with `in_warm_up`, and where the algorithm has none.
        unlabelled: None during the warm-up.
        step: from 0, before the optimiser's step.
        xi: ξ, how much unlabelled clips count; 0 during the warm-up. An objective weighs itself.
        rng: of all draws but dropout (on the CPU); exact resume needs that no other source is used.
        flow: of `labelled`, as that of the unlabelled clips.
    """

    student: Recognizer
    teacher: Recognizer
    labelled: Seen
    targets: Tensor
    clips: ClipBatch | None
    unlabelled: UnlabelledViews | None
    step: int
    xi: float
    rng: Generator
    flow: Tensor | None = None


class Objective(nn.Module):
    """A further term of the loss: L = L_sup + ξ (w_un · L_un + w_mix · L_mix) + Σ objectives.

    Its parameters are in the optimizer, its state is in the checkpoint, and the gradients of its parameters are
    averaged over the processes; `clip_norm` holds for the gradients of student and objectives together. None of it is
    in the trained model. What it remembers lies in buffers, which hold the same in every process:
    `gathering.gathered` brings the other processes' part of a batch.

    Args:
        config: the run's settings.
        student: for sizes and first weights; not to be kept (a step brings the student).
    """

    copies: ClassVar[tuple[str, ...]] = ()
    """Attributes that are networks which start as the student, perhaps pre-trained: `backbone_rate` holds there."""

    in_warm_up: ClassVar[bool] = False
    has_network: ClassVar[bool] = False
    sees: ClassVar[Modality | None] = None
    """Read of objectives of the user's own; ours say the same in their registry's lines, which need no torch."""

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__()
        self.config = config

    def loss(self, views: StepViews) -> Tensor:
        """The term, a scalar in float32, which is logged under the objective's name. Called in training mode."""
        raise NotImplementedError

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """The pseudo-labels that the student is to learn from instead of the teacher's; without gradient.

        Args:
            weak: the unlabelled clips' weak view [B, N, C, S, S].
            clips: the unlabelled clips.
            labels: the labeller's, or what an objective before this one made of them.
            labeller: the algorithm's teacher, the moving average or the student, in evaluation mode.
            flow: of `weak`, as of `UnlabelledViews`.
        """
        return labels

    def strong(self, frames: Tensor, rng: Generator) -> Tensor:
        """A strong view of uint8 frames [B, N, S', S', C], in the order of time that they have."""
        return draw_strong(frames, self.config, "none", rng).seen

    def see(self, network: Recognizer, view: Tensor) -> Seen:
        """A forward pass in the run's precision; the gradient reaches network and view."""
        with autocast(view.device, self.config):
            logits, features = network(view, with_features=True)
        return seen(view, logits, features)

    def see_all(self, network: Recognizer, *views: Tensor) -> list[Seen]:
        """One forward pass over several views."""
        return parts_of(self.see(network, torch.cat(views)), [len(view) for view in views])

    def label(self, network: Recognizer, view: Tensor) -> PseudoLabels:
        """What a network thinks of a view, without dropout and gradient; its mode stays."""
        training = network.training
        with autocast(view.device, self.config):
            labels = pseudo_label(network, view, 1)
        network.train(training)
        return labels


def seen(view: Tensor, logits: Tensor, features: Features) -> Seen:
    """A forward pass's outcome, in float32."""
    return Seen(view, logits.float(), features.fused.float(), features.tokens.float())


def parts_of(whole: Seen, sizes: list[int]) -> list[Seen]:
    """What was seen together, part by part."""
    return [Seen(*parts) for parts in zip(*(tensor.split(sizes) for tensor in whole), strict=True)]


class Objectives(nn.ModuleDict):
    """All objectives of a run, perhaps none."""

    def each(self) -> Mapping[str, Objective]:
        """The objectives by name."""
        return {name.replace("/", "."): cast(Objective, module) for name, module in self.items()}

    def optimized(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters; those of copies of the student under their names there, all others with the objective's."""
        for objective_name, objective in self.each().items():
            for name, parameter in objective.named_parameters():
                module, _, rest = name.partition(".")
                yield (rest if module in objective.copies else f"{objective_name}.{name}"), parameter

    @torch.no_grad()
    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """The pseudo-labels after every objective had its say, in turn."""
        for objective in self.each().values():
            labels = objective.relabel(weak, clips, labels, labeller, flow)
        return labels

    def losses(self, views: StepViews) -> dict[str, Tensor]:
        """Every objective's term by its name."""
        return {name: objective.loss(views) for name, objective in self.each().items()}

    def average_gradients(self) -> None:
        """Average the gradients over all processes, in one exchange; parameters that no process used get none."""
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
    """The gradient in one row, zeros where there is none."""
    gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
    return gradient.flatten()


def make_objectives(config: "TrainConfig", student: "Recognizer") -> "Objectives":
    """The objectives of the settings' algorithm, fresh; the same whenever and wherever they are made.

    Args:
        config: settings; the draws come from their seed.
        student: fresh as well, for its sizes and, where a second network starts as it does, its weights.
    """

    made = {}
    with torch.random.fork_rng(devices=[]):
        for number, name in enumerate(config.algorithm.objectives):
            torch.manual_seed(config.seed + 1 + number)
            module_name = name.replace(".", "/")  # torch takes no dot, and a plug-in's name has some
            made[module_name] = OBJECTIVES.make(name, Objective, config, student)
    return Objectives(made)
