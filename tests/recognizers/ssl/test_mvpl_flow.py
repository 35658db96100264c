"""MvPL's flow: the same view's as the colours', beside them in training, and gone from the model that comes of it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import study_trainings
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.frames.flow import build_flow
from gymqa.frames.modality import channel_slice
from gymqa.frames.views import source_of
from gymqa.runtime.runs import Run, read_metrics
from gymqa.video_datasets.imported import CLASSES
from recognizers.backbones.action_vlad import ActionVLADConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.factory import load_recognizer
from recognizers.loader import ClipBatch
from recognizers.predict import predict
from recognizers.ssl.algorithms import ALGORITHMS, Algorithm, algorithm_named
from recognizers.ssl.augment import AugmentConfig, strong_view, weak_view
from recognizers.ssl.objectives.base import make_objectives
from recognizers.ssl.objectives.mvpl import with_magnitude
from recognizers.ssl.objectives.temporal_gradients import temporal_gradient
from recognizers.ssl.step import ObjectiveInputs, guide, step_loss
from recognizers.ssl.views import draw_strong, draw_weak
from recognizers.ssl.weighting.base import make_weighting
from recognizers.training.clips import training_clips, training_source
from recognizers.training.optimization import make_teacher
from recognizers.training.setup import build_student, prepare
from recognizers.training.train import train
from tests.helpers.naming import does_name, naming
from tests.helpers.objective_example import ELEMENTS, STEADY, cross_entropy, scattered
from tests.helpers.places import ROOT
from tests.helpers.training_world import CONFIG, MODEL, World

STILL = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0)
MVPL = replace(CONFIG, model=STEADY, algorithm=algorithm_named("mvpl"), augment=STILL)
WITHOUT = replace(algorithm_named("mvpl"), objectives=("mvpl_gradients",))
BATCH_NORM = TSNConfig(image_size=16, width=4, segments=8, n_classes=2)
SHORT = replace(CONFIG, steps=4, warm_up_steps=2, labelled_batch=4, unlabelled_batch=4, log_every=1)


@pytest.fixture(scope="module")
def flow(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flow of the world's clips."""
    return build_flow(tmp_path_factory.mktemp("mvpl") / "flow", world[0].folder, "dis", workers=1).folder


def batch(size: int, seed: int, labelled: bool = False) -> ClipBatch:
    """Clips of noise, frames and flow."""
    frames = torch.randint(0, 256, (size, 8, 16, 16, 5), generator=Generator().manual_seed(seed), dtype=torch.uint8)
    labels = torch.arange(size) % 2 if labelled else torch.full((size,), -1)
    return ClipBatch(frames, labels, torch.arange(size), tuple(f"c{place}" for place in range(size)))


