"""The embedded language model: what it is, what its grammar covers, and that it reads names it has never met."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import LlamaForCausalLM

from encoders.llm import loading as llm_module
from encoders.llm.loading import load_llm, load_tokenizer
from encoders.mllm.prompts import IGNORED, Turn, render
from encoders.tiny_vicuna_pretraining.batches import Collator, input_embeddings
from encoders.tiny_vicuna_pretraining.corpus import TIERS, make_conversation, multiple_choice
from encoders.tiny_vicuna_pretraining.descriptions import PHRASES, QUESTIONS, describe, yes_no_question
from encoders.tiny_vicuna_pretraining.evaluation import accuracy
from encoders.tiny_vicuna_pretraining.grammar import all_moves, is_held_out
from encoders.tiny_vicuna_pretraining.run import report
from encoders.tiny_vicuna_pretraining.training import Pretraining, PretrainingConfig, held_out_moves, training_moves
from gymqa.io.files import read_json
from gymqa.runtime.runs import read_metrics
from gymqa.sim.elements import GYMSIM24

pytestmark = pytest.mark.slow

FOLDER = Path(llm_module.__file__).parents[1] / "tiny_vicuna"
TINY = PretrainingConfig(
    steps=24, batch_size=4, hidden=32, layers=2, feed_forward=32, heads=2, key_value_heads=1, probe_layer=1
)


def test_it_is_a_real_llama_of_at_most_eight_megabytes() -> None:
    model, tokenizer = load_llm("tiny-vicuna")
    assert isinstance(model, LlamaForCausalLM)
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 8_000_000
    assert model.config.vocab_size == len(tokenizer)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 0)


def test_its_tokenizer_is_the_sentencepiece_model_beside_it() -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / "tokenizer.model"))
    tokenizer, rng = load_tokenizer("tiny-vicuna"), random.Random(0)
    for _ in range(50):
        chat = make_conversation(all_moves(), rng, 4, 0.3)
        text = render([Turn(chat.user())])
        assert tokenizer(text).input_ids == [1, *pieces.encode(text)]


def test_any_text_can_be_spelled() -> None:
    tokenizer = load_tokenizer("tiny-vicuna")
    text = "Zażółć gęślą jaźń 体操?"
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True).strip() == text


def test_names_are_short_in_tokens() -> None:
    tokenizer = load_tokenizer("tiny-vicuna")
    lengths = [len(tokenizer(move.name, add_special_tokens=False).input_ids) for move in all_moves()]
    assert sum(lengths) / len(lengths) < 14


def test_every_name_of_the_grammar_is_unique_on_its_apparatus() -> None:
    names = [move.display_name for move in all_moves()]
    assert len(names) == len(set(names)) > 1000


def test_no_held_out_move_is_named_or_described_in_training() -> None:
    assert not set(training_moves()) & set(held_out_moves())
    assert len(held_out_moves()) > 80
    names = {move.display_name for move in held_out_moves()}
    rng = random.Random(0)
    for _ in range(300):
        chat = make_conversation(training_moves(), rng, 4, 0.3)
        assert chat.seen not in names and chat.other not in names


def test_gymsims_elements_are_on_the_training_side() -> None:
    moves = {move.display_name: move for move in all_moves()}
    for element in GYMSIM24:
        assert not is_held_out(moves[f"({element.event}) {element.name}"])


def test_the_right_choice_is_the_described_move_at_every_tier() -> None:
    rng = random.Random(1)
    for tier in TIERS:
        for _ in range(50):
            move = rng.choice(all_moves())
            chat = multiple_choice(move, all_moves(), rng, 4, tier, 0.5)
            assert chat.right is not None
            named = chat.answer if chat.kind == "choice-text" else chat.question.split(f" {chat.answer}.")[1]
            assert move.name in named


def test_yes_and_no_are_true_of_the_move() -> None:
    rng = random.Random(2)
    facts = {QUESTIONS[kind].format(value): (kind, value) for kind in QUESTIONS for value in PHRASES[kind]}
    for _ in range(200):
        move = rng.choice(all_moves())
        question, holds = yes_no_question(move, rng)
        assert holds == (facts[question] in move.facts)


def test_a_description_says_every_fact_of_the_move() -> None:
    rng = random.Random(3)
    move = next(move for move in all_moves() if move.name == "double salto backward tucked with 1 twist")
    words = describe(move, rng, plainness=1.0)
    for said in ("floor", "salto", "backward", "tucked", "1 turn", "double"):
        assert said in words


def test_a_soft_description_is_the_words_average_in_a_few_tokens() -> None:
    model, tokenizer = load_llm("tiny-vicuna")
    rng = random.Random(4)
    chat = multiple_choice(all_moves()[0], all_moves(), rng, 4, "random", 1.0)
    collator = Collator(tokenizer)
    batch = collator.batch(collator.rows([chat], rng, soft=1.0))
    table = model.get_input_embeddings()
    embedded = input_embeddings(table, batch, None)
    place = batch.ids[0] == -200
    assert 6 <= int(place.sum()) <= 9
    torch.testing.assert_close(embedded[0, place], (batch.pooling @ table(batch.word_ids))[0, : int(place.sum())])
    assert int((batch.labels != IGNORED).sum()) >= 2


def test_pre_training_killed_at_any_step_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    tokenizer = load_tokenizer("tiny-vicuna")
    config = replace(TINY, checkpoint_every=10)
    whole = Pretraining(config, tokenizer, tmp_path / "whole")
    whole.run()
    Pretraining(config, tokenizer, tmp_path / "killed").run(until=13)
    resumed = Pretraining(config, tokenizer, tmp_path / "killed")
    assert resumed.step == 13
    resumed.run()
    for name, one in resumed.model.state_dict().items():
        torch.testing.assert_close(one, whole.model.state_dict()[name], rtol=0, atol=0)


def test_every_checkpoint_reports_how_many_letters_are_right(tmp_path: Path) -> None:
    tokenizer = load_tokenizer("tiny-vicuna")
    run = Pretraining(replace(TINY, steps=2, checkpoint_every=2), tokenizer, tmp_path)
    run.run(on_checkpoint=lambda now: report(now, tokenizer, tmp_path / "metrics.jsonl"))
    (line,) = read_metrics(tmp_path / "metrics.jsonl")
    assert line["step"] == 2 and {"text", "soft"} <= line.keys()
    assert all(0 <= line[kind] <= 1 for kind in ("text", "soft"))


@pytest.mark.parametrize("scoring", ["letters", pytest.param("texts", marks=pytest.mark.exhaustive)])
def test_it_matches_descriptions_to_names_it_has_never_met(scoring: str) -> None:
    model, tokenizer = load_llm("tiny-vicuna")
    assert isinstance(model, LlamaForCausalLM)
    for soft in (0.0, 1.0):
        assert accuracy(model, tokenizer, held_out_moves(), 48, 5, "set", soft, scoring) > 0.75


def test_its_figures_lie_beside_it() -> None:
    figures_beside = read_json(FOLDER / "figures.json")
    assert set(figures_beside["held_out"]["text description, letters"]) == set(TIERS)
    assert {"config", "versions", "machine", "training_seconds"} <= set(figures_beside)
