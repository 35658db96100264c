"""Write the 2D joints of a release's clips: ground truth, and simulated detections with a pose detector's errors.

The motion is determined by the release's settings, so the joints are computed without rendering, and the release's
other files are not changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.keypoints import write_keypoints
from gymqa.frames.skeletons import GYMSIM15, Keypoints
from gymqa.io.console import track
from gymqa.io.files import only_writer, read_json
from gymqa.sim.release import ReleaseConfig, running_orders
from gymqa.sim.render import LIMBS, Look
from gymqa.sim.routine import Shot, competition
from gymqa.sim.scene import Arena
from gymqa.sim.skeleton import JOINTS, Array, Build

KINDS = ("true", "detected")
"""Folders below `joints/` of a release."""


@dataclass(frozen=True)
class ProjectedJoints:
    """A clip's label, joints in pixels [T, 15, 2], depths in metres [T, 15], and pixels per metre at the body [T]."""

    label: int
    pixels: Array
    depth: Array
    pixels_per_metre: Array

    @classmethod
    def of(cls, shot: Shot, label: int) -> "ProjectedJoints":
        """The joints of a shot, projected by its camera."""
        pixels, depth = shot.camera.project(shot.motion.joints)
        return cls(label, pixels, depth, shot.camera.focal / depth.mean(axis=1))

    @property
    def true(self) -> Keypoints:
        """True keypoints with confidence 1: float32 [T, 15, 3]; includes joints outside the image."""
        return np.concatenate([self.pixels, np.ones((*self.depth.shape, 1))], axis=-1).astype(np.float32)


@dataclass(frozen=True)
class DetectorConfig:
    """Error model of a simulated pose detector.

    The error types are Ruggero Ronchi and Perona's (ICCV'17, arXiv 1707.05388), bounded by keypoint similarity
    ks = exp(-d² / (2 s² (2σ)²)), d the distance in pixels, s² the body's area (0.53 of its box), σ the joint's:
    good (ks above 0.85), jitter (0.5 to 0.85), inversion (near the joint of the other side), miss (0.1 to 0.5, or
    nothing reported). Their rates per joint, and the increase for partly visible bodies, are those by which PoseFix
    (CVPR'19) synthesizes training poses from that paper's statistics. The difficulty of a joint is GymSim's own: the
    body is upside down, the joint moves fast, or another limb occludes it. Values below without a source, and the
    confidences, are assumptions; no detector was measured on gymnasts.

    Attributes:
        harder_jittered: increase of a joint's jitter rate at maximum difficulty (PoseFix).
        harder_missed: increase of its miss rate at maximum difficulty (PoseFix).
        harder_exchanged: increase of its inversion rate at maximum difficulty.
        body_exchanged: fraction of frames with all left and right joints exchanged, upright and upside down.
        frame_missed: fraction of frames without any detection, likewise.
        reported: fraction of missed joints that are still reported, far off and with low confidence.
        blur: speed of maximum difficulty, in body sizes (s) per frame.
    """

    harder_jittered: float = 0.05
    harder_missed: float = 0.15
    harder_exchanged: float = 0.06
    body_exchanged: tuple[float, float] = (0.01, 0.08)
    frame_missed: tuple[float, float] = (0.005, 0.10)
    reported: float = 0.5
    blur: float = 0.25


TYPICAL = DetectorConfig()


def write_joints(root: Path, config: ReleaseConfig, detector: DetectorConfig = TYPICAL) -> int:
    """Write joints/true/ and joints/detected/ of a rendered release, a file per clip (`gymqa.frames.keypoints`).

    Args:
        root: folder of the release.
        config: settings of the release.
        detector: error model of the detections.

    Returns:
        Number of clips.

    Raises:
        GymQAError: a video is not rendered, or another process writes to the release.
    """
    written = 0
    with only_writer(root, "the release in"):
        for video_id in track(config.video_ids, "computing joints", len(config.video_ids)):
            manifest = read_json(root / "manifests" / f"{video_id}.json")
            clips = [clip for event in manifest["events"] for clip in event["clips"]]
            # independent of the generator of the rendering
            rng = np.random.default_rng((config.seed, config.video_ids.index(video_id), 4, 0))
            seen = list(video_joints(config, video_id))
            if [clip["label"] for clip in clips] != [one.label for one in seen]:
                raise GymQAError(
                    f"the manifest of {video_id} does not match the simulated clips; render the release again"
                )
            for clip, one in zip(clips, seen, strict=True):
                found = detect(one.pixels, one.depth, one.pixels_per_metre, config.size, rng, detector)
                for kind, keypoints in zip(KINDS, (one.true, found), strict=True):
                    path = root / "joints" / kind / f"{clip['id']}.npz"
                    write_keypoints(path, keypoints, (config.size, config.size), JOINTS)
            written += len(clips)
    return written


