"""GymSim: a release is complete, seeded and in FineGym's format, its raw videos hold what the annotation says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gymqa.download.trim import trim
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.finegym.temporal import read_annotations
from gymqa.frames.video import decode
from gymqa.io.files import read_json
from gymqa.sim.motion import FPS
from gymqa.sim.release import ReleaseConfig, render_release
from gymqa.sim.repertoire import REPERTOIRES
from gymqa.sim.routine import LONGEST, SHORTEST, programme
from tests.helpers.naming import naming

pytestmark = pytest.mark.slow

TINY = ReleaseConfig(train_videos=2, val_videos=1, raw_videos=1, size=64, seed=3)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_release(tmp_path_factory.mktemp("release"), TINY)


@pytest.fixture(scope="module")
def routines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ReleaseConfig(train_videos=1, val_videos=1, raw_videos=1, size=64, seed=5, setting="gymsim99")
    return render_release(tmp_path_factory.mktemp("routines") / "release", config)


def test_a_release_opens_as_a_finegym_release(release: Path) -> None:
    opened = open_release(release)
    assert opened.taxonomy.setting == "gymsim24" and len(opened.taxonomy.elements) == 24
    train = read_element_list(release / "annotations" / "gymsim24_train_element.txt", 24)
    val = read_element_list(release / "annotations" / "gymsim24_val_element.txt", 24)
    assert len(train) == 48 and len(val) == 24 and len({clip.id for clip in train + val}) == 72
    assert not {clip.video_id for clip in train} & {clip.video_id for clip in val}
    assert all(opened.clip_path(clip.id).is_file() for clip in train + val)
    twins = [element for element in opened.taxonomy.elements if opened.taxonomy.twin(element.label)]
    assert len(twins) == 16  # eight pairs that differ in direction only


def test_the_raw_video_shows_each_clip_at_the_annotated_second(release: Path) -> None:
    manifest = read_json(release / "manifests" / "gymsimT0000.json")
    raw = decode(release / "videos" / "gymsimT0000.mp4").astype(float)
    for event in manifest["events"]:
        for clip in event["clips"]:
            frames = decode(release / "subactions" / f"{clip['id']}.mp4").astype(float)
            start = event["start"] * FPS + round(clip["timestamps"][0][0] * FPS)
            assert np.abs(raw[start : start + len(frames)] - frames).mean() < 6


def test_every_action_ends_inside_its_raw_video(release: Path, routines: Path) -> None:
    for root in (release, routines):
        raw = decode(root / "videos" / "gymsimT0000.mp4")
        actions = read_annotations(root / "annotations" / "finegym_annotation_info.json")
        assert max(action.end for action in actions if action.video_id == "gymsimT0000") * FPS <= len(raw)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(release: Path, tmp_path: Path) -> None:
    name = sorted(path.name for path in (release / "subactions").iterdir())[0]
    again = render_release(tmp_path / "again", TINY, workers=1)
    assert (again / "subactions" / name).read_bytes() == (release / "subactions" / name).read_bytes()
    assert (again / "annotations" / "finegym_annotation_info.json").read_bytes() == (
        release / "annotations" / "finegym_annotation_info.json"
    ).read_bytes()
    other = render_release(tmp_path / "other", replace(TINY, seed=4, train_videos=1, raw_videos=0))
    frames = [sorted((root / "subactions").glob("gymsimT0000*"))[0].read_bytes() for root in (release, other)]
    assert frames[0] != frames[1]


def test_a_stopped_release_goes_on_with_what_is_missing(release: Path) -> None:
    lost = sorted((release / "subactions").iterdir())[0]
    kept = sorted((release / "subactions").iterdir())[-1]
    before = kept.stat().st_mtime_ns
    content = lost.read_bytes()
    lost.unlink()
    render_release(release, TINY)
    assert lost.read_bytes() == content
    assert kept.stat().st_mtime_ns == before


def test_a_release_of_other_settings_is_refused(release: Path) -> None:
    with pytest.raises(GymQAError, match=naming(release)):
        render_release(release, replace(TINY, seed=9))


@pytest.mark.parametrize("size", [22, 65, 722])
def test_a_size_out_of_bounds_or_odd_is_refused(size: int) -> None:
    with pytest.raises(GymQAError, match=naming(size)):
        ReleaseConfig(size=size)


def test_a_programme_gives_routines_of_5_to_12_and_every_element_about_as_often() -> None:
    repertoire = REPERTOIRES["gymsim99"]
    dealt = programme(repertoire, 60, (0, 0))
    counts = np.zeros(99, int)
    for routines in dealt:
        for event, labels in routines.items():
            assert SHORTEST <= len(labels) <= LONGEST and set(labels) <= set(repertoire.labels(event))
            np.add.at(counts, labels, 1)
    for event in ("VT", "FX", "BB", "UB"):
        own = counts[repertoire.labels(event)]
        assert own.min() > 0 and own.max() - own.min() <= 1


def test_routines_have_5_to_12_sub_actions_and_each_vault_three_stages(routines: Path) -> None:
    opened = open_release(routines)
    assert opened.taxonomy.setting == "gymsim99" and len(opened.taxonomy.elements) == 99
    actions = read_annotations(routines / "annotations" / "finegym_annotation_info.json")
    for action in actions:
        stages = {len(sub_action.stages) for sub_action in action.sub_actions}
        if action.event == 1:
            assert len(action.sub_actions) == 1 and stages == {3}
        else:
            assert SHORTEST <= len(action.sub_actions) <= LONGEST and stages == {1}
    vaults = [action for action in actions if action.event == 1 and action.video_id == "gymsimT0000"]
    assert SHORTEST <= len(vaults) <= LONGEST


def test_a_raw_video_of_routines_trims_to_the_clips_and_holds_replays_between_them(
    routines: Path, tmp_path: Path
) -> None:
    opened, out = open_release(routines), tmp_path / "trimmed"
    trim(routines, out=out, workers=1)
    raw = decode(routines / "videos" / "gymsimT0000.mp4")
    clips = read_element_list(routines / "annotations" / "gymsim99_train_element.txt", 99)
    for clip in clips:
        ours, trimmed = decode(opened.clip_path(clip.id)), decode(out / f"{clip.id}.mp4")
        assert abs(len(ours) - len(trimmed)) <= 1
        shared = min(len(ours), len(trimmed))
        assert np.abs(ours[:shared].astype(float) - trimmed[:shared]).mean() < 8
    assert len(raw) > 1.5 * sum(len(decode(opened.clip_path(clip.id))) for clip in clips)
    marked = (raw[:, :2] > 230).all(axis=(1, 2, 3)) & (raw[:, :, :2] > 230).all(axis=(1, 2, 3))
    assert 10 < marked.sum() < len(raw) / 2  # the replays' white border
