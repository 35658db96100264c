"""Pre-training of the shipped frame ViT: joint, facing and apparatus prediction on single rendered GymSim frames.

No element labels and no second frame. The apparatus is a target since a network trained on joints ignores the beam.
"""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.io.console import progress_bar
from gymqa.io.files import write_text
from gymqa.runtime.runs import environment
from gymqa.runtime.workers import deaths_reported, end_with_parent, worker_count
from gymqa.sim.elements import EVENTS
from gymqa.sim.skeleton import JOINTS
from gymqa.sim.stills import TARGETS, Stills, sample_stills
from recognizers.backbones.image.vit import ImageViT, ViTConfig, normalise
from recognizers.training.checkpoint import load_checkpoint, save_checkpoint

APPARATUS_WEIGHT = 0.1  # brings its cross-entropy to the size of the pose losses


@dataclass(frozen=True)
class FramePretrainingConfig:
    """Settings of the frame pre-training.

    Attributes:
        scenes: rendered random athletes; `frames_each` single frames are kept of each.
        free_poses: fraction of scenes with random poses instead of performed elements.
        held_out_scenes: further athletes for the reported metrics.
        steps: optimiser steps of `batch_size` frames.
        learning_rate: peak of AdamW's one-cycle schedule.
    """

    vit: ViTConfig = field(default_factory=lambda: ViTConfig(image_size=48, patch_size=8))
    scenes: int = 40_000
    frames_each: int = 4
    free_poses: float = 0.4
    held_out_scenes: int = 500
    steps: int = 8_000
    batch_size: int = 128
    learning_rate: float = 1e-3
    workers: int = 2
    seed: int = 0


class PoseRegressor(nn.Module):
    """The ViT with linear heads for joints, facing and apparatus, used in pre-training only.

    CLS token and mean patch token each regress all targets; every patch token predicts the joints in or near its patch.
    This local task is learned first and helps the others.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.vit = ImageViT(config)
        self.from_cls, self.from_patches = nn.Linear(config.dim, TARGETS), nn.Linear(config.dim, TARGETS)
        self.joints_near = nn.Linear(config.dim, len(JOINTS))
        self.apparatus = nn.Linear(config.dim, len(EVENTS))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images [B, 3, S, S] -> targets [B, 51] twice (see `Stills`), joint logits [B, P, 15], apparatus [B, 4]."""
        tokens = self.vit(images)  # [B, 1 + P, D]
        patches = tokens[:, 1:]
        return (
            self.from_cls(tokens[:, 0]),
            self.from_patches(patches.mean(1)),
            self.joints_near(patches),
            self.apparatus(tokens[:, 0]),
        )


def joint_heatmaps(targets: Tensor, config: ViTConfig) -> Tensor:
    """Heatmaps of the joints over the patches, a Gaussian of half a patch: [B, 51] -> [B, P, 15]."""
    side = config.image_size // config.patch_size
    centres = (torch.arange(side) + 0.5) / side - 0.5
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="ij")[::-1], -1).view(-1, 1, 2)  # [P, 1, (x, y)]
    distance = (targets[:, :30].view(-1, 1, len(JOINTS), 2) - grid).norm(dim=-1) * side  # [B, P, 15] in patches
    return torch.exp(-2 * distance**2)