def video_joints(config: ReleaseConfig, video_id: str) -> Iterator[ProjectedJoints]:
    """Yield the joints of a video's clips, in the order of its manifest."""
    rng = np.random.default_rng((config.seed, config.video_ids.index(video_id)))
    Arena.sample(config.size, rng)  # sampled as in rendering, so that the athlete is the same
    Look.sample(rng)
    build = Build.sample(rng)
    labels = running_orders(config)[video_id]
    for performance in competition(config.repertoire, labels, build, config.size, rng):
        yield from (ProjectedJoints.of(shot, shot.label) for shot in performance.shots if shot.label is not None)


_TRUNK = (0, 1, 0.30)  # pelvis, neck, width in metres
_OCCLUDERS = (*((start, end, width) for start, end, width, _ in LIMBS), _TRUNK)


class _Part(NamedTuple):
    """σ of COCO's keypoint similarity, and the rates of jitter, misses and inversions without difficulty."""

    sigma: float
    jittered: float
    missed: float
    exchanged: float


# σ: COCO's, head and neck CrowdPose's. Rates: PoseFix (CVPR'19), `synthesize_pose`, more than ten visible joints.
_PARTS = {
    "head": _Part(0.079, 0.15, 0.02, 0.0), "neck": _Part(0.079, 0.15, 0.05, 0.0),
    "shoulder": _Part(0.079, 0.15, 0.05, 0.03), "elbow": _Part(0.072, 0.15, 0.10, 0.03),
    "wrist": _Part(0.062, 0.15, 0.10, 0.03), "pelvis": _Part(0.107, 0.20, 0.10, 0.0),
    "hip": _Part(0.107, 0.20, 0.10, 0.06), "knee": _Part(0.087, 0.10, 0.10, 0.06),
    "ankle": _Part(0.089, 0.10, 0.05, 0.06),
}  # fmt: skip
_OF_JOINT = [_PARTS[name.split("_")[-1]] for name in JOINTS]
_SIGMA, _JITTERED, _MISSED, _EXCHANGED = (np.array(column) for column in zip(*_OF_JOINT, strict=True))


def detect(
    joints: Array, depth: Array, pixels_per_metre: Array, size: int, rng: np.random.Generator, config: DetectorConfig
) -> Keypoints:
    """Simulate the detections of a pose detector, independently for each frame.

    Args:
        joints: [T, 15, 2] true pixel positions.
        depth: [T, 15] metres from the camera.
        pixels_per_metre: [T] at the body's distance.
        size: side of the image in pixels; joints outside are not detected.
        rng: random generator of the errors.
        config: the error model.

    Returns:
        float32 [T, 15, 3]: x, y in pixels, confidence; 0 for joints that are not reported.
    """
    body, upside_down = body_size(joints), _upside_down(joints)
    hard = 1 - (1 - upside_down[:, None]) * (1 - _blur(joints, body, config.blur)) * (
        1 - 0.7 * occluded(joints, depth, pixels_per_metre)
    )
    missed, jittered = _MISSED + config.harder_missed * hard, _JITTERED + config.harder_jittered * hard
    exchanged = (_EXCHANGED + config.harder_exchanged * hard) * (_EXCHANGED > 0)
    kind = (
        rng.random(hard.shape)[..., None] > np.cumsum([missed, jittered, exchanged], axis=0).transpose(1, 2, 0)
    ).sum(-1)
    found = np.where(kind[..., None] == 2, joints[:, GYMSIM15.mirrored], joints)
    found = found + _offsets(kind, body, rng)
    confidence = _confidence(kind, hard, rng)
    absent = (kind == 0) & (rng.random(hard.shape) >= config.reported)
    absent |= ((joints < 0) | (joints >= size)).any(-1)
    absent |= _random_frames(config.frame_missed, upside_down, rng)[:, None]
    keypoints = np.concatenate([found, confidence[..., None]], axis=-1) * ~absent[..., None]
    turned = _random_frames(config.body_exchanged, upside_down, rng)
    keypoints[turned] = keypoints[turned][:, GYMSIM15.mirrored]
    return keypoints.astype(np.float32)


