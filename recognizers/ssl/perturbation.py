"""Temporal perturbations of strong views: reorder, repeat or drop the frames of a clip, by name.

Order: moderate (SeFAR's), reverse, shuffle_all, shuffle_local, warp, half. Speed: drop, uneven. One of several: varied.
Unchanged: none.
A clip's frames are stored element after element; perturbations of the whole clip act on its spans in temporal order.

Sources: SeFAR (arXiv 2501.01245), Tables 4 and 7; SVFormer (arXiv 2211.13222), temporal warping, in the release's
setting; "Learning Representational Invariances" (arXiv 2103.16565) and its release, T-Half (there either half may take
the other's place), T-Drop and varied; TACL (TCSVT'22), uneven, by its abstract.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from gymqa.errors import GymQAError
from gymqa.frames.sampling import spans_of_elements

Perturbation = Callable[[int, Sequence[int], Generator], Tensor]


def perturbed_order(name: str, batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """Source frame of each frame of a perturbed clip: indices [B, N], element after element.

    Raises:
        GymQAError: there is no perturbation of that name.
    """
    if name not in PERTURBATIONS:
        raise GymQAError(f"there is no temporal perturbation {name!r}; choose one of {', '.join(PERTURBATIONS)}")
    return PERTURBATIONS[name](batch, elements, rng)


def _unchanged(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """All frames stay."""
    return torch.arange(sum(elements)).expand(batch, -1)


def _moderate(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """Reverse the order inside every fine-grained element; the context (the last) stays (SeFAR)."""
    parts = list(torch.arange(sum(elements)).split(list(elements)))
    return torch.cat([part.flip(0) for part in parts[:-1]] + parts[-1:]).expand(batch, -1)


def _reverse(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """Reverse the whole clip: span s shows the frame of span N - 1 - s."""
    return spans_to_frames(torch.arange(sum(elements)).flip(0).expand(batch, -1), elements)


def _shuffle_all(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """Shuffle all frames of a clip."""
    return torch.rand(batch, sum(elements), generator=rng).argsort(1)


def _shuffle_local(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """Shuffle the frames inside every element."""
    start, parts = 0, []
    for size in elements:
        parts.append(start + torch.rand(batch, size, generator=rng).argsort(1))
        start += size
    return torch.cat(parts, 1)


def _warp(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """Keep a quarter, half or all of the frames, with equal probability, and stretch them over the clip (SVFormer).

    The kept frames are random; so is the border between two of them up to which the earlier one is repeated.
    """
    n = sum(elements)
    choices = torch.tensor([max(1, n // 4), max(1, n // 2), n])
    kept = choices[torch.randint(3, (batch,), generator=rng)]
    rank = torch.rand(batch, n, generator=rng).argsort(1).argsort(1)
    is_kept = rank < kept.unsqueeze(1)  # [B, N]
    time = torch.arange(n).expand(batch, -1)
    before = time.where(is_kept, -1).cummax(1).values  # the kept frame at or before each span; -1: none
    after = time.where(is_kept, n).flip(1).cummin(1).values.flip(1)  # at or after it; N: none
    fraction = torch.rand(batch, n, generator=rng).gather(1, before.clamp(min=0))  # one for each kept frame
    border = before + 1 + (fraction * (after - before)).floor()
    earlier = (time < border) & (before >= 0) | (after == n)
    return spans_to_frames(before.where(earlier, after), elements)


def _half(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """T-Half: replace the second half of the clip by the first."""
    n = sum(elements)
    return spans_to_frames((torch.arange(n) % ((n + 1) // 2)).expand(batch, -1), elements)


def _drop(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """T-Drop: drop frames, except the first, with probability ½ and repeat the last kept one."""
    n = sum(elements)
    is_kept = torch.rand(batch, n, generator=rng) >= 0.5
    is_kept[:, 0] = True
    return spans_to_frames(torch.arange(n).where(is_kept, 0).cummax(1).values, elements)


def _varied(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """None, T-Half, reversal or T-Drop, with probability ¼ each (Learning Representational Invariances)."""
    kinds = torch.stack([kind(batch, elements, rng) for kind in (_unchanged, _half, _reverse, _drop)])
    return kinds[torch.randint(len(kinds), (batch,), generator=rng), torch.arange(batch)]


def _uneven(batch: int, elements: Sequence[int], rng: Generator) -> Tensor:
    """Forwards at a varying speed: N frames sampled with replacement, in temporal order (TACL)."""
    n = sum(elements)
    return spans_to_frames(torch.randint(n, (batch, n), generator=rng).sort(1).values, elements)


def time_order(elements: Sequence[int]) -> Tensor:
    """Indices [N] of a clip's frames in temporal order."""
    return torch.cat([torch.from_numpy(spans) for spans in spans_of_elements(elements)]).argsort()


def spans_to_frames(source: Tensor, elements: Sequence[int]) -> Tensor:
    """Convert source spans [B, N], one for each span in temporal order, to frame indices, element after element."""
    frame_of_span = time_order(elements)
    return frame_of_span[source[:, frame_of_span.argsort()]]


PERTURBATIONS: dict[str, Perturbation] = {
    "none": _unchanged,
    "moderate": _moderate,
    "reverse": _reverse,
    "shuffle_all": _shuffle_all,
    "shuffle_local": _shuffle_local,
    "warp": _warp,
    "half": _half,
    "drop": _drop,
    "varied": _varied,
    "uneven": _uneven,
}
