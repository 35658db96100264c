"""Tuning: what it draws, that it learns, that a killed run goes on to the same weights, and what stops it."""

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import Ridge

from encoders.answering.answerer import MLLMAnswerer
from encoders.llm.lora import LoRASettings
from encoders.mllm.model import GymMLLM
from encoders.mllm.projector import Projector
from encoders.tuning.alignment import align, cross_validated_sharpness, pooling_weights
from encoders.tuning.clips import TuningMaterial
from encoders.tuning.config import AlignmentSettings, FinetuneSettings, QuestionMix
from encoders.tuning.finetune import Tuning, finetune
from encoders.tuning.question_data import QuestionData
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.questions.distractors import build_questions
from recognizers.training.checkpoint import LAST, STOPPED
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import ExampleFeatures, tiny_llm
from tests.helpers.naming import naming

SHORT = FinetuneSettings(
    llm=tiny_llm(),
    steps=6,
    batch_size=6,
    precision="float32",
    checkpoint_every=3,
    warmup=1,
    alignment=AlignmentSettings(steps=5, batch_size=24),
    projector="mlp2",
    lora=LoRASettings(r=4, dropout=0.1),
)


def _tuning(settings: FinetuneSettings, folder: Path) -> Tuning:
    clips = mllm_examples.clips()
    return Tuning(TuningMaterial(ExampleFeatures(clips), tuple(clips), mllm_examples.taxonomy()), settings, folder)


def _weights(model: GymMLLM) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in model.named_parameters() if one.requires_grad}


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = _tuning(SHORT, tmp_path / "whole")
    whole.run()
    _tuning(SHORT, tmp_path / "killed").run(until=5)  # its last checkpoint is of step 3
    resumed = _tuning(SHORT, tmp_path / "killed")
    assert resumed.step == 3
    resumed.run()
    expected = _weights(whole.model)
    for name, one in _weights(resumed.model).items():
        torch.testing.assert_close(one, expected[name], rtol=0, atol=0)


@pytest.mark.slow
def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    first, second = (_tuning(replace(SHORT, seed=seed), tmp_path / str(seed)) for seed in (0, 1))
    first.run()
    second.run()
    assert any(not torch.equal(one, _weights(second.model)[name]) for name, one in _weights(first.model).items())


@pytest.mark.slow
def test_tuning_teaches_the_projector_what_the_clips_are(tmp_path: Path) -> None:
    clips, unseen = mllm_examples.clips(), mllm_examples.clips(2, first=50)
    settings = FinetuneSettings(steps=10, batch_size=12, precision="float32")
    taxonomy = mllm_examples.taxonomy()
    model = GymMLLM.from_pretrained(finetune(ExampleFeatures(clips), clips, taxonomy, settings, tmp_path))
    questions = build_questions(unseen, taxonomy, "gym-qa", 7)
    answers = MLLMAnswerer(model, model.load_tokenizer(), ExampleFeatures(unseen), "texts").answer(questions)
    right = sum(answer.choice == question.answer for answer, question in zip(answers, questions, strict=True))
    assert right >= 9, f"{right} of {len(questions)}"


@pytest.mark.slow
def test_the_language_model_itself_stays_as_it_was(tmp_path: Path) -> None:
    run = _tuning(SHORT, tmp_path)
    before = {name: one.clone() for name, one in run.model.named_parameters() if not one.requires_grad}
    run.run()
    for name, one in run.model.named_parameters():
        if name in before:
            assert torch.equal(one, before[name])


@pytest.mark.slow
def test_a_gradient_that_is_not_a_number_is_not_stepped_on(tmp_path: Path) -> None:
    run = _tuning(replace(SHORT, checkpoint_every=1), tmp_path)
    adapter = next(one for name, one in run.model.named_parameters() if "lora_B" in name)
    adapter.register_hook(lambda gradient: gradient * (torch.inf if run.step == 5 else 1.0))
    with pytest.raises(GymQAError, match=r"gradient .*step 5 .*V\d_E_"):
        run.run()
    kept, last = (torch.load(tmp_path / name, weights_only=True)["state"] for name in (STOPPED, LAST))
    assert kept["step"] == last["step"] == 5 and not (tmp_path / "config.json").exists()
    for state in (kept["model"], last["model"], _weights(run.model)):
        assert all(torch.equal(one, last["model"][name]) and one.isfinite().all() for name, one in state.items())


