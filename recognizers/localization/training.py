"""Training a localizer: first the actionness of snippets, then the segment network on the proposals it gives.

What a step draws depends on the seed and the step's number alone, so that a run that was killed and goes on from its
last checkpoint ends with the very weights of one that was not.
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
from recognizers.localization.material import Material, material_of, read_snippets
from recognizers.localization.network import (
    Judgement,
    Localizer,
    LocalizerConfig,
    completeness_loss,
    place_targets,
    regression_loss,
)
from recognizers.localization.proposals import group_actionness
from recognizers.localization.sampling import Drawn, Pool, draw, sort_out
from recognizers.localization.snippet_store import SnippetStore
from recognizers.localization.stretches import Stretch, label_set
from recognizers.training.checkpoint import (
    LAST,
    is_finished,
    load_checkpoint,
    mark_finished,
    remove_half_written,
    save_checkpoint,
    take_up,
)


@dataclass(frozen=True)
class Phase:
    """One of the two parts of a training.

    Attributes:
        number: 0 or 1.
        name: in the log.
        first: step it begins with.
        steps: how many it has.
        parameters: what it trains.
        loss: of a step, from what the step draws with; None where that teaches nothing.
    """

    number: int
    name: str
    first: int
    steps: int
    parameters: list[nn.Parameter]
    loss: Callable[[np.random.Generator], Tensor | None]


def train_localizer(
    store: SnippetStore,
    stretches: Sequence[Stretch],
    out: Path,
    config: LocalizationConfig,
    setting: str = "",
    device: str = "cpu",
) -> Localizer:
    """Train a localizer, or go on with the training that was stopped in `out`; a finished one is only read.

    Args:
        store: features of the stretches' videos; stretches of videos that are not there are left out.
        stretches: what to train on.
        out: folder of the model, metrics.jsonl and the checkpoint.
        config: settings.
        setting: whose labels the stretches have, noted in the model.
        device: where it is trained.

    Raises:
        GymQAError: `out` holds a training of other settings or data, no stretch has features, or disk or checkpoint
            fail.
    """
    with only_writer(require_writable(out), "the localizer in"):
        remove_half_written(out)
        depends = {name: value for name, value in asdict(config).items() if name != "checkpoint_every"}
        settings = {"training": depends, "features": store.seen_by, "stretches": _digest(stretches)}
        if not is_finished(out, settings):
            labels = label_set(stretches)
            read = read_snippets(store, stretches, config.snippet)
            data = [material_of(one, snippets.to(device), config.snippet, labels) for one, snippets in read]
            made_for = LocalizerConfig(config.level, labels, store.dim, config.snippet, config.hidden, config.dropout,
                                       store.seen_by, setting, config.grouping)  # fmt: skip
            LocalizerTraining(data, made_for, config, device).run(out, settings)
            mark_finished(out, settings)
    return Localizer.from_pretrained(out).to(device)


def _digest(stretches: Iterable[Stretch]) -> str:
    """A hash of what is trained on."""
    return hash_key(*(repr(stretch) for stretch in stretches)).hex()


class LocalizerTraining:
    """One training.

    Args:
        data: stretches.
        made_for: the model's settings.
        config: the training's.
        device: where it runs; the data is there.

    Raises:
        GymQAError: there is nothing to train on.
    """

    def __init__(
        self, data: Sequence[Material], made_for: LocalizerConfig, config: LocalizationConfig, device: str = "cpu"
    ) -> None:
        if not data:
            raise GymQAError("no video to train on has features; make them with `gymqa localize features`")
        self.data, self.config, self.device = data, config, device
        self.active = [one.active().to(device) for one in data]
        self.positive = self._positive_weight()
        self.pools: list[Pool] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = Localizer(made_for).to(device)
        self._standardise_features()

    def run(self, out: Path, settings: dict[str, Any]) -> None:
        """Train and write the model, from the checkpoint on where there is one."""
        state = load_checkpoint(out / LAST, settings)
        if state is not None:
            take_up({"model": self.model}, state, out / LAST)
        done = 0 if state is None else int(state["step"])
        log = MetricsLog(out / "metrics.jsonl", done)
        total = self.config.actionness_steps + self.config.steps
        with progress_bar(f"training on {len(self.data)} stretches", total, done) as bar:
            for phase in self._phases():
                if done >= phase.first + phase.steps:
                    continue
                if phase.number == 1:
                    self._propose()
                optimizer = torch.optim.AdamW(phase.parameters, self.config.learning_rate,
                                              weight_decay=self.config.weight_decay)  # fmt: skip
                if state is not None and done > phase.first:
                    take_up({"optimizer": optimizer}, state, out / LAST)
                for step in range(max(done, phase.first), phase.first + phase.steps):
                    self._step(phase, optimizer, step, log, bar)
                    if (step + 1) % self.config.checkpoint_every == 0 or step + 1 == phase.first + phase.steps:
                        held = {"model": self.model.state_dict(), "optimizer": optimizer.state_dict()}
                        save_checkpoint(out / LAST, settings, {"step": step + 1, **held})
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
        """One step; what it draws is told by its number."""
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
        """Cross-entropy of snippets, active and other ones counting alike."""
        drawn = self._batch(rng)
        logits = self.model.actionness(torch.cat([self.data[one].snippets for one in drawn]))
        wanted = torch.cat([self.active[one] for one in drawn])
        return F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=self.positive)

    def _segment_loss(self, rng: np.random.Generator) -> Tensor | None:
        """L = L_cls + λ₁ L_comp + λ₂ L_reg over the proposals drawn from a batch of stretches; None without any."""
        parts = []
        for one in self._batch(rng):
            drawn = draw(self.pools[one], self.config.sampling, rng)
            if len(drawn.spans):
                spans = torch.from_numpy(drawn.spans).float().to(self.device)
                parts.append(_shares(self.model, self.model(self.data[one].snippets, spans), drawn, spans))
        if not parts:
            return None
        logits, classes, complete, incomplete, places, targets = map(torch.cat, zip(*parts, strict=True))
        activity = F.cross_entropy(logits, classes) if len(classes) else logits.sum()
        completeness = completeness_loss(complete, incomplete, self.config.hard)
        place = regression_loss(places, targets)
        return activity + self.config.completeness_weight * completeness + self.config.regression_weight * place

    def _positive_weight(self) -> Tensor:
        """How much an active snippet counts, so that active and other ones count alike in all."""
        active = sum(float(one.sum()) for one in self.active)
        return torch.tensor((sum(map(len, self.active)) - active + 1) / (active + 1), device=self.device)

    def _standardise_features(self) -> None:
        """Give the model the mean and spread of the snippets' features."""
        snippets = torch.cat([one.snippets for one in self.data]).double()
        self.model.feature_mean.copy_(snippets.mean(0))
        self.model.feature_std.copy_(snippets.std(0, correction=0).clamp(min=1e-4))

    @torch.inference_mode()
    def _propose(self) -> None:
        """Group each stretch's actionness to proposals, and give the model the spread of the ways to true segments."""
        self.model.eval()
        self.pools = []
        for one in self.data:
            actionness = self.model.actionness(one.snippets).sigmoid().double().cpu().numpy()
            proposals = group_actionness(actionness, self.config.grouping)
            self.pools.append(sort_out(proposals, one.truth, one.classes, self.config.sampling))
        if not any(pool.instances for pool in self.pools):
            raise GymQAError("no stretch to train on holds a true segment with a label; check annotation and setting")
        found = [(pool.foreground[pool.instances :], pool.matched[pool.instances :]) for pool in self.pools]
        spans, truth = (torch.from_numpy(np.concatenate(part)).float() for part in zip(*found, strict=True))
        if len(spans) > 1:
            ways = place_targets(spans, truth)
            self.model.place_mean.copy_(ways.mean(0))
            self.model.place_std.copy_(ways.std(0).clamp(min=1e-2))


def _shares(model: Localizer, found: Judgement, drawn: Drawn, spans: Tensor) -> tuple[Tensor, ...]:
    """What one stretch gives to the losses.

    Returns:
        Activity logits and classes of foreground and background, completeness of foreground [F] and of incomplete ones
        [G, M], standardised places of the foreground and what they should be [F, 2].
    """
    front, (groups, size) = len(drawn.classes), drawn.incomplete_classes.shape
    back = front + groups * size
    classes = torch.from_numpy(drawn.classes).to(spans.device)
    parts = torch.from_numpy(drawn.incomplete_classes.reshape(-1)).to(spans.device)
    rows = torch.arange(front, device=spans.device)
    targets = place_targets(spans[:front], torch.from_numpy(drawn.matched).to(spans))
    return (
        torch.cat([found.activity[:front], found.activity[back:]]),
        torch.cat([classes + 1, classes.new_zeros(len(spans) - back)]),
        found.completeness[rows, classes],
        found.completeness[front:back].gather(1, parts[:, None]).view(groups, size),
        found.places[rows, classes],
        (targets - model.place_mean) / model.place_std,
    )
