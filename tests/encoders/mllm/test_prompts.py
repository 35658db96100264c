"""The Vicuna v1.1 prompt, character by character and token by token."""

import json
import shutil
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer, models, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from encoders.llm import loading as llm
from encoders.llm.loading import load_tokenizer
from encoders.mllm.prompts import IGNORED, VIDEO_ID, Turn, encode_chat, letter_ids, render, with_video
from gymqa.errors import GymQAError
from tests.helpers.naming import naming
from tests.helpers.places import SHARED

LLAMA = SHARED / "real" / "llama_tokenizer" / "tokenizer.model"
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


@pytest.fixture(scope="module", params=["tiny-vicuna", "Llama"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tokenizer.model of tiny-vicuna, or the real one of Llama and Vicuna."""
    if request.param == "tiny-vicuna":
        return Path(llm.__file__).parents[1] / "tiny_vicuna"
    if not LLAMA.exists():
        pytest.skip("the Llama tokenizer is not in ../shared/real")
    folder = tmp_path_factory.mktemp("llama")
    shutil.copyfile(LLAMA, folder / "tokenizer.model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", "legacy": True}))
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return loaded


@pytest.fixture(scope="module")
def pieces(folder: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


@pytest.fixture(scope="module")
def tiny() -> PreTrainedTokenizerBase:
    return load_tokenizer("tiny-vicuna")


def test_the_text_is_vicunas_to_the_character() -> None:
    turns = [Turn("Hello?", "Hi."), Turn("Who are you?")]
    assert render(turns) == f"{SYSTEM} USER: Hello? ASSISTANT: Hi.</s>USER: Who are you? ASSISTANT:"


def test_a_conversation_has_the_tokens_that_sentencepiece_gives_it(
    tokenizer: PreTrainedTokenizerBase, pieces: sentencepiece.SentencePieceProcessor
) -> None:
    encoded = encode_chat(tokenizer, [Turn("Which? A.salto B.jump", "B"), Turn("Sure?", "Yes")])
    first = pieces.encode(f"{SYSTEM} USER: Which? A.salto B.jump ASSISTANT: B")
    second = _second_turn(tokenizer, pieces, "USER: Sure? ASSISTANT: Yes")
    assert encoded.ids == [1, *first, 2, *second, 2]


def test_only_the_answers_and_their_ends_are_learned(
    tokenizer: PreTrainedTokenizerBase, pieces: sentencepiece.SentencePieceProcessor
) -> None:
    encoded = encode_chat(tokenizer, [Turn("Which? A.salto B.jump", "B"), Turn("Sure?", "Yes")])
    learned = [label for label in encoded.labels if label != IGNORED]
    assert learned == [pieces.piece_to_id("▁B"), 2, pieces.piece_to_id("▁Yes"), 2]
    assert all(label in (IGNORED, one) for one, label in zip(encoded.ids, encoded.labels, strict=True))


def test_the_prompt_to_be_answered_ends_with_assistant_and_a_colon(
    tokenizer: PreTrainedTokenizerBase, pieces: sentencepiece.SentencePieceProcessor
) -> None:
    encoded = encode_chat(tokenizer, [Turn("Which?")])
    assert pieces.decode(encoded.ids[-5:]).endswith("ASSISTANT:") and pieces.id_to_piece(encoded.ids[-1]) == ":"
    assert set(encoded.labels) == {IGNORED}


def test_a_video_stands_between_the_tokens_around_it(
    tokenizer: PreTrainedTokenizerBase, pieces: sentencepiece.SentencePieceProcessor
) -> None:
    encoded = encode_chat(tokenizer, [Turn(with_video("What is it?"))])
    at = encoded.ids.index(VIDEO_ID)
    assert encoded.ids[:at] == [1, *pieces.encode(f"{SYSTEM} USER: ")]
    newline = pieces.piece_to_id("<0x0A>")
    assert encoded.ids[at + 1 :] == [newline, *_after_newline(pieces)]


def _second_turn(
    tokenizer: PreTrainedTokenizerBase, pieces: sentencepiece.SentencePieceProcessor, text: str
) -> list[int]:
    """A turn behind `</s>`: Llama's first tokenizers put a space before it ("legacy"), newer ones do not."""
    behind_newline: list[int] = pieces.encode(f"x\n{text}")
    spaced: list[int] = pieces.encode(text)
    legacy = getattr(tokenizer, "legacy", False)
    return spaced if legacy else behind_newline[behind_newline.index(pieces.piece_to_id("<0x0A>")) + 1 :]


def _after_newline(pieces: sentencepiece.SentencePieceProcessor) -> list[int]:
    whole: list[int] = pieces.encode("x\nWhat is it? ASSISTANT:")
    return whole[whole.index(pieces.piece_to_id("<0x0A>")) + 1 :]


def test_videos_may_stand_anywhere_and_more_than_once(tiny: PreTrainedTokenizerBase) -> None:
    encoded = encode_chat(tiny, [Turn("<video> or <video>\nWhich?", "A"), Turn("And <video>?")])
    assert encoded.ids.count(VIDEO_ID) == 3


def test_the_letters_ids_come_from_the_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.convert_ids_to_tokens(letter_ids(tokenizer, "ABCD")) == ["▁A", "▁B", "▁C", "▁D"]


def test_a_tokenizer_whose_answers_do_not_line_up_is_refused() -> None:
    made = Tokenizer(models.BPE())  # without words: it learns pieces that reach over spaces
    made.train_from_iterator([f"{SYSTEM} USER: Which? ASSISTANT: B"] * 9, trainers.BpeTrainer(special_tokens=["</s>"]))
    merging = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", name_or_path="merging")
    with pytest.raises(GymQAError, match=naming("merging", "'B'")):
        encode_chat(merging, [Turn("Which?", "B")])
    assert VIDEO_ID in encode_chat(merging, [Turn(with_video("Which?"))]).ids  # nothing to line up


def test_a_tokenizer_without_an_end_of_text_is_refused(tiny: PreTrainedTokenizerBase) -> None:
    endless = PreTrainedTokenizerFast(tokenizer_object=tiny.backend_tokenizer, bos_token="<s>")
    with pytest.raises(GymQAError, match=naming("'B'")):
        encode_chat(endless, [Turn("Which?", "B")])


def test_several_turns_and_videos_are_vicunas_token_by_token(
    tokenizer: PreTrainedTokenizerBase, pieces: sentencepiece.SentencePieceProcessor
) -> None:
    turns = [Turn("<video>\nWhich? A.x B.y", "A"), Turn("And <video>\nWhich? A.y B.x", "B"), Turn("<video>\nWhich?")]
    newline = pieces.piece_to_id("<0x0A>")

    def line(text: str) -> list[int]:
        whole: list[int] = pieces.encode(f"x\n{text}")
        return whole[whole.index(newline) :]

    def asked(text: str, *answers: str) -> list[int]:
        """What follows a video; the answer is its last token and the end's."""
        return [*line(f"{text} ASSISTANT:" + "".join(f" {answer}" for answer in answers)), *([2] if answers else [])]

    parts = [
        [1, *pieces.encode(f"{SYSTEM} USER: "), VIDEO_ID, *asked("Which? A.x B.y", "A")],
        [*_second_turn(tokenizer, pieces, "USER: And "), VIDEO_ID, *asked("Which? A.y B.x", "B")],
        [*_second_turn(tokenizer, pieces, "USER: "), VIDEO_ID, *asked("Which?")],
    ]
    encoded = encode_chat(tokenizer, turns)
    assert encoded.ids == [one for part in parts for one in part]
    kept = [[*[IGNORED] * (len(part) - 2), *part[-2:]] for part in parts[:2]]
    assert encoded.labels == [*kept[0], *kept[1], *[IGNORED] * len(parts[2])]
    assert [pieces.id_to_piece(one) for one in encoded.labels if one >= 0] == ["▁A", "</s>", "▁B", "</s>"]


@pytest.mark.parametrize("legacy", [True, False])
def test_turns_have_the_tokens_that_the_whole_conversation_has(folder: Path, tmp_path: Path, legacy: bool) -> None:
    shutil.copyfile(folder / "tokenizer.model", tmp_path / "tokenizer.model")
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": legacy, "add_bos_token": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    turns = [Turn("Hello?", "Hi."), Turn("Which? A.salto B.jump", "B"), Turn("Sure?", "Yes, it is."), Turn("Why?")]
    assert encode_chat(tokenizer, turns).ids == tokenizer(render(turns)).input_ids
    first_word = tokenizer.convert_ids_to_tokens(encode_chat(tokenizer, turns[:2]).ids)
    assert first_word[first_word.index("</s>") + 1].startswith("▁") is legacy


def test_letters_of_several_tokens_are_refused(tiny: PreTrainedTokenizerBase) -> None:
    with pytest.raises(GymQAError, match=naming("scoring='texts'")):
        letter_ids(tiny, "ABZ")
