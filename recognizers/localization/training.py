"""Training of a localizer: the actionness classifier, then the segment network on its proposals; resumable.

The random numbers of a step depend on seed and step alone, so that a killed and resumed run ends with the same weights
as an uninterrupted one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.console import ProgressBar, progress_bar
from gymqa.io.files import only_writer
from gymqa.runtime.runs import MetricsLog, require_writable
from gymqa.runtime.seeding import hash_key
from recognizers.localization.config import LocalizationConfig
from recognizers.localization.labelled_snippets import LabelledSnippets, label_snippets, read_snippets
from recognizers.localization.network import (
    Localizer,
    LocalizerConfig,
    ProposalScores,
    completeness_loss,
    regression_loss,
    regression_targets,
)
from recognizers.localization.proposals import group_actionness
from recognizers.localization.sampling import ProposalPool, SampledProposals, assign_proposals, sample_proposals
from recognizers.localization.segments import VideoSegment, label_set
from recognizers.localization.snippet_store import SnippetStore
from recognizers.training.checkpoint import (
    LAST,
    is_finished,
    load_checkpoint,
    mark_finished,
    restore,
    save_checkpoint,
)


@dataclass(frozen=True)
class Phase:
    """One of the two phases of a training.

    Attributes:
        number: 0 or 1.
        name: in the log.
        first: first step.
        steps: number of steps.
        parameters: trained parameters.
        loss: loss of a step, given its random generator; None where no proposals were sampled.
    """

    number: int
    name: str
    first: int
    steps: int
    parameters: list[nn.Parameter]
    loss: Callable[[np.random.Generator], Tensor | None]


def train_localizer(
    store: SnippetStore,
    segments: Sequence[VideoSegment],
    out: Path,
    config: LocalizationConfig,
    setting: str = "",
    device: str = "cpu",
) -> Localizer:
    """Train a localizer, or resume the interrupted training in `out`; a finished one is loaded.

    Args:
        store: features of the videos; segments of videos without features are left out.
        segments: video segments to train on.
        out: folder of the model, metrics.jsonl and the checkpoint.
        config: settings.
        setting: setting of the segments' labels, saved in the model.
        device: where it is trained.

    Raises:
        GymQAError: `out` holds a training of other settings or data, no segment has features, the disk is full, or the
            checkpoint is damaged.
    """
    with only_writer(require_writable(out), "the localizer in"):
        depends = {name: value for name, value in asdict(config).items() if name != "checkpoint_every"}
        settings = {"training": depends, "features": store.seen_by, "stretches": _digest(segments)}
        if not is_finished(out, settings):
            labels = label_set(segments)
            read = read_snippets(store, segments, config.snippet)
            data = [label_snippets(one, snippets.to(device), config.snippet, labels) for one, snippets in read]
            made_for = LocalizerConfig(config.level, labels, store.dim, config.snippet, config.hidden, config.dropout,
                                       store.seen_by, setting, config.grouping)  # fmt: skip
            LocalizerTraining(data, made_for, config, device).run(out, settings)
            mark_finished(out, settings)
    return Localizer.from_pretrained(out).to(device)


def _digest(segments: Iterable[VideoSegment]) -> str:
    """A hash of the training segments; the class name in it is that of checkpoints written so far."""
    return hash_key(*(f"Stretch{repr(segment).removeprefix(VideoSegment.__name__)}" for segment in segments)).hex()


class LocalizerTraining:
    """State of one training: data, model, proposals.

    Args:
        data: video segments with snippets and ground truth.
        model_config: config of the model.
        config: settings of the training.
        device: of the model and the data.

    Raises:
        GymQAError: there is no data.
    """

    def __init__(
        self,
        data: Sequence[LabelledSnippets],
        model_config: LocalizerConfig,
        config: LocalizationConfig,
        device: str = "cpu",
    ) -> None:
        if not data:
            raise GymQAError("no video to train on has features; make them with `gymqa localize features`")
        self.data, self.config, self.device = data, config, device
        self.active = [one.active().to(device) for one in data]
        self.positive = self._positive_weight()
        self.pools: list[ProposalPool] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = Localizer(model_config).to(device)
        self._standardise_features()

    def run(self, out: Path, settings: dict[str, Any]) -> None:
        """Train and write the model, resuming from a checkpoint if there is one."""
        state = load_checkpoint(out / LAST, settings)
        if state is not None:
            restore({"model": self.model}, state, out / LAST)
        done = 0 if state is None else int(state["step"])
        log = MetricsLog(out / "metrics.jsonl", done)
        total = self.config.actionness_steps + self.config.steps
        with progress_bar(f"training on {len(self.data)} segments", total, done) as bar:
            for phase in self._phases():
                if done >= phase.first + phase.steps:
                    continue
                if phase.number == 1:
                    self._propose()
                optimizer = torch.optim.AdamW(phase.parameters, self.config.learning_rate,
                                              weight_decay=self.config.weight_decay)  # fmt: skip
                if state is not None and done > phase.first:
                    restore({"optimizer": optimizer}, state, out / LAST)
                for step in range(max(done, phase.first), phase.first + phase.steps):
                    self._step(phase, optimizer, step, log, bar)
                    if (step + 1) % self.config.checkpoint_every == 0 or step + 1 == phase.first + phase.steps:
                        states = {"model": self.model.state_dict(), "optimizer": optimizer.state_dict()}
                        save_checkpoint(out / LAST, settings, {"step": step + 1, **states})
        self.model.eval().save_pretrained(out)

    def _phases(self) -> tuple[Phase, Phase]:
        model, first = self.model, self.config.actionness_steps
        others = [model.projection, model.activity, model.completeness, model.places]
        return (
            Phase(0, "actionness", 0, first, list(model.actionness_net.parameters()), self._actionness_loss),
            Phase(1, "segments", first, self.config.steps, [p for part in others for p in part.parameters()],
                  self._segment_loss),
        )  # fmt: skip

    def _step(
        self, phase: Phase, optimizer: torch.optim.Optimizer, step: int, log: MetricsLog, bar: ProgressBar
    ) -> None:
        """One optimiser step, whose random numbers depend on its number."""
        rng = np.random.default_rng((self.config.seed, phase.number, step))
        for group in optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1 - (step - phase.first) / phase.steps)
        self.model.train()
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**62)))  # of dropout
            loss = phase.loss(rng)
        if loss is None:
            bar.advance(note=f"{phase.name}: no proposals")
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.add(step + 1, phase=phase.name, loss=round(loss.item(), 6))
        bar.advance(note=f"{phase.name} {loss.item():.3f}")

    def _batch(self, rng: np.random.Generator) -> list[int]:
        drawn = rng.choice(len(self.data), min(self.config.batch, len(self.data)), replace=False)
        return [int(one) for one in drawn]

    def _actionness_loss(self, rng: np.random.Generator) -> Tensor:
        """Class-balanced binary cross-entropy of snippets."""
        drawn = self._batch(rng)
        logits = self.model.actionness(torch.cat([self.data[one].snippets for one in drawn]))
        wanted = torch.cat([self.active[one] for one in drawn])
        return F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=self.positive)

    def _segment_loss(self, rng: np.random.Generator) -> Tensor | None:
        """L = L_cls + λ₁ L_comp + λ₂ L_reg over the sampled proposals of a batch of segments; None without any."""
        parts = []
        for one in self._batch(rng):
            drawn = sample_proposals(self.pools[one], self.config.sampling, rng)
            if len(drawn.spans):
                spans = torch.from_numpy(drawn.spans).float().to(self.device)
                parts.append(_loss_inputs(self.model, self.model(self.data[one].snippets, spans), drawn, spans))
        if not parts:
            return None
        logits, classes, complete, incomplete, regressed, targets = map(torch.cat, zip(*parts, strict=True))
        activity = F.cross_entropy(logits, classes) if len(classes) else logits.sum()
        completeness = completeness_loss(complete, incomplete, self.config.hard)
        regression = regression_loss(regressed, targets)
        return activity + self.config.completeness_weight * completeness + self.config.regression_weight * regression

    def _positive_weight(self) -> Tensor:
        """Weight of active snippets that balances them with the others."""
        active = sum(float(one.sum()) for one in self.active)
        return torch.tensor((sum(map(len, self.active)) - active + 1) / (active + 1), device=self.device)

    def _standardise_features(self) -> None:
        """Set the model's mean and std of the snippet features."""
        snippets = torch.cat([one.snippets for one in self.data]).double()
        self.model.feature_mean.copy_(snippets.mean(0))
        self.model.feature_std.copy_(snippets.std(0, correction=0).clamp(min=1e-4))

    @torch.inference_mode()
    def _propose(self) -> None:
        """Group actionness to proposals, assign them, and set the model's mean and std of the regression targets."""
        self.model.eval()
        self.pools = []
        for one in self.data:
            actionness = self.model.actionness(one.snippets).sigmoid().double().cpu().numpy()
            proposals = group_actionness(actionness, self.config.grouping)
            self.pools.append(assign_proposals(proposals, one.truth, one.classes, self.config.sampling))
        if not any(pool.instances for pool in self.pools):
            raise GymQAError("no segment to train on holds a true segment with a label; check annotation and setting")
        found = [(pool.foreground[pool.instances :], pool.matched[pool.instances :]) for pool in self.pools]
        spans, truth = (torch.from_numpy(np.concatenate(part)).float() for part in zip(*found, strict=True))
        if len(spans) > 1:
            targets = regression_targets(spans, truth)
            self.model.place_mean.copy_(targets.mean(0))
            self.model.place_std.copy_(targets.std(0).clamp(min=1e-2))


def _loss_inputs(model: Localizer, found: ProposalScores, drawn: SampledProposals, spans: Tensor) -> tuple[Tensor, ...]:
    """Inputs of the losses from one video segment.

    Returns:
        Activity logits and classes of foreground and background, completeness of foreground [F] and of incomplete ones
        [G, M], standardised regression of the foreground and its targets [F, 2].
    """
    front, (groups, size) = len(drawn.classes), drawn.incomplete_classes.shape
    back = front + groups * size
    classes = torch.from_numpy(drawn.classes).to(spans.device)
    parts = torch.from_numpy(drawn.incomplete_classes.reshape(-1)).to(spans.device)
    rows = torch.arange(front, device=spans.device)
    targets = regression_targets(spans[:front], torch.from_numpy(drawn.matched).to(spans))
    return (
        torch.cat([found.activity[:front], found.activity[back:]]),
        torch.cat([classes + 1, classes.new_zeros(len(spans) - back)]),
        found.completeness[rows, classes],
        found.completeness[front:back].gather(1, parts[:, None]).view(groups, size),
        found.regression[rows, classes],
        (targets - model.place_mean) / model.place_std,
    )
