"""Reference implementation of SeFAR's semi-supervised step, written straight from the paper, for bench_ssl_step.py.

One forward pass for each element and view, K whole teacher passes, explicit attention, float32 throughout, and loops
over tensors in the optimizer and the teacher's average. Only the random numbers (views, mixing plan) and the parameter
names are shared with the real step, so that both get the same inputs.

Source: SeFAR (AAAI'25, arXiv 2501.01245); TimeSformer (arXiv 2102.05095) for the block.
"""

import copy
import math
from itertools import combinations
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from recognizers.backbones.sefar import SeFARConfig
from recognizers.config import TrainConfig
from recognizers.loader import StepClips
from recognizers.ssl.augment import strong_view, weak_view
from recognizers.ssl.mixing import MixPlan, draw_mix


class Attention(nn.Module):
    """softmax(q kᵀ / √d) v for sequences [B, L, D]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)  # [B, h, L, L]
        out: Tensor = self.proj((weights @ v).transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """fc2(GELU(fc1(x)))."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[…, D] -> […, D]."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Divided space-time block over one element."""

    def __init__(self, dim: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.temporal_norm1, self.norm1, self.norm2 = (nn.LayerNorm(dim, eps=1e-6) for _ in range(3))
        self.temporal_attn, self.attn = Attention(dim, heads), Attention(dim, heads)
        self.temporal_fc = nn.Linear(dim, dim)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """[B, 1 + P n, D], the CLS token first, then the n frames of each patch position -> the same shape."""
        batch, _, dim = x.shape
        cls, patches = x[:, :1], x[:, 1:]
        time = self.temporal_norm1(patches).reshape(-1, frames, dim)  # [B P, n, D]
        time = self.temporal_fc(self.temporal_attn(time))
        patches = patches + self._drop(time.reshape(batch, -1, dim))
        places = patches.unflatten(1, (-1, frames)).transpose(1, 2).flatten(0, 1)  # [B n, P, D]
        tokens = torch.cat([cls.repeat_interleave(frames, 0), places], 1)  # [B n, 1 + P, D]
        space = self.attn(self.norm1(tokens)).unflatten(0, (batch, frames))  # [B, n, 1 + P, D]
        branch = torch.cat([space[:, :, 0].mean(1, keepdim=True), space[:, :, 1:].transpose(1, 2).flatten(1, 2)], 1)
        x = torch.cat([cls, patches], 1) + self._drop(branch)
        return x + self._drop(self.mlp(self.norm2(x)))

    def _drop(self, branch: Tensor) -> Tensor:
        """Drop-path: leave a sample's branch out."""
        if not self.training or self.drop_path == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop_path
        return branch * kept / (1 - self.drop_path)


class Backbone(nn.Module):
    """One element's frames [B, n, 3, S, S] to its CLS feature [B, D]."""

    def __init__(self, config: SeFARConfig) -> None:
        super().__init__()
        dim, rates = config.dim, [config.drop_path * i / max(1, config.depth - 1) for i in range(config.depth)]
        self.patch_embed = nn.Conv2d(3, dim, config.patch_size, config.patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.vit.patches, dim))
        self.time_embed = nn.Parameter(torch.zeros(1, config.frames, dim))
        self.blocks = nn.ModuleList(Block(dim, config.heads, rate) for rate in rates)
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, frames: Tensor, first: int) -> Tensor:
        """Frames of the element whose first one is the clip's frame `first`."""
        batch, n = frames.shape[:2]
        patches = self.patch_embed(frames.flatten(0, 1)).flatten(2).transpose(1, 2)  # [B n, P, D]
        patches = (patches + self.pos_embed[:, 1:]).unflatten(0, (batch, n)).transpose(1, 2)  # [B, P, n, D]
        patches = (patches + self.time_embed[:, first : first + n]).flatten(1, 2)
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(batch, -1, -1), patches], 1)
        for block in self.blocks:
            x = block(x, n)
        out: Tensor = self.norm(x[:, 0])
        return out


