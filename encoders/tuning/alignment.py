"""Alignment, the first tuning stage: fit the projector to regress the LLM's word embeddings of each clip's class name.

The optimal prediction for an uncertain clip is the probability-weighted mean of its possible names; tiny-vicuna was
pre-trained to read such blends. It needs no pass through the language model.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from encoders.mllm.projector import Projector
from encoders.tuning.config import AlignmentSettings
from gymqa.io.console import progress_bar

_FOLDS = 5
_SHARPNESS = tuple(2 ** (step / 2) for step in range(13))  # 1 to 64


def pooling_weights(length: int, n: int) -> Tensor:
    """Adaptive average pooling of `length` items into `n`, as a matrix [n, length]."""
    return nn.functional.adaptive_avg_pool1d(torch.eye(length)[None], n)[0].T  # [length, n] -> [n, length]


@torch.no_grad()
def pooled_text_embeddings(
    texts: Sequence[str], table: nn.Module, tokenizer: PreTrainedTokenizerBase, n: int
) -> Tensor:
    """Each text as `n` visual tokens, its word embeddings average-pooled in order: [len(texts), n, D]."""
    rows = []
    for text in texts:
        ids = torch.tensor(tokenizer(text, add_special_tokens=False).input_ids)
        words = table(ids.to(next(table.parameters()).device)).float()  # [L, D]
        rows.append(pooling_weights(len(ids), n).to(words.device) @ words)
    return torch.stack(rows)


def align(
    projector: Projector,
    videos: Tensor,
    labels: Tensor,
    clips: Tensor,
    targets: Tensor,
    settings: AlignmentSettings,
    seed: int,
) -> None:
    """Fit `projector` to map videos [V, N, D_in] to targets[labels], targets [C, N, D].

    `clips` [V] is the index of the clip that each video is a view of.
    """
    if projector.kind not in ("joint", "codebook"):
        _train(projector, videos, labels, targets, settings, seed)
    elif settings.ridge > 0:
        with torch.no_grad():
            _solve(projector, projector.norm(videos).flatten(1), labels, clips, targets, settings)


def _solve(
    projector: Projector, inputs: Tensor, labels: Tensor, clips: Tensor, targets: Tensor, settings: AlignmentSettings
) -> None:
    """Fit a joint projector or a codebook to inputs [V, N * D_in] in closed form (ridge regression)."""
    layer = projector.layers
    assert isinstance(layer, nn.Linear)
    if projector.kind == "joint":
        weight, bias = ridge_regression(inputs, targets[labels].flatten(1), settings.ridge)
    else:
        one_hot = nn.functional.one_hot(labels, len(targets)).to(inputs)
        sharpness = settings.sharpness or cross_validated_sharpness(inputs, labels, clips, one_hot, settings.ridge)
        weight, bias = (sharpness * one for one in ridge_regression(inputs, one_hot, settings.ridge))
        projector.codes.copy_(targets)
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)


def cross_validated_sharpness(inputs: Tensor, labels: Tensor, clips: Tensor, one_hot: Tensor, ridge: float) -> float:
    """The inverse temperature with the least cross-entropy on held-out clips (five-fold cross-validation)."""
    scores = torch.zeros_like(one_hot)
    for fold in range(_FOLDS):
        left_out = clips % _FOLDS == fold
        if left_out.all() or not left_out.any():
            continue
        weight, bias = ridge_regression(inputs[~left_out], one_hot[~left_out], ridge)
        scores[left_out] = inputs[left_out] @ weight.T + bias
    return min(_SHARPNESS, key=lambda factor: float(nn.functional.cross_entropy(factor * scores, labels)))


def ridge_regression(inputs: Tensor, outputs: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Weight [D_out, D_in] and bias [D_out] of a ridge regression [V, D_in] -> [V, D_out].

    The penalty is `ridge` times the mean diagonal of the smaller of the primal and dual Gram matrices.
    """
    kind, inputs, outputs = inputs.dtype, inputs.double(), outputs.double()
    mean_in, mean_out = inputs.mean(0), outputs.mean(0)
    x, y = inputs - mean_in, outputs - mean_out
    dual = len(x) < x.shape[1]
    gram = x @ x.T if dual else x.T @ x
    gram += ridge * gram.diagonal().mean().clamp(min=1e-12) * torch.eye(len(gram)).to(gram)
    weight = x.T @ torch.linalg.solve(gram, y) if dual else torch.linalg.solve(gram, x.T @ y)  # [D_in, D_out]
    return weight.T.to(kind), (mean_out - mean_in @ weight).to(kind)


def _train(
    projector: Projector, videos: Tensor, labels: Tensor, targets: Tensor, settings: AlignmentSettings, seed: int
) -> None:
    """Train `projector` by AdamW to map videos [V, N, D_in] to targets[labels], targets [C, N, D].

    The loss is the squared error in units of the targets' variance; predicting their mean gives 1.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        projector.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=False
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, max(settings.steps, 2))
    scale = (targets - targets.mean(0)).pow(2).mean().clamp(min=1e-12)
    size = min(settings.batch_size, len(videos))
    if settings.steps == 0:
        return
    with progress_bar("aligning the projector", settings.steps) as bar:
        for _ in range(settings.steps):
            rows = torch.randperm(len(videos), generator=generator)[:size]
            video, target = _mixed(videos[rows], targets[labels[rows]], settings.mixing, generator)
            loss = (projector(video, settings.noise) - target).pow(2).mean() / scale
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance(note=f"loss {loss.item():.3f}")


def _mixed(videos: Tensor, targets: Tensor, mixing: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mixup: blend every row with a random other one (Zhang et al. 2018)."""
    if mixing <= 0:
        return videos, targets
    other = torch.randperm(len(videos), generator=generator)
    weights = _beta(mixing, len(videos), generator)[:, None, None].to(videos)
    return torch.lerp(videos[other], videos, weights), torch.lerp(targets[other], targets, weights.to(targets))


def _beta(alpha: float, n: int, generator: torch.Generator) -> Tensor:
    """Sample n times from Beta(alpha, alpha), as a ratio of gammas (torch's Beta takes no generator)."""
    first, second = (torch._standard_gamma(torch.full((n,), alpha), generator=generator) for _ in range(2))
    return first / (first + second).clamp(min=1e-12)