def body_size(joints: Array) -> Array:
    """Body size s [T], the square root of 0.53 of its box in pixels; the shorter side is at least 0.3 of the longer."""
    box = np.ptp(joints, axis=1)
    box = np.maximum(box, 0.3 * box.max(axis=1, keepdims=True))
    return np.asarray(np.sqrt(0.53 * box.prod(axis=1)).clip(min=1.0))


def occluded(joints: Array, depth: Array, pixels_per_metre: Array) -> Array:
    """Whether each joint [T, 15] is behind a limb or the trunk that is at least 8 cm nearer to the camera."""
    covered = np.zeros(depth.shape, bool)
    for start, end, width in _OCCLUDERS:
        bone = joints[:, end] - joints[:, start]
        offset = joints - joints[:, None, start]
        fraction = (offset * bone[:, None]).sum(-1) / np.maximum((bone**2).sum(-1), 1e-9)[:, None]
        fraction = fraction.clip(0, 1)
        distance = np.linalg.norm(offset - fraction[..., None] * bone[:, None], axis=-1)
        nearer = depth[:, start, None] * (1 - fraction) + depth[:, end, None] * fraction < depth - 0.08
        inside = (distance < width / 2 * pixels_per_metre[:, None]) & nearer
        inside[:, [start, end]] = False
        covered |= inside
    return covered


def _upside_down(joints: Array) -> Array:
    """Inversion of the trunk in the image [T]: 0 upright, 1 upside down."""
    trunk = joints[:, 1] - joints[:, 0]
    return np.asarray((1 + trunk[:, 1] / np.maximum(np.linalg.norm(trunk, axis=-1), 1e-9)) / 2)  # y points down


def _blur(joints: Array, body: Array, fastest: float) -> Array:
    """Speed of the joints [T, 15], 1 from `fastest` body sizes per frame on."""
    speed = np.linalg.norm(np.gradient(joints, axis=0), axis=-1) if len(joints) > 1 else np.zeros(joints.shape[:2])
    return np.asarray((speed / body[:, None] / fastest).clip(0, 1))


def _offsets(kind: Array, body: Array, rng: np.random.Generator) -> Array:
    """Random offsets [T, 15, 2] by error type: 0 missed, 1 jittered, 2 exchanged, 3 good."""
    radius = [np.sqrt(-2 * np.log(similarity)) for similarity in (0.10, 0.50, 0.85, 1.0)]
    bounds = {0: (radius[1], radius[0]), 1: (radius[2], radius[1]), 2: (0.0, radius[1]), 3: (0.0, radius[2])}
    low, high = (np.array([bounds[number][side] for number in range(4)])[kind] for side in (0, 1))
    distance = rng.uniform(low, high) * 2 * _SIGMA * body[:, None]
    angle = rng.uniform(0, 2 * np.pi, kind.shape)
    return distance[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _confidence(kind: Array, hard: Array, rng: np.random.Generator) -> Array:
    """Confidences [T, 15] in [0.05, 0.99]: high for good joints, low for missed ones, lower at high difficulty."""
    mean, spread = np.array([0.35, 0.75, 0.70, 0.90]), np.array([0.12, 0.12, 0.15, 0.05])
    return np.asarray((mean[kind] - 0.15 * hard + spread[kind] * rng.standard_normal(kind.shape)).clip(0.05, 0.99))


def _random_frames(probabilities: tuple[float, float], upside_down: Array, rng: np.random.Generator) -> Array:
    """Random mask of frames [T]; the probability is interpolated between the two by the body's inversion."""
    low, high = probabilities
    return np.asarray(rng.random(len(upside_down)) < low + (high - low) * upside_down)
