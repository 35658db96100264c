"""Image ViT, its config, and the layers that it shares with TimeSformer (attention, MLP, patch embedding).

Parameter names follow timm's (`blocks.0.attn.qkv.weight`, …), so that one loader reads ours and ImageNet weights.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.typed_json import read_object, require_buildable
from recognizers.weights_io.tensors import read_weights, require_same_shapes, save_model

SHIPPED = Path(__file__).resolve().parents[2] / "weights" / "frame_vit"


def normalise(frames: Tensor) -> Tensor:
    """Pixels 0…255 (any dtype) to float in [-1, 1], the input range of all models."""
    return frames.float().mul(2 / 255).sub(1)


class Attention(nn.Module):
    """Multi-head self-attention: softmax(q kᵀ / √d) v, over the last but one dimension."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        batch, length, dim = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        if x.device.type == "cpu" and q.requires_grad:
            # measured on a CPU: the backward pass of scaled_dot_product_attention is slower, most of all in bf16
            scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # [B, h, L, L]
            mixed = scores.softmax(-1).to(v.dtype) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, length, dim))
        return out

    def of_first(self, x: Tensor) -> Tensor:
        """The first token's row of `forward`, without computing the others: [B, L, D] -> [B, D]."""
        batch, length, dim = x.shape
        split = self.heads, dim // self.heads
        weight, bias = self.qkv.weight, self.qkv.bias
        q = F.linear(x[:, 0], weight[:dim], bias[:dim]).view(batch, 1, *split)
        k, v = F.linear(x, weight[dim:], bias[dim:]).view(batch, length, 2, *split).unbind(2)  # [B, L, h, d]
        weights = ((q * split[1] ** -0.5) * k).sum(-1).softmax(1).to(v.dtype)  # [B, L, h]
        out: Tensor = self.proj((weights.unsqueeze(-1) * v).sum(1).flatten(1))
        return out


class Mlp(nn.Module):
    """fc2(GELU(fc1(x)))."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[…, D] -> […, D]."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class PatchEmbed(nn.Conv2d):
    """Non-overlapping patches to tokens: [B, C, H, W] -> [B, P, D], row by row.

    Parameters of a convolution; computed as one matrix product, which is faster on a CPU.
    """

    def __init__(self, patch_size: int, dim: int, channels: int = 3) -> None:
        super().__init__(channels, dim, patch_size, patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, P, D]."""
        batch, channels, height, width = x.shape
        p = self.kernel_size[0]
        x = x.view(batch, channels, height // p, p, width // p, p).permute(0, 2, 4, 1, 3, 5)
        return F.linear(x.reshape(batch, -1, channels * p * p), self.weight.flatten(1), self.bias)  # [B, P, D]


class Block(nn.Module):
    """Pre-norm transformer block: x + attn(norm1(x)), then x + mlp(norm2(x))."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


@dataclass(frozen=True)
class ViTConfig:
    """Config of a vision transformer; `image_size` and `patch_size` in pixels."""

    image_size: int = 48
    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4

    @property
    def patches(self) -> int:
        """Patches of one image."""
        return (self.image_size // self.patch_size) ** 2

    def __post_init__(self) -> None:
        if min(self.image_size, self.patch_size, self.dim, self.depth, self.heads) < 1:
            raise GymQAError(f"{self}: sizes are at least 1")
        if self.image_size % self.patch_size:
            raise GymQAError(f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        if self.dim % self.heads:
            raise GymQAError(f"dim {self.dim} is no multiple of heads {self.heads}")


class ImageViT(nn.Module):
    """Image ViT without a head; outputs the CLS token, then the patches row by row, after the last norm."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config.patch_size, config.dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.patches, config.dim))
        self.blocks = nn.ModuleList(Block(config.dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] in [-1, 1] -> [B, 1 + P, D]."""
        x = self.patch_embed(images)  # [B, P, D]
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed  # [B, 1 + P, D]
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
        save_model(self, folder, asdict(self.config))


def initialise(model: nn.Module) -> None:
    """Truncated normal (std 0.02) for linear weights, CLS and position embeddings; zeros for biases."""
    for name, parameter in model.named_parameters():
        if name.endswith(("cls_token", "pos_embed")) or (name.endswith("weight") and parameter.ndim > 1):
            nn.init.trunc_normal_(parameter, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


def load_image_vit(folder: Path | None = None) -> ImageViT:
    """Load an ImageViT saved with `save_pretrained`; None takes the one shipped with the package.

    Raises:
        GymQAError: the folder lacks a file, or its weights do not fit its configuration.
    """
    folder = SHIPPED if folder is None else folder
    try:
        values = read_object(folder / "config.json")
        require_buildable(folder / "config.json", values)
        config, weights = ViTConfig(**{one.name: values[one.name] for one in fields(ViTConfig)}), read_weights(folder)
        with torch.device("meta"):
            require_same_shapes(ImageViT(config), weights, folder)
        model = ImageViT(config)
        model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except (RuntimeError, KeyError, TypeError) as error:
        raise GymQAError(f"{folder} does not hold an ImageViT ({error}); save it again with save_pretrained") from error
    return model.eval()