def mirrored(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Colours, and flow with its length, as a mirror shows them; by NumPy: uint8 [B, N, S, S, 5] -> [B, N, 3, S, S]."""
    pixels: NDArray[np.float64] = frames.numpy()[:, :, :, ::-1].transpose(0, 1, 4, 2, 3) / 127.5 - 1
    x, y = -pixels[:, :, 3], pixels[:, :, 4]
    flow = np.stack([x, y, np.minimum(np.hypot(x, y), 1)], 2)
    return torch.tensor(pixels[:, :, :3]).float(), torch.tensor(flow).float()


def test_flow_gets_its_length_for_a_third_channel() -> None:
    flow = torch.tensor([[0.0, 0.0], [0.6, -0.8], [-0.3, 0.4], [1.0, 1.0]]).view(1, 4, 2, 1, 1)
    expected = torch.tensor([[0.0, 0.0, 0.0], [0.6, -0.8, 1.0], [-0.3, 0.4, 0.5], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(with_magnitude(flow).flatten(2)[0], expected)


def test_a_step_teaches_the_views_that_the_student_saw_from_the_mean_of_three() -> None:
    config = replace(MVPL, augment=replace(STILL, flip=1), algorithm=replace(MVPL.algorithm, perturbation="reverse"))
    student, labelled, unlabelled = scattered(STEADY.build()), batch(3, 0, labelled=True), batch(4, 1)
    objectives, rng = make_objectives(config, student), Generator().manual_seed(0)
    weighting = make_weighting(config.algorithm, 4, 2)
    guidance = guide(config, student, unlabelled, weighting, rng, objectives)
    inputs = ObjectiveInputs(objectives, student, make_teacher(student), unlabelled, 5)
    loss = step_loss(config, student.train(), labelled, guidance, 0.5, rng, inputs)

    student.eval()
    weak, weak_flow = mirrored(unlabelled.frames)
    torch.testing.assert_close(guidance.views[0], reversed_in_time(weak))
    with torch.no_grad():
        each = [student(view).softmax(-1) for view in (weak, temporal_gradient(weak, ELEMENTS), weak_flow)]
        torch.testing.assert_close(guidance.labels.probabilities, sum(each) / 3, atol=1e-4, rtol=1e-3)  # type: ignore[arg-type]
        classes, counts = guidance.labels.classes.tolist(), guidance.weights.tolist()
        own, own_flow = mirrored(labelled.frames)
        shown = [(temporal_gradient(own, ELEMENTS), temporal_gradient(reversed_in_time(weak), ELEMENTS))]
        shown.append((own_flow, reversed_in_time(weak_flow)))
        expected = sum(
            cross_entropy(student(first), [0, 1, 0]) + 0.5 * cross_entropy(student(second), classes, counts)
            for first, second in shown
        )
    assert loss.terms["mvpl"].item() == pytest.approx(expected, rel=1e-4)
    plain = loss.supervised + 0.5 * loss.unlabelled
    torch.testing.assert_close(loss.total.detach(), plain + loss.terms["mvpl"])


def stepped(algorithm: Algorithm, shown: slice) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The buffers of student and objectives after a step of a network with batch norm."""
    config = replace(MVPL, model=BATCH_NORM, algorithm=algorithm)
    labelled, unlabelled = (
        replace(one, frames=one.frames[..., shown]) for one in (batch(3, 0, labelled=True), batch(4, 1))
    )
    torch.manual_seed(0)
    student, rng = BATCH_NORM.build(), Generator().manual_seed(0)
    objectives = make_objectives(config, student)
    guidance = guide(config, student, unlabelled, make_weighting(algorithm, 4, 2), rng, objectives)
    untouched = [*student.buffers()] * 2 * len(objectives)  # gradients' and flow's
    pairs = zip(objectives.buffers(), untouched, strict=True)
    assert all(torch.equal(*pair) for pair in pairs), "a look without gradient changes none"
    inputs = ObjectiveInputs(objectives, student.train(), make_teacher(student), unlabelled, 5)
    step_loss(config, student, labelled, guidance, 0.5, rng, inputs).total.backward()  # type: ignore[no-untyped-call]
    return dict(student.named_buffers()), dict(objectives.named_buffers())


def test_batch_norm_sees_one_kind_of_view_at_a_time() -> None:
    """The student's running statistics are of colours, as the test's frames are; each other kind's are its own."""
    student, kept = stepped(MVPL.algorithm, slice(None))
    without, _ = stepped(replace(MVPL.algorithm, objectives=()), slice(3))
    assert all(torch.equal(tensor, without[name]) for name, tensor in student.items())
    colours, gradients, flow = (student["backbone.bn1.running_var"], *(kept[f"mvpl.statistics.{k}.1"] for k in (0, 1)))
    assert not gradients.allclose(flow) and not gradients.allclose(colours) and not flow.allclose(colours)


def test_pseudo_labels_of_a_kind_of_view_are_made_with_its_statistics() -> None:
    torch.manual_seed(0)
    config = replace(MVPL, model=BATCH_NORM, algorithm=WITHOUT)
    student, clips = BATCH_NORM.build().eval(), batch(4, 1)
    objectives = make_objectives(config, student)
    seen, _ = mirrored(clips.frames)
    labels = objectives.each()["mvpl_gradients"].label(student, seen)
    before = objectives.relabel(seen, clips, labels, student).probabilities
    for name, buffer in objectives.named_buffers():
        if name.endswith("statistics.0.1"):  # the first layer's variance
            buffer.mul_(100)
    assert not objectives.relabel(seen, clips, labels, student).probabilities.allclose(before)
    assert torch.equal(objectives.each()["mvpl_gradients"].label(student, seen).probabilities, labels.probabilities)


def reversed_in_time(view: Tensor) -> Tensor:
    """A clip of {2-2-4} with its frames in the reverse order of time."""
    places = [1, 5, 3, 7, 0, 2, 4, 6]  # the moments of the elements' frames
    return view[:, [places.index(7 - moment) for moment in places]]


def ramps(clips: int) -> Tensor:
    """Frames whose red and flow's x grow to the right, and whose green and flow's y grow downward, uint8."""
    across = torch.arange(32).mul(8).to(torch.uint8).expand(32, 32)
    picture = torch.stack([across, across.T, torch.zeros_like(across), across, across.T], -1)
    return picture.expand(clips, 8, 32, 32, 5).contiguous()


@pytest.mark.parametrize("kind", ["weak", "strong"])
def test_the_flow_is_cropped_and_mirrored_as_the_colours_and_a_mirror_negates_x(kind: str) -> None:
    config = replace(MVPL, augment=AugmentConfig(crop_area=(0.3, 0.9), operations=0, channel_dropout=0))
    rng, frames = Generator().manual_seed(0), ramps(16)
    seen, flow = draw_weak(frames, config, rng) if kind == "weak" else draw_strong(frames, config, "none", rng)
    assert flow is not None and (seen.shape, flow.shape) == ((16, 8, 3, 16, 16), (16, 8, 2, 16, 16))
    turned = seen[:, 0, 0, 8, 12] < seen[:, 0, 0, 8, 4]
    assert 3 < turned.sum() < 13
    sign = torch.where(turned, -1.0, 1.0).view(-1, 1, 1, 1)
    torch.testing.assert_close(flow[:, :, 0], sign * seen[:, :, 0])
    torch.testing.assert_close(flow[:, :, 1], seen[:, :, 1])


def test_colours_are_drawn_as_without_flow_and_other_trainings_draw_what_they_drew() -> None:
    frames = batch(6, 3).frames
    augment, model = AugmentConfig(), STEADY
    for name in ALGORITHMS:
        config = replace(CONFIG, model=model, algorithm=algorithm_named(name), augment=augment)
        assert config.modality == ("rgb+flow" if name == "mvpl" else "rgb")
        given = frames if name == "mvpl" else frames[..., :3].contiguous()
        rngs = [Generator().manual_seed(4) for _ in range(2)]
        found = [draw_weak(given, config, rngs[0]), draw_strong(given, config, "moderate", rngs[0])]
        colours = frames[..., :3].contiguous()
        before = [
            weak_view(colours, 16, augment, rngs[1], "rgb"),
            strong_view(colours, 16, augment, ELEMENTS, "moderate", rngs[1], "rgb"),
        ]
        assert all(torch.equal(view.seen, as_before) for view, as_before in zip(found, before, strict=True))
        assert torch.equal(rngs[0].get_state(), rngs[1].get_state())
        assert all((view.flow is None) == (name != "mvpl") for view in found)


def test_the_part_of_frames_that_a_model_sees() -> None:
    assert [channel_slice(wanted, "rgb+flow") for wanted in ("rgb", "flow", "rgb+flow")] == [
        slice(0, 3), slice(3, 5), slice(None),
    ]  # fmt: skip
    with pytest.raises(GymQAError, match=naming("rgb", "flow", "gymqa flow")):
        channel_slice("flow", "rgb")


@pytest.mark.slow
def test_the_trained_model_is_chosen_by_and_predicts_from_colours_alone(
    world: World, flow: Path, tmp_path: Path
) -> None:
    cache, splits = world
    splits = replace(splits, val=splits.val[:6], test=splits.val[6:])
    config = replace(SHORT, algorithm=algorithm_named("mvpl"), validate_every=4)
    out = train(config, training_source(config, flow), splits, tmp_path / "out")
    loaded = load_recognizer(out)
    assert loaded.config == MODEL and loaded.config.modality == "rgb"
    found = predict(loaded, cache, splits.val)
    right = np.mean([int(found[clip.id].argmax()) == clip.label for clip in splits.val])
    assert read_metrics(out / "metrics.jsonl")[-1]["val_top1"] == pytest.approx(right)
    with pytest.raises(GymQAError, match=naming("rgb+flow")):
        predict(loaded, source_of("rgb+flow", flow), splits.val)


@pytest.mark.slow
def test_flow_changes_what_is_learnt_and_can_be_left_out(world: World, flow: Path, tmp_path: Path) -> None:
    cache, splits = world
    with_flow, without = (replace(SHORT, algorithm=one) for one in (algorithm_named("mvpl"), WITHOUT))
    assert without.modality == "rgb"
    lines = [
        read_metrics(train(config, training_source(config, folder), splits, tmp_path / name) / "metrics.jsonl")[0]
        for name, config, folder in (("with", with_flow, flow), ("without", without, cache.folder))
    ]
    assert lines[0]["supervised"] == lines[1]["supervised"], "the student's own look is the same"
    assert lines[0]["mvpl"] > lines[1]["mvpl_gradients"] > 0


def test_a_look_at_the_clips_before_the_first_step_sees_their_colours(world: World, flow: Path) -> None:
    model = ActionVLADConfig(image_size=16, width=4, architecture="resnet18", segments=2, clusters=2, n_classes=2)
    states = []
    for name, folder in (("mvpl", flow), ("fixmatch", world[0].folder)):
        config = replace(SHORT, model=model, algorithm=algorithm_named(name))
        student = build_student(config, say=False)
        prepare(student, config, training_clips(config, training_source(config, folder), world[1]))
        states.append(student.state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def words(values: dict[str, Any], before: str = "training.") -> Iterator[str]:
    """Settings as words of a command."""
    for name, value in values.items():
        yield from (f"--{before}{name}", str(value))


def test_frames_without_flow_are_refused_in_a_sentence(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, splits = world
    splits.write(tmp_path / "splits")
    given = ["train", str(tmp_path / "splits"), str(cache.folder), "--out", str(tmp_path / "out")]
    tiny = {"model.image_size": 16, "model.patch_size": 8, "model.n_classes": 2, "initial": "none"}
    assert cli.main([*given, "--algorithm", "mvpl", *words(tiny)]) == 2
    said = capsys.readouterr().err
    assert does_name(said, cache.folder, "rgb", "flow", "gymqa flow", "mvpl") and len(said.splitlines()) == 1
    with pytest.raises(GymQAError, match=naming("rgb", "rgb+flow", "mvpl")):
        train(MVPL, cache, splits, tmp_path / "out")


def test_listing_says_what_mvpl_trains_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "algorithms"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = "trains on the folder of `gymqa flow`, which names its frames"
    told = [line.split()[0] for line in lines if line.endswith(said)]
    assert told == ["mvpl"]


@pytest.mark.slow
def test_a_recipe_trains_on_flow_and_is_tested_on_its_frames(
    world: World, flow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world[1].write(tmp_path / "splits")
    (tmp_path / "splits" / CLASSES).write_text("down\nup\n")
    tiny = {
        "splits": str(tmp_path / "splits"), "frames": str(flow), "epochs": 2, "warm_up_epochs": 1,
        "training": {"precision": "no", "model": {"image_size": 16, "n_frames": 8, "width": 8}},
    }  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(json.dumps(tiny))
    given = ["recipes", "run", "--out", str(tmp_path), "--overrides", str(tmp_path / "tiny.yaml")]
    recipes = ROOT / "recipes"
    assert cli.main([*given, "--recipes", str(recipes), "--only", "mvpl_r3d18_gym99_5"]) == 0
    assert "mvpl_r3d18_gym99_5: Top-1" in capsys.readouterr().out
    assert json.loads((tmp_path / "mvpl_r3d18_gym99_5" / "result.json").read_text())["clips"] == 12


@pytest.mark.slow
def test_a_study_trains_on_flow_and_tests_on_frames(world: World, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})

    def compute() -> None:
        build_flow(run.folder / "flow", run.folder / "frames", "dis", workers=1)

    run.step("frames", {}, ["frames"], lambda: (run.folder / "frames").symlink_to(world[0].folder))
    run.step("flow", {}, ["flow"], compute)
    run.step("split", {}, ["splits/split"], lambda: world[1].write(run.folder / "splits" / "split"))
    config = replace(SHORT, algorithm=algorithm_named("mvpl"))
    training = study_trainings.Training("by-mvpl", config, "split")
    study_trainings.run_trainings(run, [training], 1)
    assert len(study_trainings.right_clips(run, training)) == 12
