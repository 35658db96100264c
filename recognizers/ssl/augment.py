"""Weak and strong augmentation of batches of clips (RGB, flow, gradients, skeletons), equal for all frames of a clip.

Weak: random resized crop and horizontal flip (a mirrored element keeps its name). Strong: weak, with RandAugment's
operations, channel dropout, and a temporal perturbation. The crop and all geometric operations are one affine map for
each clip, resampled once.

Flow and temporal gradients get the geometric operations and, in strong views, the temporal perturbation (vectors keep
their signs), but no photometric operations. Flow vectors are transformed with the frame: a mirror flips the sign of x,
rotation and shear act on vectors as on positions. A crop does not rescale them.

Skeletons, [B, N, J, 3] instead of frames, are warped by the same maps. In a strong view, jitter replaces the
photometric operations, and joints are dropped instead of channels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gymqa.frames.modality import Modality, flow_channels, rgb_channels
from recognizers.backbones.image.vit import normalise
from recognizers.ssl.perturbation import perturbed_order
from recognizers.ssl.pose_augment import JITTER, drop_joints, jitter, warp_poses

GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
PHOTOMETRIC = (
    "brightness", "contrast", "colour", "sharpness", "posterize", "solarize", "solarize_add", "invert", "auto_contrast",
)  # fmt: skip
OPERATIONS = GEOMETRIC + PHOTOMETRIC


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of the augmentations.

    Attributes:
        crop_area: smallest and largest fraction of the frame's area that a crop takes.
        crop_ratio: smallest and largest width / height of a crop.
        flip: probability of a horizontal flip.
        operations: RandAugment's n, sampled with replacement, each applied with probability ½.
        magnitude: RandAugment's m, of 10.
        magnitude_std: standard deviation of the magnitude.
        channel_dropout: probability of dropping an RGB channel (or joint) of a strong view.
    """

    crop_area: tuple[float, float] = (0.5, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    operations: int = 5
    magnitude: float = 9.0
    magnitude_std: float = 0.5
    channel_dropout: float = 0.2


def to_model(frames: Tensor, size: int) -> Tensor:
    """Resize whole frames for testing: uint8 [B, N, S', S', C] -> float [B, N, C, size, size] in [-1, 1]."""
    if is_pose(frames):
        return frames.float()
    x = normalise(frames.permute(0, 1, 4, 2, 3))
    if x.shape[-1] == size:
        return x.contiguous()
    return F.interpolate(x.flatten(0, 1), (size, size), mode="bilinear", antialias=True).unflatten(0, x.shape[:2])


def weak_view(frames: Tensor, size: int, config: AugmentConfig, rng: Generator, modality: Modality = "rgb") -> Tensor:
    """Random resized crop and flip: uint8 [B, N, S', S', C] -> float [B, N, C, size, size] in [-1, 1]."""
    crop = _crop(len(frames), config, rng)
    if is_pose(frames):
        return warp_poses(frames, crop)
    return rotate_flow(_sample(frames, crop, size), _mirror(crop), modality)


def strong_view(
    frames: Tensor,
    size: int,
    config: AugmentConfig,
    elements: Sequence[int],
    perturbation: str,
    rng: Generator,
    modality: Modality = "rgb",
) -> Tensor:
    """A strong view: uint8 [B, N, S', S', C], element after element -> float [B, N, C, size, size] in [-1, 1].

    Args:
        frames: the same frames as the weak view's.
        size: side of the view in pixels.
        config: strength of the augmentation.
        elements: frames of each temporal element.
        perturbation: a name in PERTURBATIONS.
        rng: source of all random numbers (on the CPU).
        modality: of the frames; photometric operations apply to RGB channels only.
    """
    batch = len(frames)
    order = perturbed_order(perturbation, batch, elements, rng).to(frames.device)
    frames = frames.gather(1, order.view(*order.shape, *[1] * (frames.ndim - 2)).expand_as(frames))
    drawn = draw_operations(batch, config, rng)
    crop, geometry = _crop(batch, config, rng), _geometry(drawn)
    if is_pose(frames):
        return _strong_pose(warp_poses(frames, crop @ geometry), config, rng)
    x = _sample(frames, crop @ geometry, size)
    rgb = rgb_channels(modality)
    if rgb is not None:
        changed = drop_channels(apply_photometric(x[:, :, rgb], drawn), config.channel_dropout, rng)
        x = changed if modality == "rgb" else torch.cat([changed, x[:, :, rgb.stop :]], 2)
    return rotate_flow(x, _mirror(crop) @ geometry[:, :2, :2], modality)


def is_pose(frames: Tensor) -> bool:
    """Whether these are skeletons [B, N, J, 3] rather than frames of five dimensions."""
    return frames.ndim == 4


def _strong_pose(poses: Tensor, config: AugmentConfig, rng: Generator) -> Tensor:
    """The strong augmentations of skeletons besides time and geometry: jitter and dropped joints."""
    if config.operations:
        poses = jitter(poses, JITTER * config.magnitude / 10, rng)
    return drop_joints(poses, config.channel_dropout, rng)


def _mirror(crop: Tensor) -> Tensor:
    """The mirror part [B, 2, 2] of a crop's maps [B, 3, 3]."""
    return crop[:, :2, :2].sign()


def rotate_flow(x: Tensor, maps: Tensor, modality: Modality) -> Tensor:
    """Transform flow vectors together with their frame: float [B, N, C, S, S] in [-1, 1] -> the same.

    Args:
        x: sampled frames; returned unchanged if there is no flow.
        maps: from directions in the view to those in the source frame, [B, 2, 2].
        modality: of the frames.
    """
    vectors = flow_channels(modality)
    if vectors is None:
        return x
    flow = torch.einsum("bij,bnjhw->bnihw", torch.linalg.inv(maps).to(x.device), x[:, :, vectors]).clamp(-1, 1)
    return torch.cat([x[:, :, : vectors.start], flow, x[:, :, vectors.stop :]], 2)


def _crop(batch: int, config: AugmentConfig, rng: Generator) -> Tensor:
    """Affine maps [B, 3, 3] of random crops and flips, from the view's coordinates (-1…1) to the source frame's."""
    area = _uniform(batch, *config.crop_area, rng)
    ratio = _uniform(batch, math.log(config.crop_ratio[0]), math.log(config.crop_ratio[1]), rng).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    mirrored = torch.rand(batch, generator=rng) < config.flip
    maps = torch.eye(3).repeat(batch, 1, 1)
    maps[:, 0, 0] = torch.where(mirrored, -width, width)
    maps[:, 1, 1] = height
    maps[:, 0, 2] = (1 - width) * _uniform(batch, -1, 1, rng)
    maps[:, 1, 2] = (1 - height) * _uniform(batch, -1, 1, rng)
    return maps


def _sample(frames: Tensor, maps: Tensor, size: int) -> Tensor:
    """Resample each clip by its affine map: uint8 [B, N, S', S', C] -> float [B, N, C, size, size]; grey outside."""
    batch, n, height, width, channels = frames.shape
    pixels = normalise(frames.permute(0, 1, 4, 2, 3)).reshape(batch, n * channels, height, width)
    grid = F.affine_grid(maps[:, :2].to(frames.device), [batch, n * channels, size, size], align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False).view(batch, n, channels, size, size)


def draw_operations(batch: int, config: AugmentConfig, rng: Generator) -> dict[str, Tensor]:
    """Sample RandAugment's operations: for each the strength [B] in [-1, 1], 0 where it is not applied.

    As in `rand-m9-n5-mstd0.5`: n operations with replacement, each applied with probability ½, magnitude normal
    around m. An operation sampled twice is applied once. Equalize is left out (a histogram for each frame costs
    more than all the others).
    """
    choice = torch.randint(len(OPERATIONS), (batch, config.operations), generator=rng)
    applied = torch.rand(batch, config.operations, generator=rng) < 0.5
    count = F.one_hot(choice, len(OPERATIONS)).mul(applied.unsqueeze(-1)).sum(1)  # [B, operations]
    noise = torch.randn(batch, len(OPERATIONS), generator=rng) * config.magnitude_std
    strength = (config.magnitude + noise).clamp(0, 10) / 10
    sign = torch.where(torch.rand(batch, len(OPERATIONS), generator=rng) < 0.5, -1.0, 1.0)
    strength = strength * sign * count.clamp(max=1)
    return dict(zip(OPERATIONS, strength.unbind(1), strict=True))


def _geometry(drawn: dict[str, Tensor]) -> Tensor:
    """The geometric operations as affine maps [B, 3, 3]: up to 30°, shear 0.3, shift 0.45 of the frame."""
    angle = drawn["rotate"] * math.radians(30)
    turn = torch.eye(3).repeat(len(angle), 1, 1)
    turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
    turn[:, 0, 1], turn[:, 1, 0] = -angle.sin(), angle.sin()
    slant = torch.eye(3).repeat(len(angle), 1, 1)
    slant[:, 0, 1], slant[:, 1, 0] = 0.3 * drawn["shear_x"], 0.3 * drawn["shear_y"]
    slant[:, 0, 2], slant[:, 1, 2] = 0.9 * drawn["translate_x"], 0.9 * drawn["translate_y"]  # a frame is 2 wide
    return turn @ slant


def apply_photometric(x: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Apply the photometric operations to the clips that sampled them: float [B, N, 3, S, S] in [-1, 1] -> the same.

    `drawn` lies on the CPU. The order is fixed, so that a batch needs one pass for each operation.
    """
    for name in PHOTOMETRIC:
        rows = drawn[name].nonzero().squeeze(1)  # on the CPU, so that no GPU synchronisation is needed
        if len(rows):
            strength = drawn[name][rows].view(-1, 1, 1, 1, 1).to(x.device)
            rows = rows.to(x.device)
            x = x.index_copy(0, rows, _PHOTOMETRIC_FUNCTIONS[name](x[rows], strength).clamp(-1, 1))
    return x


def _enhance(base: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Blend away from `base` by the factor 1 ± 0.9 · strength, as Pillow's enhancers do."""

    def change(x: Tensor, strength: Tensor) -> Tensor:
        plain = base(x)
        return plain + (x - plain) * (1 + 0.9 * strength)

    return change


def _grey(x: Tensor) -> Tensor:
    """Luma of each pixel, ITU-R 601."""
    weights = x.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (x * weights).sum(2, keepdim=True)


def _blur(x: Tensor) -> Tensor:
    """Mean of the 3 × 3 neighbourhood."""
    return F.avg_pool2d(x.flatten(0, 1), 3, 1, 1, count_include_pad=False).view_as(x)


def _posterize(x: Tensor, strength: Tensor) -> Tensor:
    """Keep 4 bits at strength 0, 1 bit near strength 1, of the 8."""
    levels = 2 ** (4 - (3 * strength.abs()).floor())
    return ((x + 1) / 2 * levels).floor().clamp(max=levels - 1) / (levels - 1) * 2 - 1


def _auto_contrast(x: Tensor, strength: Tensor) -> Tensor:
    """Stretch each channel of a clip to the whole range."""
    low, high = x.amin((1, 3, 4), keepdim=True), x.amax((1, 3, 4), keepdim=True)
    return (x - low) / (high - low).clamp(min=1e-3) * 2 - 1


_PHOTOMETRIC_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": _enhance(lambda x: torch.full_like(x, -1)),
    "contrast": _enhance(lambda x: _grey(x).mean((1, 3, 4), keepdim=True)),
    "colour": _enhance(_grey),
    "sharpness": _enhance(_blur),
    "posterize": _posterize,
    "solarize": lambda x, strength: torch.where(x > 2 * strength.abs() - 1, -x, x),
    "solarize_add": lambda x, strength: torch.where(x < 0, x + strength.abs() * 0.86, x),  # 110 of 255 levels
    "invert": lambda x, strength: -x,
    "auto_contrast": _auto_contrast,
}


def drop_channels(x: Tensor, probability: float, rng: Generator) -> Tensor:
    """Drop whole RGB channels of a clip, scaling the others up as dropout does: [B, N, 3, S, S]."""
    if probability == 0:
        return x
    kept = torch.rand(len(x), 1, 3, 1, 1, generator=rng) >= probability
    return x * (kept / (1 - probability)).to(x.device)


def _uniform(batch: int, low: float, high: float, rng: Generator) -> Tensor:
    """Uniform random numbers [B] in [low, high)."""
    return low + (high - low) * torch.rand(batch, generator=rng)
