"""TimeSformer (divided space-time ViT) over the temporal elements of a clip, all elements in one pass.

Each element is processed like a clip of its own: time attention stays inside it, and its CLS token is averaged over
its frames. Everything else works on single tokens or single frames, so the elements of a batch share each matrix
product; the result equals one pass for each element.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import groupby
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.image.vit import Attention, Block, Mlp, PatchEmbed, ViTConfig, initialise

WRITTEN_OUT = 8  # frames of an element up to which time attention is written out on a CPU
ROWS = 65_535  # most sequences of CUDA's fused attention kernel, a limit of its grid (pytorch issue 142228)

_EMBEDDINGS = ("patch_embed.", "cls_token", "pos_embed", "time_embed")


class ElementLayout:
    """Layout of the elements' frames among a clip's N frames; expands and averages over them.

    Args:
        elements: frames of each element.
    """

    def __init__(self, elements: Sequence[int]) -> None:
        self.elements = tuple(elements)
        self.frames = sum(elements)
        self.runs: list[
            tuple[int, int, int]
        ] = []  # (first frame, elements, frames an element) of runs of equally long elements
        first = 0
        for size, group in groupby(elements):
            count = len(list(group))
            self.runs.append((first, count, size))
            first += count * size

    def expand(self, per_element: Tensor) -> Tensor:
        """Repeat each element's values for each of its frames: [B, k, …] -> [B, N, …]."""
        index = [i for i, size in enumerate(self.elements) for _ in range(size)]
        return per_element[:, index]

    def mean(self, per_frame: Tensor) -> Tensor:
        """Average over each element's frames: [B, N, D] -> [B, k, D]."""
        parts = []
        for first, count, size in self.runs:
            run = per_frame[:, first : first + count * size]
            parts.append(run.unflatten(1, (count, size)).mean(2))
        return torch.cat(parts, 1)


class TimeAttention(Attention):
    """Self-attention over the frames of one element at one patch position."""

    def over(self, x: Tensor, layout: ElementLayout, after: nn.Linear) -> Tensor:
        """Attend, then apply the linear layer `after`: [B, N, P, D] -> [B, N, P, D].

        The output projection and `after` are merged into one matrix before they are applied.
        """
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(3)  # each [B, N, P, h, d]
        parts = []
        for first, count, size in layout.runs:
            run = slice(first, first + count * size)
            parts.append(_attend_frames(q[:, run], k[:, run], v[:, run], count, size))
        bias = F.linear(self.proj.bias, after.weight, after.bias)
        return F.linear(torch.cat(parts, 1).flatten(3), after.weight @ self.proj.weight, bias)


def _attend_frames(q: Tensor, k: Tensor, v: Tensor, count: int, size: int) -> Tensor:
    """Attention within `count` elements of `size` frames each: [B, count · size, P, h, d] -> the same shape.

    On a CPU, attention over a few frames is written out: the fused kernel and batched matrix products of so few rows
    were measured to be slower, forward and backward.
    """
    q, k, v = (x.unflatten(1, (count, size)) for x in (q, k, v))  # [B, e, n, P, h, d]
    if q.device.type == "cpu" and size <= WRITTEN_OUT:
        scores = torch.stack([(q * k[:, :, j : j + 1]).sum(-1) for j in range(size)], -1) * q.shape[-1] ** -0.5
        weights = scores.softmax(-1).to(v.dtype)  # [B, e, n, P, h, n]
        parts = [weights[..., j, None] * v[:, :, j : j + 1] for j in range(size)]
        return reduce(torch.add, parts).flatten(1, 2)
    q, k, v = (x.movedim(2, 4) for x in (q, k, v))  # [B, e, P, h, n, d]
    flat = [x.flatten(0, 2).split(ROWS) for x in (q, k, v)]  # the fused kernels take four dimensions
    parts = [F.scaled_dot_product_attention(*part) for part in zip(*flat, strict=True)]
    mixed = (torch.cat(parts) if len(parts) > 1 else parts[0]).view_as(q)
    return mixed.movedim(4, 2).flatten(1, 2)


