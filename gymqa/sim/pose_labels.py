"""The joints of a release's clips, as they are and as a detector would report them.

All that moves follows from the release's settings; so the joints are computed, without drawing a picture, and the
release's other files stay as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.keypoints import write_keypoints
from gymqa.frames.skeletons import Keypoints
from gymqa.io.console import track
from gymqa.io.files import read_json
from gymqa.io.locks import only_writer
from gymqa.sim.detector import TYPICAL, DetectorConfig, detect
from gymqa.sim.release import ReleaseConfig, running_orders
from gymqa.sim.render import Look
from gymqa.sim.routine import Shot, competition
from gymqa.sim.scene import Arena
from gymqa.sim.skeleton import JOINTS, Array, Build

KINDS = ("true", "detected")
"""Folders below `joints/` of a release."""


@dataclass(frozen=True)
class SeenJoints:
    """A clip's label and joints in the picture: pixels [T, 15, 2], depths [T, 15], pixels of a metre there [T]."""

    label: int
    pixels: Array
    depth: Array
    metre: Array

    @classmethod
    def of(cls, shot: Shot, label: int) -> "SeenJoints":
        """Those of a shot, projected as they are drawn."""
        pixels, depth = shot.camera.project(shot.motion.joints)
        return cls(label, pixels, depth, shot.camera.focal / depth.mean(axis=1))

    @property
    def true(self) -> Keypoints:
        """Where they are, confidence 1: float32 [T, 15, 3]; also those outside the picture."""
        return np.concatenate([self.pixels, np.ones((*self.depth.shape, 1))], axis=-1).astype(np.float32)


def write_joints(root: Path, config: ReleaseConfig, detector: DetectorConfig = TYPICAL) -> int:
    """Write joints/true/ and joints/detected/ of a rendered release, a file a clip (`gymqa.frames.keypoints`).

    Args:
        root: folder of the release.
        config: what was rendered there.
        detector: the errors of the second.

    Returns:
        Number of clips.

    Raises:
        GymQAError: a video is not rendered, or another process writes into the release.
    """
    written = 0
    with only_writer(root, "the release in"):
        for video_id in track(config.video_ids, "computing joints", len(config.video_ids)):
            manifest = read_json(root / "manifests" / f"{video_id}.json")
            clips = [clip for event in manifest["events"] for clip in event["clips"]]
            rng = np.random.default_rng(
                (config.seed, config.video_ids.index(video_id), 4, 0)
            )  # no stream of the film's
            seen = list(video_joints(config, video_id))
            if [clip["label"] for clip in clips] != [one.label for one in seen]:
                raise GymQAError(f"the manifest of {video_id} names other clips than were performed; render again")
            for clip, one in zip(clips, seen, strict=True):
                found = detect(one.pixels, one.depth, one.metre, config.size, rng, detector)
                for kind, keypoints in zip(KINDS, (one.true, found), strict=True):
                    path = root / "joints" / kind / f"{clip['id']}.npz"
                    write_keypoints(path, keypoints, (config.size, config.size), JOINTS)
            written += len(clips)
    return written


def video_joints(config: ReleaseConfig, video_id: str) -> Iterator[SeenJoints]:
    """The joints of a video's clips, in the order of its manifest."""
    rng = np.random.default_rng((config.seed, config.video_ids.index(video_id)))
    Arena.sample(config.size, rng)  # drawn as for the film, so that the athlete is the same
    Look.sample(rng)
    build = Build.sample(rng)
    labels = running_orders(config)[video_id]
    for performance in competition(config.repertoire, labels, build, config.size, rng):
        yield from (SeenJoints.of(shot, shot.label) for shot in performance.shots if shot.label is not None)