def test_features_that_are_not_numbers_name_their_clip(tmp_path: Path) -> None:
    clips = mllm_examples.clips()
    features = ExampleFeatures(clips)
    features.tokens[clips[3].id][0, 0] = float("nan")
    with pytest.raises(GymQAError, match=naming(clips[3].id)):
        finetune(features, clips, mllm_examples.taxonomy(), SHORT, tmp_path)


@pytest.mark.slow
def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    _tuning(SHORT, tmp_path).run(until=4)
    with pytest.raises(GymQAError, match=naming("weight_decay")):
        _tuning(replace(SHORT, weight_decay=0.5), tmp_path)


@pytest.mark.slow
def test_a_checkpoint_of_another_encoders_features_is_refused(tmp_path: Path) -> None:
    clips, taxonomy = mllm_examples.clips(), mllm_examples.taxonomy()
    _tuning(SHORT, tmp_path).run(until=4)
    with pytest.raises(GymQAError, match=naming("encoder")):
        finetune(ExampleFeatures(clips, name="re-trained"), clips, taxonomy, SHORT, tmp_path)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for content in (b"half", _pickled({"step": 3})):
        (tmp_path / "checkpoints" / "last.pt").write_bytes(content)
        with pytest.raises(GymQAError, match=naming("last.pt")):
            _tuning(SHORT, tmp_path)


