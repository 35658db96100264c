"""Networks of gymsim_validity.py, their training and testing: TSN and TRN heads on frozen features, a small CNN.

Both follow FineGym's baselines: TSN averages the segments' scores, TRN (single scale) takes the segments in order.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gymqa.io.console import progress_bar
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.precision import BF16

Head = Literal["tsn", "trn"]
IntArray = NDArray[np.int64]


class SegmentHead(nn.Module):
    """Scores of classes from the features of a clip's segments: [B, n, D] -> [B, C]."""

    def __init__(self, kind: Head, segments: int, dim: int, classes: int, hidden: int = 384) -> None:
        super().__init__()
        self.kind = kind
        width = dim if kind == "tsn" else dim * segments
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(0.4), nn.Linear(hidden, classes)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Average over the segments, or all in one row."""
        if self.kind == "tsn":
            scores: Tensor = self.layers(features).mean(1)
            return scores
        row: Tensor = self.layers(features.flatten(1))
        return row


def train_head(
    kind: Head, features: Tensor, labels: Tensor, lengths: IntArray, segments: int, seed: int, epochs: int = 60
) -> SegmentHead:
    """Train a head with a random frame of each segment; features [N, T, D], of which the first lengths[i] are real."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = SegmentHead(kind, segments, features.shape[-1], int(labels.max()) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    steps = epochs * (len(labels) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    with progress_bar(f"{kind} on {segments} frames, seed {seed}", steps) as bar:
        for batch in _batches(len(labels), 64, epochs, rng):
            at = segment_frames(lengths[batch], segments, rng)
            loss = F.cross_entropy(model(_gather(features, batch, at)), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance()
    return model.eval()


def right(
    model: SegmentHead, features: Tensor, labels: Tensor, lengths: IntArray, order: IntArray
) -> NDArray[np.bool_]:
    """Which clips the head gets right, seeing the segments' middle frames in `order` [N, n]; 0 … n-1 is their own."""
    at = np.take_along_axis(segment_frames(lengths, order.shape[1]), order, axis=1)
    with torch.inference_mode():
        scores = model(_gather(features, np.arange(len(labels)), at))
    return np.asarray((scores.argmax(1) == labels).numpy())


def segment_frames(lengths: IntArray, segments: int, rng: np.random.Generator | None = None) -> IntArray:
    """One frame of each of n equal spans of clips of these lengths [N]: [N, n]; the middle one without `rng`."""
    inside = np.full((len(lengths), segments), 0.5) if rng is None else rng.random((len(lengths), segments))
    places = (np.arange(segments) + inside) * lengths[:, None] / segments
    return np.minimum(places.astype(np.int64), lengths[:, None] - 1)


def _gather(features: Tensor, clips: IntArray, at: IntArray) -> Tensor:
    return features[torch.from_numpy(clips)[:, None], torch.from_numpy(at)].float()


def _batches(count: int, size: int, epochs: int, rng: np.random.Generator) -> Iterator[IntArray]:
    for _ in range(epochs):
        order = rng.permutation(count)
        yield from (order[start : start + size] for start in range(0, count - size + 1, size))


class SmallCNN(nn.Module):
    """TSN with five convolutions and two heads, for element and event; input [B, n, C, S, S]."""

    def __init__(self, channels: int, classes: int, events: int) -> None:
        super().__init__()
        widths = (channels, 24, 48, 96, 96, 192)
        strides = (2, 2, 2, 1, 2)
        self.body = nn.Sequential(
            *(_convolution(a, b, s) for a, b, s in zip(widths, widths[1:], strides, strict=False)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.3),
        )
        self.element, self.event = nn.Linear(widths[-1], classes), nn.Linear(widths[-1], events)

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the elements [B, C] and of the events [B, 4], averaged over the segments."""
        count = segments.shape[1]
        seen = self.body(segments.flatten(0, 1).to(memory_format=torch.channels_last))
        return self.element(seen).unflatten(0, (-1, count)).mean(1), self.event(seen).unflatten(0, (-1, count)).mean(1)


def _convolution(width: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def train_cnn(
    inputs: NDArray[np.uint8], elements: IntArray, events: IntArray, flow: bool, seed: int, epochs: int
) -> SmallCNN:
    """Train from scratch on uint8 segments [N, n, C, S, S]; crops, shifts of brightness (RGB) and mirrored views."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = SmallCNN(inputs.shape[2], int(elements.max()) + 1, int(events.max()) + 1)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size, bf16 = 32, choose_precision("auto", "cpu").name == BF16
    steps = epochs * (len(elements) // size)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.15)
    with progress_bar(f"training on {'flow' if flow else 'RGB'}", steps) as bar:
        for batch in _batches(len(elements), size, epochs, rng):
            views = _augmented(torch.from_numpy(inputs[batch]), flow, rng)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                scores, apparatus = model(views)
            loss = F.cross_entropy(scores.float(), torch.from_numpy(elements[batch]), label_smoothing=0.1)
            loss = loss + F.cross_entropy(apparatus.float(), torch.from_numpy(events[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance(note=f"loss {loss.item():.2f}")
    return model.eval()


def _augmented(clips: Tensor, flow: bool, rng: np.random.Generator) -> Tensor:
    """A random 44-pixel crop, mirrored half of the time: [B, n, C, 48, 48] -> float [B, n, C, 44, 44]."""
    top, left = (int(value) for value in rng.integers(0, 5, 2))
    views = centred(clips)[..., top : top + 44, left : left + 44]
    if rng.random() < 0.5:
        views = views.flip(-1)
        if flow:
            views = torch.cat([-views[:, :, 0::2].unsqueeze(3), views[:, :, 1::2].unsqueeze(3)], 3).flatten(2, 3)
    if not flow:
        shift = torch.from_numpy(rng.normal(0, 0.15, (len(views), 1, 3, 1, 1)).astype(np.float32))
        views = views * float(rng.uniform(0.8, 1.2)) + shift
    return views


def centred(clips: Tensor) -> Tensor:
    """Map bytes to [-1, 1]."""
    return clips.float().sub(128).div(127)


def cnn_right(
    model: SmallCNN, inputs: NDArray[np.uint8], elements: IntArray, events: IntArray
) -> dict[str, list[bool]]:
    """Which clips are right, by head: `element` and `event`."""
    found: dict[str, list[bool]] = {"element": [], "event": []}
    inputs = np.array(inputs)  # a copy that torch may own
    with torch.inference_mode():
        for start in range(0, len(elements), 64):
            part = slice(start, start + 64)
            scores = model(centred(torch.from_numpy(inputs[part]))[..., 2:46, 2:46])
            for name, given, truth in zip(found, scores, (elements, events), strict=True):
                found[name] += (given.argmax(1).numpy() == truth[part]).tolist()
    return found