class Projection(nn.Module):
    """LN(GELU(W x))."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(d_in, d_out), nn.LayerNorm(d_out)

    def forward(self, x: Tensor) -> Tensor:
        """[…, d_in] -> […, d_out]."""
        out: Tensor = self.norm(F.gelu(self.linear(x)))
        return out


class Fusion(nn.Module):
    """g = LN(GELU(W2 [p_12; p_13; …; s_1; s_2; …])) of the elements' features."""

    def __init__(self, config: SeFARConfig) -> None:
        super().__init__()
        width, k = config.fusion_dim, len(config.elements)
        self.single, self.pair = Projection(config.dim, width), Projection(2 * config.dim, width)
        self.joint = Projection((k + k * (k - 1) // 2) * width, width)

    def forward(self, features: list[Tensor]) -> Tensor:
        """One [B, D] an element -> [B, F]."""
        pairs = [self.pair(torch.cat(both, -1)) for both in combinations(features, 2)]
        out: Tensor = self.joint(torch.cat([*pairs, *map(self.single, features)], -1))
        return out


class ReferenceSeFAR(nn.Module):
    """Clips [B, N, 3, S, S] to logits [B, C]; two elements or more, and the paper's network only.

    Takes the state of a `recognizers.backbones.sefar.SeFAR`.
    """

    def __init__(self, config: SeFARConfig) -> None:
        super().__init__()
        self.elements = config.elements
        self.backbone, self.fusion = Backbone(config), Fusion(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.fusion_dim, config.n_classes)

    def forward(self, frames: Tensor) -> Tensor:
        """[B, N, 3, S, S] -> [B, C]."""
        features, first = [], 0
        for size in self.elements:
            features.append(self.backbone(frames[:, first : first + size], first))
            first += size
        out: Tensor = self.head(self.dropout(self.fusion(features)))
        return out


class Step(NamedTuple):
    """Results of one step.

    logits [B_l + 2 B_u, C]: of the labelled, the strong and the mixed views; probabilities: p̄ [B_u, C];
    classes [B_u]; weights: η [B_u]; loss: a scalar.
    """

    logits: Tensor
    probabilities: Tensor
    classes: Tensor
    weights: Tensor
    loss: Tensor


class ReferenceTrainer:
    """Student, teacher and SGD with momentum 0.9.

    Args:
        config: a SeFAR run's settings; precision and other speed settings are ignored.
        student: initial weights, whose device is used.
        teacher: initial weights.
    """

    def __init__(self, config: TrainConfig, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> None:
        self.config = config
        assert isinstance(config.model, SeFARConfig)
        self.student = ReferenceSeFAR(config.model).to(student["head.weight"].device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.student.load_state_dict(student)
        self.teacher.load_state_dict(teacher)
        self.momentum = {name: torch.zeros_like(value) for name, value in self.student.named_parameters()}

    def train_step(self, clips: StepClips, xi: float, decay: float, rng: Generator) -> Step:
        """One whole step.

        Args:
            clips: labelled and unlabelled.
            xi: ξ.
            decay: of the teacher.
            rng: draws views and mixing, in the order of the real step.
        """
        found = self._learn(clips, xi, rng)
        self._update(decay)
        return found

    def _learn(self, clips: StepClips, xi: float, rng: Generator) -> Step:
        """Forward and backward: L = L_sup + ξ (2 L_un + 2 L_mix); the gradients stay in the student."""
        if clips.unlabelled is None:
            raise ValueError("the reference step needs unlabelled clips")
        config, algorithm, elements = self.config, self.config.algorithm, self.config.model.elements
        size, frames = config.model.image_size, clips.unlabelled.frames
        weak = weak_view(frames, size, config.augment, rng)
        probabilities, classes, weights = self._pseudo_label(weak)
        strong = strong_view(frames, size, config.augment, elements, algorithm.perturbation, rng)
        plan = draw_mix(len(strong), len(elements), config.model.mix_side**2, algorithm.mix_alpha, rng)
        mixed = _mix(strong, plan, elements, config.model.image_size // config.model.mix_side)
        labelled = weak_view(clips.labelled.frames, size, config.augment, rng)
        self.student.train()
        logits = [self.student(view) for view in (labelled, strong, mixed)]
        fraction, partner = plan.fraction.to(weak.device), plan.partner.to(weak.device)
        targets = fraction[:, None] * probabilities + (1 - fraction[:, None]) * probabilities[partner]
        mixed_weights = fraction * weights + (1 - fraction) * weights[partner]
        supervised = F.cross_entropy(logits[0], clips.labelled.labels)
        unlabelled = (weights * F.cross_entropy(logits[1], classes, reduction="none")).mean()
        mixing = (mixed_weights * ((logits[2].softmax(-1) - targets) ** 2).sum(-1)).mean()
        loss = supervised + xi * (algorithm.unlabelled_weight * unlabelled + algorithm.mix_weight * mixing)
        loss.backward()  # type: ignore[no-untyped-call]
        return Step(torch.cat(logits).detach(), probabilities, classes, weights, loss.detach())

    @torch.no_grad()
    def _pseudo_label(self, weak: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """K whole passes with the head's dropout on: p̄ [B, C], c [B] and η [B]."""
        self.teacher.eval()
        self.teacher.dropout.train()
        passes = torch.stack([self.teacher(weak).softmax(-1) for _ in range(self.config.algorithm.passes)])
        mean = passes.mean(0)
        confidence, classes = mean.max(-1)
        spread = torch.stack([passes[:, i, c] for i, c in enumerate(classes)], 1).std(0)
        confident = 2 * torch.sigmoid(confidence.exp() - math.e)
        return mean, classes, confident * 2 * (torch.sigmoid(1 / (20 * spread)) - 0.5)

    @torch.no_grad()
    def _update(self, decay: float) -> None:
        """SGD, the weights of matrices decaying; then teacher ← decay · teacher + (1 − decay) · student."""
        for name, parameter in self.student.named_parameters():
            if parameter.grad is None:
                continue
            gradient = parameter.grad
            if parameter.ndim > 1 and not name.endswith(("_embed", "_token")):
                gradient = gradient + self.config.weight_decay * parameter
            self.momentum[name] = 0.9 * self.momentum[name] + gradient
            parameter.sub_(self.config.learning_rate * self.momentum[name])
            parameter.grad = None
        for own, other in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            own.copy_(decay * own + (1 - decay) * other)


def _mix(frames: Tensor, plan: MixPlan, elements: tuple[int, ...], patch: int) -> Tensor:
    """TokenMix, clip by clip and element by element: [B, N, 3, S, S] -> the same shape."""
    mixed, side = frames.clone(), frames.shape[-1] // patch
    for i, partner in enumerate(plan.partner.tolist()):
        first = 0
        for element, size in enumerate(elements):
            own = plan.mask[i, element].view(side, side).repeat_interleave(patch, 0).repeat_interleave(patch, 1)
            span = slice(first, first + size)
            mixed[i, span] = torch.where(own.to(frames.device), frames[i, span], frames[partner, span])
            first += size
    return mixed
