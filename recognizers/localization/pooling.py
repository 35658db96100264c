"""Structured temporal pyramid pooling: what comes before a proposal, its course in two levels, what comes after.

Source: Zhao et al. (ICCV'17), section 3.2. A proposal [s, e] of length d is seen as start [s − d/2, s], course [s, e]
and end [e, e + d/2]; the course as a whole and in halves. Where the paper averages 9 sampled snippets, all of them are
averaged here, for features are computed once: a mean over any span is two places of a running sum.
"""

import torch
from torch import Tensor

PARTS = 5  # start, course, its halves, end
COURSE = 1


def running_sum(snippets: Tensor) -> Tensor:
    """[T, D] -> float64 [T + 1, D], whose row t is the sum of the first t rows."""
    return torch.cat([snippets.new_zeros(1, snippets.shape[1]), snippets]).double().cumsum(0)


def span_means(summed: Tensor, spans: Tensor) -> Tensor:
    """Mean over each span, a snippet that lies in it partly counting partly: [P, 2] -> float32 [P, D].

    What lies outside the video counts as zero, as in the released code, which scales by the share that lies inside.

    Args:
        summed: `running_sum` of the snippets.
        spans: starts and ends in snippets, of any length.
    """
    places = spans.double().clamp(0, len(summed) - 1)
    low = places.floor().long().clamp(max=len(summed) - 2)  # [P, 2]
    at = summed[low] + (places - low).unsqueeze(-1) * (summed[low + 1] - summed[low])  # [P, 2, D]
    lengths = (spans[:, 1:] - spans[:, :1]).double().clamp(min=1e-6)
    return ((at[:, 1] - at[:, 0]) / lengths).float()


def pyramid(snippets: Tensor, spans: Tensor) -> Tensor:
    """Features of proposals: snippets [T, D], spans [P, 2] in snippets -> [P, PARTS, D]."""
    start, end = spans[:, 0], spans[:, 1]
    half = (end - start) / 2
    bounds = [(start - half, start), (start, end), (start, start + half), (start + half, end), (end, end + half)]
    parts = torch.stack([torch.stack(one, -1) for one in bounds], 1)  # [P, PARTS, 2]
    return span_means(running_sum(snippets), parts.flatten(0, 1)).unflatten(0, (len(spans), PARTS))