def render_stills(config: FramePretrainingConfig, scenes: int, stream: int, free_poses: float) -> Stills:
    """Render single frames of `scenes` athletes in worker processes; `stream` separates training and held-out seeds."""
    pieces = max(scenes // 250, 1)
    jobs = [
        (scenes // pieces, config.frames_each, config.vit.image_size, free_poses, (config.seed, stream, i))
        for i in range(pieces)
    ]
    with (
        deaths_reported("filming", "run again, with fewer workers"),
        ProcessPoolExecutor(worker_count(config.workers), initializer=end_with_parent) as pool,
        progress_bar("filming single frames", pieces) as bar,
    ):
        parts = []
        for part in pool.map(_render_piece, jobs):
            parts.append(part)
            bar.advance()
    images, targets = np.concatenate([p.images for p in parts]), np.concatenate([p.targets for p in parts])
    return Stills(images, targets, np.concatenate([p.apparatus for p in parts]))


def _render_piece(job: tuple[int, int, int, float, tuple[int, ...]]) -> Stills:
    scenes, frames, size, free_poses, seed = job
    return sample_stills(scenes, frames, size, np.random.default_rng(seed), free_poses)


def pretrain(config: FramePretrainingConfig, out: Path) -> dict[str, float]:
    """Pre-train on newly rendered frames and write model.safetensors, config.json and figures.json into `out`.

    A checkpoint beside them lets a killed run resume.

    Returns:
        metrics on held-out performing athletes: mean joint error (fraction of the image side), mean angular error of
        the chest direction (degrees), apparatus accuracy.
    """
    torch.manual_seed(config.seed)
    stills = render_stills(config, config.scenes, 0, config.free_poses)
    model = PoseRegressor(config.vit)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps, pct_start=0.08)
    checkpoint = out / "pretraining_checkpoint.pt"
    first = _restore(load_checkpoint(checkpoint, asdict(config)), model, optimizer, schedule)
    began = time.monotonic()
    with progress_bar("pre-training the frame encoder", config.steps, done=first) as bar:
        for step in range(first, config.steps):
            loss = _step(model, stills, config, step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            bar.advance(note=f"loss {loss.item():.4f}")
            if (step + 1) % 500 == 0 or step + 1 == config.steps:
                states = {"step": step + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                save_checkpoint(checkpoint, asdict(config), {**states, "schedule": schedule.state_dict()})
    model.eval()
    figures = evaluate(model, render_stills(config, config.held_out_scenes, 1, 0.0))
    figures["seconds"] = round(time.monotonic() - began, 1)
    model.vit.save_pretrained(out)
    record = {"settings": asdict(config), "held_out": figures, "environment": environment(config.seed)}
    write_text(out / "figures.json", json.dumps(record, indent=2) + "\n")
    checkpoint.unlink()
    return figures


def _restore(
    states: dict[str, Any] | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> int:
    """Restore an earlier run's state, if there is one; returns the first step."""
    if states is None:
        return 0
    model.load_state_dict(states["model"])
    optimizer.load_state_dict(states["optimizer"])
    schedule.load_state_dict(states["schedule"])
    return int(states["step"])


def _step(model: PoseRegressor, stills: Stills, config: FramePretrainingConfig, step: int) -> Tensor:
    """Loss of one batch of brightness-jittered frames, determined by (seed, step) and the weights."""
    rng = np.random.default_rng((config.seed, 2, step))
    picked = rng.integers(0, len(stills.images), config.batch_size)
    images = normalise(torch.from_numpy(stills.images[picked])).permute(0, 3, 1, 2)  # [B, 3, S, S]
    gain = torch.from_numpy(rng.uniform(0.7, 1.3, (len(images), 3, 1, 1)).astype(np.float32))
    images = images * gain + torch.from_numpy(rng.uniform(-0.2, 0.2, (len(images), 1, 1, 1)).astype(np.float32))
    targets = torch.from_numpy(stills.targets[picked])
    with torch.autocast("cpu", torch.bfloat16):
        *poses, near, apparatus = model(images)
    pose_loss = sum((F.smooth_l1_loss(pose.float(), targets, beta=0.1) for pose in poses), torch.zeros(()))
    loss = pose_loss + F.binary_cross_entropy_with_logits(near.float(), joint_heatmaps(targets, config.vit))
    named = torch.from_numpy(stills.apparatus[picked])
    return loss + APPARATUS_WEIGHT * F.cross_entropy(apparatus.float(), named)


@torch.inference_mode()
def evaluate(model: PoseRegressor, stills: Stills) -> dict[str, float]:
    """Errors of the CLS head on held-out athletes and halls."""
    poses, apparatus = [], []
    for start in range(0, len(stills.images), 250):
        images = normalise(torch.from_numpy(stills.images[start : start + 250])).permute(0, 3, 1, 2)
        pose, _, _, on = model(images)
        poses.append(pose)
        apparatus.append(on.argmax(1))
    predicted, true = torch.cat(poses), torch.from_numpy(stills.targets)
    joints = (predicted[:, :30] - true[:, :30]).view(-1, 15, 2).norm(dim=-1).mean()
    cosine = F.cosine_similarity(predicted[:, 45:48], true[:, 45:48]).clamp(-1, 1)
    named = (torch.cat(apparatus) == torch.from_numpy(stills.apparatus)).float().mean()
    figures = {"joint_error": joints.item(), "chest_angle_degrees": torch.rad2deg(torch.arccos(cosine)).mean().item()}
    return {**figures, "apparatus_accuracy": named.item()}