class DividedBlock(nn.Module):
    """Time attention and its linear layer, space attention with the CLS averaged over frames, MLP; all pre-norm.

    Args:
        dim: width.
        heads: attention heads.
        drop_path: probability of dropping a residual branch for one element of one clip in training.
    """

    def __init__(self, dim: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.temporal_norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.temporal_attn = TimeAttention(dim, heads)
        self.temporal_fc = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, cls: Tensor, patches: Tensor, layout: ElementLayout) -> tuple[Tensor, Tensor]:
        """CLS [B, k, D], one an element, or [B, N, D], one a frame, and patches [B, N, P, D] -> the same shapes."""
        batch, frames, positions, dim = patches.shape
        keep = self._draw(patches, len(layout.elements))  # [B, k] each
        patches, tokens = self._over_time(cls, patches, keep[0], layout)
        space = self.attn(tokens.flatten(0, 1)).view(batch, frames, 1 + positions, dim)
        space = _kept(space, keep[1], layout)
        patches = patches + space[:, :, 1:]
        # two calls: concatenating and splitting costs more than a second, small matrix product
        cls = self._update_cls(cls, space[:, :, 0], keep[2], layout)
        patches = patches + _kept(self.mlp(self.norm2(patches)), keep[2], layout)
        return cls, patches

    def last_cls(self, cls: Tensor, patches: Tensor, layout: ElementLayout) -> Tensor:
        """The CLS tokens of `forward`, without the patches' rows that only a further block would read."""
        keep = self._draw(patches, len(layout.elements))
        _, tokens = self._over_time(cls, patches, keep[0], layout)
        space = self.attn.of_first(tokens.flatten(0, 1)).view(*patches.shape[:2], 1, -1)  # [B, N, 1, D]
        return self._update_cls(cls, _kept(space, keep[1], layout)[:, :, 0], keep[2], layout)

    def _over_time(
        self, cls: Tensor, patches: Tensor, keep: Tensor | None, layout: ElementLayout
    ) -> tuple[Tensor, Tensor]:
        """Patches after time attention, and the normalised tokens of each frame [B, N, 1 + P, D], its CLS first."""
        if not self._time_is_silent():
            time = self.temporal_attn.over(self.temporal_norm1(patches), layout, self.temporal_fc)
            patches = patches + _kept(time, keep, layout)
        of_frames = cls if cls.shape[1] == layout.frames else layout.expand(cls)
        return patches, self.norm1(torch.cat([of_frames.unsqueeze(2), patches], 2))

    def _time_is_silent(self) -> bool:
        """Whether time attention adds zero: its output layer is frozen at the zeros it starts from."""
        weight, bias = self.temporal_fc.weight, self.temporal_fc.bias
        trained_or_traced = weight.requires_grad or weight.is_meta or torch.compiler.is_compiling()
        return not (trained_or_traced or weight.any() or bias.any())

    def _update_cls(self, cls: Tensor, space: Tensor, keep: Tensor | None, layout: ElementLayout) -> Tensor:
        """CLS tokens after space attention, whose rows `space` [B, N, D] are averaged over an element, and the MLP."""
        per_frame = cls.shape[1] == layout.frames
        cls = cls + (space if per_frame else layout.mean(space))
        keep = layout.expand(keep) if per_frame and keep is not None else keep
        return cls + _kept(self.mlp(self.norm2(cls)), keep)

    def _draw(self, like: Tensor, elements: int) -> list[Tensor | None]:
        """Drop-path factors [B, k] of the three branches: 0, or 1 / P(kept); None keeps all."""
        if not self.training or self.drop_path == 0:
            return [None, None, None]
        kept = 1 - self.drop_path
        return list(torch.rand(3, len(like), elements, device=like.device).lt(kept).to(like.dtype).div(kept))


def _kept(branch: Tensor, factor: Tensor | None, layout: ElementLayout | None = None) -> Tensor:
    """Scale a branch [B, k, D] or (with a layout) [B, N, P, D] by its elements' factors [B, k]."""
    if factor is None:
        return branch
    if layout is None:
        return branch * factor.unsqueeze(-1)
    return branch * layout.expand(factor)[..., None, None]


