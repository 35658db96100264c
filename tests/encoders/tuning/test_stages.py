"""The two stages of a tuning, its parts and precision, and what stops it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from encoders.mllm.model import GymMLLM
from encoders.tuning.batches import BatchMaker
from encoders.tuning.clips import PseudoLabel, TuningMaterial
from encoders.tuning.config import AlignmentSettings, FinetuneSettings
from encoders.tuning.finetune import Tuning, finetune
from gymqa.errors import GymQAError
from gymqa.io.files import only_writer
from gymqa.runtime.runs import read_metrics
from tests.helpers import mllm_examples
from tests.helpers.full_disk import disk_full_at, full_disk
from tests.helpers.mllm_examples import ExampleFeatures
from tests.helpers.naming import naming
from tests.helpers.tuning_world import SMALL, same, tuned

STAGES = ("alignment", "questions")


def tuning(settings: FinetuneSettings, folder: Path, weight: float | None = None) -> Tuning:
    clips = mllm_examples.clips()
    guessed = () if weight is None else tuple(PseudoLabel(clip, weight) for clip in clips[12:])
    labelled = tuple(clips if weight is None else clips[:12])
    return Tuning(TuningMaterial(ExampleFeatures(clips), labelled, mllm_examples.taxonomy(), guessed), settings, folder)


def weights(model: GymMLLM) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in model.named_parameters() if one.requires_grad}


@pytest.mark.slow
def test_the_first_stage_moves_the_projector_alone_and_the_second_both(tmp_path: Path) -> None:
    run = tuning(SMALL, tmp_path)
    before = weights(run.model)
    run.run(until=SMALL.caption_steps)
    aligned = weights(run.model)
    moved = {name for name in before if not torch.equal(before[name], aligned[name])}
    assert moved and all(name.startswith("projector.") for name in moved)
    again = tuning(SMALL, tmp_path)
    assert again.step == SMALL.caption_steps
    again.run()
    after = weights(again.model)
    moved = {name for name in before if not torch.equal(aligned[name], after[name])}
    assert {name.partition(".")[0] for name in moved} == {"projector", "llm"}
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["stage"] for line in lines] == [1.0] * 4 + [2.0] * 6


@pytest.mark.slow
def test_a_broken_gradient_of_the_adapters_does_no_harm_to_the_first_stage(tmp_path: Path) -> None:
    run = tuning(SMALL, tmp_path)
    adapters = {name: one for name, one in run.model.named_parameters() if "lora_B" in name}
    before = weights(run.model)
    for one in adapters.values():
        one.register_hook(lambda gradient: torch.full_like(gradient, float("nan")))
    run.run(until=SMALL.caption_steps)
    after = weights(run.model)
    assert adapters and all(torch.equal(before[name], after[name]) for name in adapters)
    assert all(bool(one.isfinite().all()) for one in after.values())


@pytest.mark.slow
def test_captions_teach_the_projector_to_say_the_names(tmp_path: Path) -> None:
    longer = replace(
        SMALL, llm="tiny-vicuna", steps=1, alignment=replace(SMALL.alignment, steps=40, learning_rate=1e-2)
    )
    tuning(longer, tmp_path).run()
    losses = [line["loss"] for line in read_metrics(tmp_path / "metrics.jsonl")]
    assert sum(losses[35:40]) < 0.6 * sum(losses[:5]), losses


@pytest.mark.slow
def test_parts_of_a_batch_add_up_to_the_batch(tmp_path: Path) -> None:
    tuning(SMALL, tmp_path / "whole").run()  # one after the other: accelerate counts the parts of a process once
    tuning(replace(SMALL, accumulation=4), tmp_path / "parts").run()
    one, other = tuned(tmp_path / "whole"), tuned(tmp_path / "parts")
    for name in one:
        torch.testing.assert_close(other[name], one[name], atol=2e-4, rtol=1e-3)
    lines = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    assert [line["loss"] for line in lines[1]] == pytest.approx([line["loss"] for line in lines[0]], rel=1e-3)


@pytest.mark.slow
def test_checkpointed_layers_give_the_same_gradients(tmp_path: Path) -> None:
    plain, saving = (
        tuning(SMALL, tmp_path / "plain"),
        tuning(replace(SMALL, gradient_checkpointing=True), tmp_path / "s"),
    )
    plain.run()
    saving.run()
    assert saving.model.llm.is_gradient_checkpointing
    one, other = tuned(tmp_path / "plain"), tuned(tmp_path / "s")
    for name in one:
        torch.testing.assert_close(other[name], one[name], atol=2e-4, rtol=1e-3)


@pytest.mark.slow
def test_a_pseudo_labelled_clips_loss_is_multiplied_by_its_weight(tmp_path: Path) -> None:
    settings = replace(SMALL, steps=1, batch_size=24, alignment=AlignmentSettings(steps=0))
    losses = {}
    for weight in (0.0, 0.5, 1.0):
        tuning(settings, tmp_path / str(weight), weight).run()
        losses[weight] = read_metrics(tmp_path / str(weight) / "metrics.jsonl")[0]["loss"]
    assert losses[0.0] < losses[0.5] < losses[1.0]
    assert losses[0.5] == pytest.approx((losses[0.0] + losses[1.0]) / 2, rel=1e-5)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_frozen_weights_may_be_bfloat16(tmp_path: Path) -> None:
    run = tuning(replace(SMALL, llm_dtype="bfloat16", precision="bf16"), tmp_path)
    run.run()
    kinds = {one.requires_grad: one.dtype for one in run.model.parameters()}
    assert kinds == {False: torch.bfloat16, True: torch.float32}
    assert all(line["loss"] == line["loss"] for line in read_metrics(tmp_path / "metrics.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "changes"),
    [
        (3, {}),
        (4, {"accumulation": 2, "workers": 0}),
        pytest.param(4, {"accumulation": 2, "precision": "bf16", "workers": 0}, marks=pytest.mark.exhaustive),
        (7, {"accumulation": 2}),
    ],
)
def test_a_run_stopped_in_either_stage_goes_on_to_the_same_bits(
    stop: int, changes: dict[str, Any], tmp_path: Path
) -> None:
    settings = replace(SMALL, feature_noise=0.2, lora=replace(SMALL.lora, dropout=0.1), **changes)
    tuning(settings, tmp_path / "whole", 0.8).run()
    tuning(settings, tmp_path / "stopped", 0.8).run(until=stop)
    again = tuning(settings, tmp_path / "stopped", 0.8)
    assert again.step == stop - stop % 2
    again.run()
    assert same(tmp_path / "whole", tmp_path / "stopped")
    lines = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "stopped")]
    assert lines[0] == lines[1] and len(lines[0]) == 10


@pytest.mark.slow
def test_what_does_not_touch_the_weights_may_change_when_a_run_goes_on(tmp_path: Path) -> None:
    tuning(SMALL, tmp_path).run(until=5)
    other = replace(SMALL, checkpoint_every=5, log_every=3, workers=3)
    assert tuning(other, tmp_path).step == 4
    with pytest.raises(GymQAError, match=naming("accumulation")):
        tuning(replace(SMALL, accumulation=2), tmp_path)


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_names_step_and_clips_and_keeps_the_state_before_it(tmp_path: Path) -> None:
    clips = mllm_examples.clips()
    features = ExampleFeatures(clips)
    broken = clips[7].id
    features.tokens[broken][0, 0] = float("nan")
    with pytest.raises(GymQAError, match=rf"step \d+ .*{broken}"):
        finetune(features, clips, mllm_examples.taxonomy(), SMALL, tmp_path)
    stopped = torch.load(tmp_path / "checkpoints" / "stopped.pt", weights_only=True)["state"]
    assert all(one.isfinite().all() for one in stopped["model"].values())
    assert not (tmp_path / "training.json").exists()


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    clips, taxonomy = mllm_examples.clips(), mllm_examples.taxonomy()
    finetune(ExampleFeatures(clips), clips, taxonomy, SMALL, tmp_path / "whole")
    refused = pytest.raises(GymQAError, match=naming("last.pt", "File too large"))
    with refused, disk_full_at(5, BatchMaker):  # the checkpoint of step 4 is written, that of step 6 is not yet
        finetune(ExampleFeatures(clips), clips, taxonomy, replace(SMALL, workers=0), tmp_path / "full")
    last = tmp_path / "full" / "checkpoints" / "last.pt"
    assert torch.load(last, weights_only=True)["state"]["step"] == 4
    finetune(ExampleFeatures(clips), clips, taxonomy, SMALL, tmp_path / "full")
    assert same(tmp_path / "whole", tmp_path / "full")


@pytest.mark.slow
def test_a_model_that_cannot_be_written_is_said_and_made_good(tmp_path: Path) -> None:
    clips, taxonomy = mllm_examples.clips(), mllm_examples.taxonomy()
    tuning(SMALL, tmp_path).run(until=9)
    whole = tuning(replace(SMALL, checkpoint_every=100), tmp_path)
    save = whole.model.save_pretrained

    def full(*words: Any, **options: Any) -> None:
        with full_disk(5_000):
            save(*words, **options)

    whole.model.save_pretrained = full  # type: ignore[method-assign]
    with pytest.raises(GymQAError, match=naming("projector.safetensors")):
        whole.run()
    assert not (tmp_path / "config.json").exists()
    finetune(ExampleFeatures(clips), clips, taxonomy, SMALL, tmp_path)
    assert (tmp_path / "config.json").exists() and not (tmp_path / "checkpoints").exists()


def test_two_tunings_do_not_write_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with (
        only_writer(tmp_path / "checkpoints", "the checkpoints in"),
        pytest.raises(GymQAError, match=naming(tmp_path / "checkpoints", "--out")),
    ):
        tuning(SMALL, tmp_path).run()