def _pickled(state: dict[str, int]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.mark.slow
def test_a_finished_folder_is_not_tuned_again_and_other_settings_leave_it_alone(tmp_path: Path) -> None:
    clips, taxonomy = mllm_examples.clips(), mllm_examples.taxonomy()
    finetune(ExampleFeatures(clips), clips, taxonomy, SHORT, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert finetune(ExampleFeatures(clips), clips, taxonomy, SHORT, tmp_path) == tmp_path
    for features, settings, differs in (
        (ExampleFeatures(clips), replace(SHORT, seed=1), "seed"),
        (ExampleFeatures(clips, name="re-trained"), SHORT, "encoder"),
    ):
        with pytest.raises(GymQAError, match=naming(tmp_path, differs)):
            finetune(features, clips, taxonomy, settings, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


def test_no_clip_with_features_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match="labelled"):
        finetune(ExampleFeatures([]), mllm_examples.clips(), mllm_examples.taxonomy(), SHORT, tmp_path)


def test_unlabelled_clips_are_never_trained_on() -> None:
    with pytest.raises(GymQAError, match=naming("V_E_000000_000001_A_0000_0001")):
        QuestionData(
            [Clip("V_E_000000_000001_A_0000_0001", "V", None)], mllm_examples.taxonomy(), QuestionMix(), 1, False, 0
        )


def test_every_epoch_draws_other_questions_and_the_same_epoch_the_same() -> None:
    mix = QuestionMix(1.0, 0.0, 0.0, {"gym-qa": 1.0})
    data = QuestionData(mllm_examples.clips(), mllm_examples.taxonomy(), mix, 1, False, 0)
    assert data.epoch(0) == data.epoch(0)
    turns = [{sample.clip_id: sample.turn for sample in data.epoch(number)} for number in (0, 1)]
    changed = sum(turns[0][clip] != turns[1][clip] for clip in turns[0])
    assert changed > len(data) / 2


def test_the_kinds_of_samples_follow_their_shares() -> None:
    mix = QuestionMix(letters=0.5, names=0.25, attributes=0.25)
    data = QuestionData(mllm_examples.clips(40), mllm_examples.taxonomy(), mix, 1, False, 0)
    answers = [sample.turn.answer or "" for sample in data.epoch(0)]
    kinds = Counter("letter" if one in "ABCD" else "yes-no" if one in ("Yes", "No") else "name" for one in answers)
    assert kinds["letter"] == pytest.approx(120, abs=30)
    assert kinds["name"] == pytest.approx(60, abs=25)
    assert kinds["yes-no"] == pytest.approx(60, abs=25)


def test_a_blind_model_is_never_shown_a_video() -> None:
    data = QuestionData(mllm_examples.clips(), mllm_examples.taxonomy(), QuestionMix(), 1, True, 0)
    assert not any("<video>" in sample.turn.user for sample in data.epoch(0))


def test_views_are_drawn_by_their_keys() -> None:
    data = QuestionData(mllm_examples.clips(20), mllm_examples.taxonomy(), QuestionMix(), 3, False, 0)
    views = Counter(sample.key.partition("@")[2] for sample in data.epoch(0))
    assert set(views) == {"", "1", "2"}


@pytest.mark.slow
def test_alignment_of_two_blended_names_lies_between_them() -> None:
    torch.manual_seed(0)
    targets = torch.randn(2, 3, 8)
    videos = torch.cat([torch.randn(1, 3, 16)] * 2).repeat(20, 1, 1)
    projector = Projector("mlp2", 16, 8, 3)
    settings = AlignmentSettings(steps=400, learning_rate=1e-2, weight_decay=0.0, noise=0.0, mixing=0.0)
    align(projector, videos, torch.tensor([0, 1] * 20), torch.arange(40), targets, settings, seed=0)
    torch.testing.assert_close(projector(videos[:1])[0], targets.mean(0), atol=0.05, rtol=0)


def test_a_joint_projector_is_aligned_as_ridge_regression_is_done_elsewhere() -> None:
    torch.manual_seed(0)
    targets, labels = torch.randn(3, 2, 8), torch.arange(3).repeat(10)
    for dim in (5, 40):  # fewer and more numbers than clips: the two forms of the solution
        videos = torch.randn(30, 2, dim)
        projector = Projector("joint", dim, 8, 2)
        align(projector, videos, labels, torch.arange(30), targets, AlignmentSettings(ridge=0.3), seed=0)
        x = torch.nn.functional.layer_norm(videos, (dim,)).flatten(1)
        gram = (x - x.mean(0)) @ (x - x.mean(0)).T if 2 * dim > 30 else (x - x.mean(0)).T @ (x - x.mean(0))
        expected = Ridge(alpha=float(0.3 * gram.diagonal().mean())).fit(x.numpy(), targets[labels].flatten(1).numpy())
        found = projector(videos).flatten(1).detach().numpy()
        assert found == pytest.approx(expected.predict(x.numpy()), abs=1e-4)


def _noisy_codes(noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(4).repeat(30)
    return torch.randn(4, 12, generator=generator)[labels] + noise * torch.randn(120, 12, generator=generator), labels


def test_a_codebook_says_a_clear_clips_name_and_blends_for_a_doubtful_one() -> None:
    targets = torch.randn(4, 3, 8)
    for noise, low, high in ((0.1, 0.95, 1.0), (4.0, 0.0, 0.7)):
        inputs, labels = _noisy_codes(noise)
        projector = Projector("codebook", 4, 8, 3, n_codes=4)
        align(projector, inputs.view(-1, 3, 4), labels, torch.arange(120), targets, AlignmentSettings(), seed=0)
        shares = (
            projector.layers(projector.norm(inputs.view(-1, 3, 4)).flatten(1)).softmax(-1).max(1).values.mean().item()
        )
        assert low <= shares <= high
        torch.testing.assert_close(projector.codes.detach(), targets)


def test_the_sharpness_of_guesses_falls_with_the_noise() -> None:
    chosen = []
    for noise in (0.2, 1.0, 3.0):
        inputs, labels = _noisy_codes(noise)
        shown = torch.nn.functional.one_hot(labels, 4).float()
        chosen.append(cross_validated_sharpness(inputs, labels, torch.arange(120), shown, 0.1))
    assert chosen == sorted(chosen, reverse=True) and chosen[0] > chosen[-1]


def test_pooling_averages_in_order() -> None:
    pooled = pooling_weights(4, 2) @ torch.tensor([[1.0], [3.0], [5.0], [7.0]])
    assert pooled.flatten().tolist() == [2.0, 6.0]
    assert (pooling_weights(2, 4) @ torch.tensor([[1.0], [3.0]])).flatten().tolist() == [1.0, 1.0, 3.0, 3.0]
