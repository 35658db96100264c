"""Compose competitions: running orders of elements, and motions between them (walk, stand, hang, replay), per shot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gymqa.sim.elements import EVENTS, SimElement
from gymqa.sim.motion import FPS, HIGH_BAR, RESET, SURFACE, Motion, Track, place_body
from gymqa.sim.perform import perform
from gymqa.sim.repertoire import Repertoire
from gymqa.sim.scene import Camera
from gymqa.sim.skeleton import Array, Build, Pose

SHORTEST, LONGEST = 5, 12  # sub-actions of a routine
REPLAYED = 0.15  # fraction of the elements that are replayed in slow motion
RUN_UP = 9.0  # metres to the vault
_LAST = ("dismount", "bar dismount")


@dataclass(frozen=True)
class Shot:
    """A motion seen by one camera: an element with its label, or a transition or replay without (label None)."""

    kind: Literal["element", "between", "replay"]
    motion: Motion
    camera: Camera
    label: int | None = None


@dataclass(frozen=True)
class Performance:
    """One action on an apparatus, and the replays after it.

    Attributes:
        event: the apparatus.
        shots: shots of the action, in order.
        after: replays after the action.
    """

    event: str
    shots: list[Shot]
    after: list[Shot]


def competition(
    repertoire: Repertoire, labels: dict[str, list[int]], build: Build, size: int, rng: np.random.Generator
) -> Iterator[Performance]:
    """Yield an athlete's performances on the four apparatus.

    Args:
        repertoire: the elements of the setting.
        labels: event -> labels in running order; see `programme`.
        build: body of the athlete.
        size: side of a frame in pixels.
        rng: random generator; nothing else may use it during the iteration.
    """
    for event in EVENTS:
        if not repertoire.routines:
            order = rng.permutation(repertoire.labels(event))
            shots = [shot for label in order for shot in _with_pause(repertoire, int(label), build, size, rng)]
            yield Performance(event, shots, [])
        elif event == "VT":  # each vault is an action of its own
            yield from (_vault(repertoire, label, build, size, rng) for label in labels[event])
        else:
            yield _routine(repertoire, event, labels[event], build, size, rng)


def programme(repertoire: Repertoire, competitions: int, seed: tuple[int, ...]) -> list[dict[str, list[int]]]:
    """Running orders of several competitions: 5 to 12 elements per event, all elements about equally often.

    The elements of an event are sampled from shuffled decks without replacement; dismounts come last.
    """
    dealt: list[dict[str, list[int]]] = [{} for _ in range(competitions)]
    for number, event in enumerate(EVENTS):
        rng = np.random.default_rng((*seed, number))
        labels = repertoire.labels(event)
        deck: list[int] = []
        for routine in dealt:
            wanted = int(rng.integers(SHORTEST, LONGEST + 1))
            while len(deck) < wanted:
                deck += rng.permutation(labels).tolist()
            hand, deck = deck[:wanted], deck[wanted:]
            routine[event] = sorted(hand, key=lambda label: repertoire.elements[label].family in _LAST)
    return dealt


def _with_pause(
    repertoire: Repertoire, label: int, build: Build, size: int, rng: np.random.Generator
) -> tuple[Shot, Shot]:
    """A pause at the start of the element, and the element."""
    element = repertoire.elements[label]
    motion = perform(element, build, rng)
    camera = Camera.follow(motion.centre, size, rng)
    pause = stand(element.event, build, int(rng.uniform(0.6, 1.4) * FPS), motion.centre[0], rng)
    waiting = camera.at(np.zeros(pause.frames, dtype=np.int64))
    return Shot("between", pause, waiting), Shot("element", motion, camera, label)


def _vault(repertoire: Repertoire, label: int, build: Build, size: int, rng: np.random.Generator) -> Performance:
    """Run-up, vault, standing; in half of the cases a replay."""
    motion = perform(repertoire.elements[label], build, rng)
    run = go(SURFACE["VT"], build, motion.centre[0] - [RUN_UP, 0.0, 0.0], motion.centre[0], RUN)
    still = stand("VT", build, int(rng.uniform(0.8, 1.6) * FPS), motion.centre[-1], rng)
    shots = _filmed([run, motion, still], 1, label, size, rng)
    again = [_replay(motion, size, rng)] if rng.random() < 0.5 else []
    return Performance("VT", shots, again)


def _routine(
    repertoire: Repertoire, event: str, labels: list[int], build: Build, size: int, rng: np.random.Generator
) -> Performance:
    """The elements in order, each after a transition and a pause; some are followed by a replay."""
    shots: list[Shot] = []
    last: Motion | None = None
    for label in labels:
        element = repertoire.elements[label]
        motion = perform(element, build, rng)
        before = _approach(element, build, last, motion, rng)
        shots += _filmed([*before, motion], len(before), label, size, rng)
        if rng.random() < REPLAYED:
            shots.append(_replay(motion, size, rng))
        last = motion
    after = [_replay(last, size, rng)] if last is not None and rng.random() < 0.5 else []
    return Performance(event, shots, after)


def _approach(
    element: SimElement, build: Build, last: Motion | None, motion: Motion, rng: np.random.Generator
) -> list[Motion]:
    """Walk from the end of the last element to the start of the next, and a pause there."""
    event, frames = element.event, int(rng.uniform(0.4, 1.2) * FPS)
    walk = [] if last is None else _walk(event, build, last.centre[-1], motion.centre[0])
    wait = hang(build, frames, rng) if event == "UB" else stand(event, build, frames, motion.centre[0], rng)
    return [*walk, wait]


def _walk(event: str, build: Build, start: Array, end: Array) -> list[Motion]:
    """Walk between two elements; none on the bars unless the last one ended on the mat."""
    if event == "UB" and start[2] > 1.2:
        return []
    if event == "BB" and start[2] < 1.6:  # after a dismount the next one starts on the beam again
        return []
    return [go(SURFACE[event], build, start, end, WALK)]


def _filmed(motions: list[Motion], which: int, label: int, size: int, rng: np.random.Generator) -> list[Shot]:
    """Shots of consecutive motions by one camera; the motion at index `which` is the element."""
    camera = Camera.follow(concatenated(motions).centre, size, rng)
    shots, begin = [], 0
    for index, motion in enumerate(motions):
        seen = camera.at(np.arange(begin, begin + motion.frames))
        own = index == which
        shots.append(Shot("element" if own else "between", motion, seen, label if own else None))
        begin += motion.frames
    return shots


def _replay(motion: Motion, size: int, rng: np.random.Generator) -> Shot:
    """The element again at half speed, from another camera."""
    slow = half_speed(motion)
    return Shot("replay", slow, Camera.follow(slow.centre, size, rng))


WALK, RUN = 1.5, 4.5  # metres a second


def stand(event: str, build: Build, frames: int, position: Array, rng: np.random.Generator) -> Motion:
    """Stand between two elements for `frames` frames at `position` [3] (z is computed from the feet)."""
    t = np.linspace(0.0, 1.0, frames)
    swing = rng.uniform(10, 40)
    pose = Pose.from_keys(
        t, [(0, {**RESET, "arm": 20}), (0.5, {"arm": 20 + swing, "knee": 12, "hip": 12}), (1, {"arm": 20})]
    )
    heading = np.full(frames, rng.choice([0.0, 180.0]))
    relative, front = place_body(build, Track(pose, heading, np.zeros(frames), np.zeros(frames)))
    centre = np.tile(position, (frames, 1))
    centre[:, 2] = SURFACE[event] - relative[:, :, 2].min(axis=1)
    return Motion(relative + centre[:, None], front, centre)


def go(surface: float, build: Build, start: Array, end: Array, speed: float) -> Motion:
    """Walk (or run, by speed) from `start` to `end`, both [3], on a surface of this height in metres."""
    way = end[:2] - start[:2]
    seconds = max(float(np.hypot(*way)) / speed, 0.6)
    t = np.linspace(0.0, 1.0, max(round(seconds * FPS), 2))
    stride = np.sin(2 * np.pi * t * seconds * (1.0 + speed / RUN))
    pose = Pose.from_keys(t, [(0.0, {**RESET, "arm": 15.0}), (1.0, {"arm": 15.0})])
    pose.split[:] = (12.0 + 8.0 * speed) * stride
    pose.knee[:] = (5.0 + 5.0 * speed) * (1 - np.abs(stride))
    heading = np.full_like(t, np.degrees(np.arctan2(way[1], way[0])))
    relative, front = place_body(build, Track(pose, heading, np.full_like(t, 2.0 * speed), np.zeros_like(t)))
    centre = np.empty((len(t), 3))
    centre[:, :2] = start[:2] + way * t[:, None]
    centre[:, 2] = surface - relative[:, :, 2].min(axis=1)
    return Motion(relative + centre[:, None], front, centre)


def hang(build: Build, frames: int, rng: np.random.Generator) -> Motion:
    """Hang from the high bar with a small swing for `frames` frames."""
    t = np.linspace(0.0, 1.0, frames)
    pose = Pose.from_keys(t, [(0.0, {**RESET, "arm": 178.0}), (1.0, {"arm": 178.0})])
    swing = rng.uniform(8.0, 22.0) * np.sin(2 * np.pi * (t * frames / FPS * rng.uniform(0.5, 0.7) + rng.uniform()))
    heading = np.full(frames, rng.choice([0.0, 180.0]))
    relative, front = place_body(build, Track(pose, heading, swing, np.zeros(frames)))
    centre = np.array([0.0, 0.0, HIGH_BAR]) - (relative[:, 5] + relative[:, 8]) / 2
    return Motion(relative + centre[:, None], front, centre)


def half_speed(motion: Motion) -> Motion:
    """The motion at half speed: a frame interpolated between any two, [T] -> [2T - 1]."""
    at = np.arange(2 * motion.frames - 1) / 2
    low = np.floor(at).astype(int)
    high, fraction = np.ceil(at).astype(int), at - low

    def between(track: Array) -> Array:
        weight = fraction.reshape(-1, *(1,) * (track.ndim - 1))
        return np.asarray(track[low] * (1 - weight) + track[high] * weight)

    front = between(motion.front)
    front /= np.maximum(np.linalg.norm(front, axis=1, keepdims=True), 1e-9)
    return Motion(between(motion.joints), front, between(motion.centre))


def concatenated(motions: list[Motion]) -> Motion:
    """Concatenate motions in time."""
    return Motion(
        np.concatenate([one.joints for one in motions]),
        np.concatenate([one.front for one in motions]),
        np.concatenate([one.centre for one in motions]),
    )