class TimeSformer(nn.Module):
    """Divided space-time ViT shared by all elements of a clip: frames to one CLS feature an element.

    Args:
        config: of the ViT.
        elements: frames of each temporal element.
        drop_path: of the last block; grows linearly from 0 at the first.
        time_embed_std: std of the initial time embeddings, one for each frame of each element. The original
            initialises them to 0, which makes all frame orders equal at first; short runs need a non-zero start.
        time_blocks: 0 in the paper. Otherwise every frame keeps its own CLS token, and this number of transformer
            blocks attends over those of one element before they are averaged; easier to learn in short runs (400
            steps) than attention over single patches.
        frozen_blocks: number of first blocks that are frozen, with the embeddings before them, and see single frames
            only; they cost a third of a trained block.
        channels: C.
    """

    def __init__(
        self,
        config: ViTConfig,
        elements: Sequence[int],
        drop_path: float,
        time_embed_std: float,
        time_blocks: int = 0,
        frozen_blocks: int = 0,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.frozen_blocks, self.timed, self.heads = frozen_blocks, time_blocks > 0, config.heads
        self.keeps_patches = False  # True for who reads the last block's patches, by a hook; the features need none
        self.layout = ElementLayout(elements)
        dim = config.dim
        self.patch_embed = PatchEmbed(config.patch_size, dim, channels)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.patches, dim))
        self.time_embed = nn.Parameter(torch.zeros(1, self.layout.frames, dim))
        rates = [drop_path * i / max(1, config.depth - 1) for i in range(config.depth)]
        self.blocks = nn.ModuleList(DividedBlock(dim, config.heads, rate) for rate in rates)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        initialise(self)
        nn.init.normal_(self.time_embed, std=time_embed_std)
        for block in list(self.blocks)[0 if frozen_blocks else 1 :]:
            nn.init.zeros_(block.get_submodule("temporal_fc").get_parameter("weight"))
        if time_blocks:
            self.frame_embed = nn.Parameter(0.3 * torch.randn(1, self.layout.frames, dim))
            self.time_blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(time_blocks))
            for parameter in self.time_blocks.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)
            self.time_norm = nn.LayerNorm(dim, eps=1e-6)
        if frozen_blocks:
            nn.init.zeros_(self.time_embed)  # random values would be noise to frozen blocks
            for name, parameter in self.named_parameters():
                early = name.startswith(tuple(f"blocks.{i}." for i in range(frozen_blocks)))
                parameter.requires_grad_(not early and not name.startswith(_EMBEDDINGS))

    def forward(self, frames: Tensor) -> Tensor:
        """Frames [B, N, C, S, S] in [-1, 1], element after element -> one feature an element [B, k, D]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen_blocks):
            cls, patches = self._embed(frames)
            for block in self.blocks[: self.frozen_blocks]:
                cls, patches = block(cls, patches, self.layout)
        trained = list(self.blocks)[self.frozen_blocks :]
        for place, block in enumerate(trained, 1):
            if place == len(trained) and not self.keeps_patches:
                cls = cast(DividedBlock, block).last_cls(cls, patches, self.layout)
            else:
                cls, patches = block(cls, patches, self.layout)
        features: Tensor = self.norm(cls)
        return self._compare_frames(features) if self.timed else features

    def _embed(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """CLS tokens [B, k, D], one an element ([B, N, D], one a frame, with time blocks), and patches [B, N, P, D]."""
        batch, n_frames = frames.shape[:2]
        patches = self.patch_embed(frames.flatten(0, 1)).unflatten(0, (batch, n_frames))  # [B, N, P, D]
        patches = patches + self.pos_embed[:, 1:].unsqueeze(1) + self.time_embed.unsqueeze(2)
        tokens = self.layout.frames if self.timed else len(self.layout.elements)
        return (self.cls_token + self.pos_embed[:, :1]).expand(batch, tokens, -1), patches

    def _compare_frames(self, frames: Tensor) -> Tensor:
        """Each frame's feature [B, N, D] -> one an element [B, k, D], after attention among the element's frames."""
        frames = frames + self.frame_embed
        parts = []
        for first, count, size in self.layout.runs:
            run = frames[:, first : first + count * size].reshape(-1, size, frames.shape[-1])  # [B e, n, D]
            for block in self.time_blocks:
                run = block(run)
            parts.append(self.time_norm(run).mean(1).view(len(frames), count, -1))
        return torch.cat(parts, 1)
