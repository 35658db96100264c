"""Answering: likelihoods by hand, batches that change nothing, and clips that cannot be seen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoders.answering import shared_prefix
from encoders.answering.answerer import MLLMAnswerer
from encoders.llm.loading import llm_fingerprint, load_llm
from encoders.mllm.collate import collate
from encoders.mllm.model import GymMLLM
from encoders.mllm.prompts import Turn, encode_chat, letter_ids, with_video
from eval.run.protocol import Fingerprinted
from gymqa.errors import GymQAError
from gymqa.questions.distractors import build_questions
from gymqa.questions.schema import Question, format_question
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import ExampleFeatures, N
from tests.helpers.naming import does_name, naming


@pytest.fixture(scope="module")
def model() -> GymMLLM:
    return mllm_examples.model()


@pytest.fixture(scope="module")
def features() -> ExampleFeatures:
    return ExampleFeatures(mllm_examples.clips())


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return build_questions(mllm_examples.clips(), mllm_examples.taxonomy(), "gym-qa", 3)


def test_letters_are_scored_by_their_logits_behind_the_prompt(
    model: GymMLLM, features: ExampleFeatures, questions: list[Question]
) -> None:
    tokenizer, question = model.load_tokenizer(), questions[0]
    answer = MLLMAnswerer(model, tokenizer, features, "letters").answer([question])[0]
    batch = collate([encode_chat(tokenizer, [Turn(with_video(format_question(question)))])], N, 0, pad_left=True)
    with torch.no_grad():
        logits = model(batch.ids, batch.mask, features.get([question.clip_id])).logits[0, -1]
    expected = logits[letter_ids(tokenizer, "ABCD")].softmax(0)
    assert answer.probabilities == pytest.approx(expected.tolist(), abs=1e-4)
    assert answer.choice == int(expected.argmax())


@pytest.mark.parametrize("normalised", [False, True])
def test_texts_are_scored_token_by_token(
    model: GymMLLM, features: ExampleFeatures, questions: list[Question], normalised: bool
) -> None:
    tokenizer, question = model.load_tokenizer(), questions[1]
    answer = MLLMAnswerer(model, tokenizer, features, "texts", length_normalised=normalised).answer([question])[0]
    scores = []
    for choice in question.choices:
        chat = encode_chat(tokenizer, [Turn(with_video(question.text), choice)])
        batch = collate([chat], N, 0)
        with torch.no_grad():
            log = model(batch.ids, batch.mask, features.get([question.clip_id])).logits[0].log_softmax(-1)
        answered = [place for place, label in enumerate(batch.labels[0].tolist()) if label >= 0]
        likelihood = sum(float(log[place - 1, batch.labels[0, place]]) for place in answered)
        scores.append(likelihood / (len(answered) if normalised else 1))
    assert answer.probabilities == pytest.approx(torch.tensor(scores).softmax(0).tolist(), abs=1e-4)


@pytest.mark.slow
def test_a_clip_without_features_is_unanswered_and_no_other_takes_its_place(
    model: GymMLLM, questions: list[Question]
) -> None:
    known = ExampleFeatures(mllm_examples.clips()[1:])
    answerer = MLLMAnswerer(model, model.load_tokenizer(), known)
    answers = answerer.answer(questions)
    assert [one.question_id for one in answers] == [one.id for one in questions]
    assert answers[0].choice is None and questions[0].clip_id in (answers[0].error or "")
    assert all(one.choice is not None for one in answers[1:])
    others = MLLMAnswerer(model, model.load_tokenizer(), known).answer(questions[1:])
    assert [one.choice for one in others] == [one.choice for one in answers[1:]]


def test_questions_with_fewer_choices_share_a_batch(model: GymMLLM, features: ExampleFeatures) -> None:
    clips, taxonomy = mllm_examples.clips(), mllm_examples.taxonomy()
    mixed = [
        *build_questions(clips, taxonomy, "gym-qa", 1, 2)[:3],
        *build_questions(clips, taxonomy, "gym-qa", 2, 4)[:3],
    ]
    for scoring in ("letters", "texts"):
        answers = MLLMAnswerer(model, model.load_tokenizer(), features, scoring).answer(mixed)
        assert [len(one.probabilities or ()) for one in answers] == [2, 2, 2, 4, 4, 4]
        assert all(sum(one.probabilities or ()) == pytest.approx(1) for one in answers)


@pytest.mark.slow
def test_a_blind_model_answers_without_features(questions: list[Question]) -> None:
    model = mllm_examples.model(blind=True)
    answers = MLLMAnswerer(model, model.load_tokenizer()).answer(questions)
    assert all(one.choice is not None for one in answers)


def test_a_seeing_model_without_features_is_refused(model: GymMLLM) -> None:
    with pytest.raises(GymQAError, match="feature"):
        MLLMAnswerer(model, model.load_tokenizer())


def test_an_unknown_scoring_is_refused(model: GymMLLM, features: ExampleFeatures) -> None:
    with pytest.raises(GymQAError, match=naming("guess")):
        MLLMAnswerer(model, model.load_tokenizer(), features, "guess")


def test_no_questions_give_no_answers(model: GymMLLM, features: ExampleFeatures) -> None:
    assert MLLMAnswerer(model, model.load_tokenizer(), features).answer([]) == []


def test_the_reason_why_a_clip_cannot_be_seen_is_carried_through(model: GymMLLM, questions: list[Question]) -> None:
    lost = mllm_examples.clips()[0].id
    known = ExampleFeatures(mllm_examples.clips()[1:], failures={lost: "lost.mp4 is empty; copy it again"})
    answers = MLLMAnswerer(model, model.load_tokenizer(), known).answer(questions)
    assert [answer.error for answer in answers if answer.choice is None] == ["lost.mp4 is empty; copy it again"]


@pytest.mark.parametrize("scoring", ["letters", "texts"])
@pytest.mark.parametrize("trees", [True, False], ids=["trees", "in full"])
def test_a_question_longer_than_the_context_is_unanswered_and_the_others_are_not(
    model: GymMLLM, features: ExampleFeatures, questions: list[Question], scoring: str, trees: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(shared_prefix, "supports_token_trees", lambda config: trees)
    limit = model.llm.config.max_position_embeddings
    asked = [replace(questions[0], text="salto " * limit), questions[1]]
    long, short = MLLMAnswerer(model, model.load_tokenizer(), features, scoring).answer(asked)
    assert long.choice is None and short.choice is not None
    assert does_name(long.error or "", limit, "tiny-vicuna")
    alone = MLLMAnswerer(model, model.load_tokenizer(), features, scoring).answer(asked[1:])
    assert alone == [short]


def test_a_tie_is_unanswered_and_favours_no_letter(questions: list[Question]) -> None:
    model = mllm_examples.model(blind=True)
    tokenizer = model.load_tokenizer()
    with torch.no_grad():  # A and B, B and C, … cannot be told apart
        model.embeddings.get_parameter("weight")[letter_ids(tokenizer, "ABCD")] = 1.0
    answers = MLLMAnswerer(model, tokenizer, scoring="letters").answer(questions)
    assert all(answer.choice is None and does_name(answer.error or "", "tie") for answer in answers)
    assert answers[0].probabilities == pytest.approx([0.25] * 4)


@pytest.mark.slow
def test_the_fingerprint_tells_models_features_and_scorings_apart(model: GymMLLM) -> None:
    tokenizer, clips = model.load_tokenizer(), mllm_examples.clips()
    retuned = mllm_examples.model()
    with torch.no_grad():
        next(retuned.projector.parameters()).add_(0.01)
    adapted = mllm_examples.model()
    with torch.no_grad():
        next(one for name, one in adapted.named_parameters() if "lora_A" in name).add_(0.01)
    answerers = [
        MLLMAnswerer(model, tokenizer, ExampleFeatures(clips)),
        MLLMAnswerer(retuned, tokenizer, ExampleFeatures(clips)),
        MLLMAnswerer(adapted, tokenizer, ExampleFeatures(clips)),
        MLLMAnswerer(model, tokenizer, ExampleFeatures(clips, name="re-trained")),
        MLLMAnswerer(model, tokenizer, ExampleFeatures(clips[1:])),
        MLLMAnswerer(model, tokenizer, ExampleFeatures(clips[1:], failures={clips[0].id: "it is empty"})),
        MLLMAnswerer(model, tokenizer, ExampleFeatures(clips), "letters"),
        MLLMAnswerer(model, tokenizer, ExampleFeatures(clips), "texts", length_normalised=True),
    ]
    assert len({json.dumps(answerer.fingerprint()) for answerer in answerers}) == len(answerers)
    again = MLLMAnswerer(mllm_examples.model(), tokenizer, ExampleFeatures(clips), batch_size=3)
    assert again.fingerprint() == answerers[0].fingerprint()
    assert isinstance(again, Fingerprinted)


def test_a_language_model_that_is_made_anew_has_another_fingerprint(tmp_path: Path) -> None:
    model, tokenizer = load_llm("tiny-vicuna")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    first = llm_fingerprint(str(tmp_path))
    with torch.no_grad():
        next(model.parameters()).add_(0.01)
    model.save_pretrained(tmp_path)
    assert llm_fingerprint(str(tmp_path)) != first != llm_fingerprint("tiny-vicuna")


def test_a_language_model_that_is_not_there_is_refused_without_loading_it(tmp_path: Path) -> None:
    for name in (str(tmp_path), str(tmp_path / "none")):
        with pytest.raises(GymQAError, match=naming(name)):
            llm_fingerprint(name)
