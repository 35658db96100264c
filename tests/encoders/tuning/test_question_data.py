"""What is learned from: wordings, pseudo-labelled clips and their weights, and labels that nobody may read."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.llm.loading import load_tokenizer
from encoders.mllm.prompts import IGNORED, VIDEO_ID
from encoders.tuning.batches import BatchMaker, encode_caption
from encoders.tuning.clips import PseudoLabel, TuningMaterial, pseudo_labels, read_probabilities
from encoders.tuning.config import WORDINGS, FinetuneSettings, QuestionMix
from encoders.tuning.question_data import QuestionData
from encoders.tuning.setup import rate_share, tune_for_epochs
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.questions.schema import QUESTION_TEXT
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import ExampleFeatures
from tests.helpers.naming import does_name, naming
from tests.helpers.tuning_world import SMALL


def questions(mix: QuestionMix, weights: dict[str, float] | None = None) -> QuestionData:
    return QuestionData(mllm_examples.clips(40), mllm_examples.taxonomy(), mix, 1, False, 0, weights)


def test_questions_are_asked_in_many_wordings_and_half_of_them_in_the_benchmarks_own() -> None:
    data = questions(QuestionMix(1.0, 1.0, 0.0))
    asked = [sample.turn.user.removeprefix("<video>\n").partition(" A.")[0] for sample in data.epoch(0)]
    counts = Counter(asked)
    assert set(counts) == set(WORDINGS)
    assert counts[QUESTION_TEXT] == pytest.approx(120, abs=30)
    again = [sample.turn.user for sample in data.epoch(1)]
    assert again != [sample.turn.user for sample in data.epoch(0)]


def test_the_benchmarks_own_wording_must_be_among_those_that_are_trained() -> None:
    with pytest.raises(GymQAError, match=naming(QUESTION_TEXT)):
        QuestionMix(wordings=("Which move is shown?",))
    only = questions(QuestionMix(1.0, 1.0, 0.0, wordings=(QUESTION_TEXT,)))
    assert all(QUESTION_TEXT in sample.turn.user for sample in only.epoch(0))
    with pytest.raises(GymQAError, match=naming("<video>")):
        QuestionMix(wordings=(QUESTION_TEXT, "<video> What?"))


def test_a_guessed_label_is_asked_about_and_its_weight_goes_with_the_sample() -> None:
    weights = {mllm_examples.clips()[0].id: 0.75}
    drawn = {sample.clip_id: sample.weight for sample in questions(QuestionMix(), weights).epoch(0)}
    assert drawn.pop(mllm_examples.clips()[0].id) == 0.75
    assert set(drawn.values()) == {1.0}


def test_captions_say_the_elements_name_behind_the_video_alone() -> None:
    tokenizer = load_tokenizer()
    data = questions(QuestionMix())
    sample = data.captions(0)[0]
    assert sample.turn.answer == mllm_examples.NAMES[int(sample.clip_id[1])]
    chat = encode_caption(tokenizer, sample.turn.answer or "")
    assert chat.ids[:2] == [tokenizer.bos_token_id, VIDEO_ID]
    assert chat.labels[:2] == [IGNORED, IGNORED] and chat.labels[2:] == chat.ids[2:]
    assert tokenizer.decode(chat.ids[2:-1]).strip() == sample.turn.answer
    assert chat.ids[-1] == tokenizer.eos_token_id
    assert [one.clip_id for one in data.captions(1)] != [one.clip_id for one in data.captions(0)]


def rows(*sure: float) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    clips = mllm_examples.clips(1)
    return {clip.id: np.array([one, 1 - one]) for clip, one in zip(clips, sure, strict=False)}


def test_the_sure_ones_of_the_unlabelled_clips_are_taken_with_their_weight() -> None:
    clips = [replace(clip, label=None) for clip in mllm_examples.clips(1)]
    found = pseudo_labels(rows(0.95, 0.6, 0.05), clips[:3], [], 0.9)
    assert [(one.clip.id, one.clip.label, one.weight) for one in found] == [
        (clips[0].id, 0, 0.95), (clips[2].id, 1, 0.95)
    ]  # fmt: skip


def test_labels_in_the_unlabelled_list_are_never_read_and_labelled_clips_keep_theirs() -> None:
    clips = mllm_examples.clips(1)
    right = pseudo_labels(rows(0.95, 0.95, 0.95), [replace(clip, label=None) for clip in clips[:3]], clips[2:3], 0.9)
    wrong = pseudo_labels(rows(0.95, 0.95, 0.95), [replace(clip, label=5) for clip in clips[:3]], clips[2:3], 0.9)
    assert wrong == right
    assert clips[2].id not in {one.clip.id for one in right}


def test_predictions_of_other_clips_are_refused_and_of_val_never_used() -> None:
    clips = mllm_examples.clips(1)
    with pytest.raises(GymQAError, match=naming("--clips unlabelled.txt")):
        pseudo_labels(rows(0.9), clips[3:], [], 0.5)
    assert len(pseudo_labels(rows(0.9, 0.9, 0.9), clips[:1], [], 0.5)) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", ()),
        ('{"clip_id": "a"}', ()),
        ('{"clip_id": "a", "probabilities": [0.5, 0.2, 0.3]}', ("probabilities", 2)),
        ('{"clip_id": "a", "probabilities": [NaN, 0.2]}', ("probabilities", 2)),
        ('{"clip_id": "a", "probabilities": [[0.5], [0.5]]}', ("probabilities", 2)),
        ('{"clip_id": "b", "probabilities": [0.5, 0.5]}', ("b", "twice")),
    ],
)
def test_a_wrong_line_of_predictions_is_named(line: str, says: tuple[object, ...], tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"clip_id": "b", "label": 7, "probabilities": [0.1, 0.9]}) + "\n" + line + "\n")
    with pytest.raises(GymQAError, match=naming("p.jsonl:2", *says)):
        read_probabilities(file, 2)


def test_a_clip_that_did_not_decode_has_no_pseudo_label(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"clip_id": "b", "label": null, "probabilities": null, "error": "broken"}\n')
    assert read_probabilities(file, 2) == {}
    with pytest.raises(GymQAError, match=naming("absent.jsonl", "gymqa predict")):
        read_probabilities(tmp_path / "absent.jsonl", 2)


def material(clips: list[Clip], pseudo: tuple[PseudoLabel, ...] = ()) -> TuningMaterial:
    return TuningMaterial(ExampleFeatures(clips), tuple(clips), mllm_examples.taxonomy(), pseudo)


def test_clips_without_features_are_listed_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = mllm_examples.clips()
    features = ExampleFeatures(clips[2:], failures={clips[0].id: "it did not decode"})
    guessed = tuple(PseudoLabel(clip, 0.9) for clip in clips[20:])
    made = TuningMaterial(features, tuple(clips[:20]), mllm_examples.taxonomy(), guessed).with_features(1)
    assert (len(made.labelled), len(made.pseudo)) == (18, 4)
    made.tell_missing(tmp_path)
    absent = "its features, or those of a view, are not in the store"
    listed = (tmp_path / "left_out.txt").read_text()
    assert listed == f"{clips[0].id}\tit did not decode\n{clips[1].id}\t{absent}\n"
    assert does_name(capsys.readouterr().err, "2 of 24")


def test_the_clips_fingerprint_holds_labels_guesses_and_weights() -> None:
    clips = mllm_examples.clips()
    made = {
        material(clips).fingerprint,
        material(clips, (PseudoLabel(clips[0], 0.9),)).fingerprint,
        material(clips, (PseudoLabel(clips[0], 0.8),)).fingerprint,
        material(clips, (PseudoLabel(replace(clips[0], label=3), 0.9),)).fingerprint,
    }
    assert len(made) == 4


@pytest.mark.parametrize("step", [0, 3, 4, 9])
def test_processes_and_parts_share_a_step_without_gap_or_overlap(step: int) -> None:
    clips, settings = mllm_examples.clips(), replace(SMALL, accumulation=2)
    data = QuestionData(clips, mllm_examples.taxonomy(), settings.mix, 1, False, 0)

    def makers(process: tuple[int, int], one: FinetuneSettings) -> BatchMaker:
        return BatchMaker(ExampleFeatures(clips), data, load_tokenizer(), one, 7, process)

    whole = makers((0, 1), replace(settings, accumulation=1)).at(step)
    shared = [makers((rank, 2), settings).at(step) for rank in (0, 1)]
    assert len(whole.parts) == 1 and len(whole) == 8
    assert [len(one.parts) for one in shared] == [2, 2] and [len(one) for one in shared] == [4, 4]
    ids = [clip for one in shared for part in one.parts for clip in part.clip_ids]
    assert sorted(ids) == sorted(whole.parts[0].clip_ids)


def test_another_seed_takes_the_batches_of_like_length_in_another_order() -> None:
    clips = mllm_examples.clips(16)
    data = QuestionData(clips, mllm_examples.taxonomy(), SMALL.mix, 1, False, 0)
    orders = set()
    for seed in range(4):
        maker = BatchMaker(ExampleFeatures(clips), data, load_tokenizer(), replace(SMALL, seed=seed), 7)
        orders.add(tuple(maker.at(SMALL.caption_steps + step).parts[0].clip_ids for step in range(4)))
    assert len(orders) > 1


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    clips = mllm_examples.clips()
    data = QuestionData(clips, mllm_examples.taxonomy(), SMALL.mix, 1, False, 0)
    with pytest.raises(GymQAError, match=naming(8, 3)):
        BatchMaker(ExampleFeatures(clips), data, load_tokenizer(), SMALL, 7, (0, 3))
    with pytest.raises(GymQAError, match=naming("batch_size 8", "accumulation", 3)):
        replace(SMALL, accumulation=3)


def test_the_rates_rise_and_fall() -> None:
    shares = [rate_share(step, 100, 10, "cosine", 0.0) for step in range(100)]
    assert shares[0] == pytest.approx(0.1, abs=1e-3) and max(shares) == shares[9] and shares[-1] < 1e-3
    assert rate_share(50, 100, 0, "linear", 0.0) == 0.5
    assert rate_share(99, 100, 0, "constant", 0.0) == 1.0
    assert rate_share(100, 100, 0, "cosine", 0.25) == pytest.approx(0.25)


def test_epochs_are_passes_over_the_clips() -> None:
    made = tune_for_epochs(SMALL, 10, 2, 0.03, 1316)
    assert (made.steps, made.alignment.steps, made.warmup) == (1645, 329, 50)
    assert tune_for_epochs(SMALL, 0, 0, 0.0, 1316) == SMALL
    with pytest.raises(GymQAError, match=naming("epochs", "alignment_epochs")):
        tune_for_epochs(SMALL, -1, 0, 0.0, 5)
