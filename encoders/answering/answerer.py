"""MLLMAnswerer: multiple-choice answers of a GymMLLM by likelihood of letters or choice texts, in batches."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from transformers import PreTrainedTokenizerBase

from encoders.answering.shared_prefix import SharedPrefixReader
from encoders.mllm.model import GymMLLM
from encoders.mllm.prompts import IGNORED, EncodedChat, Turn, encode_chat, letter_ids, render, with_video
from encoders.tuning.config import SCORINGS
from encoders.video.base import Features
from eval.adapters.float32_logits import IDENTITY, rounds_logits
from gymqa.errors import GymQAError
from gymqa.questions.schema import LETTERS, Answer, Question, format_question
from gymqa.questions.scoring import answer_from, require_scoring
from gymqa.runtime.seeding import hash_key

_CACHED = 4096  # encoded conversations


class Asked(NamedTuple):
    """A choice to score: likelihood of `answer` after `text`. The clip is "" for a blind model."""

    clip_id: str
    text: str
    answer: str


class MLLMAnswerer:
    """An AnswerModel (see `eval.run.protocol`); the model's weights must not change during its lifetime.

    Shared prefixes within a call are encoded once (see `shared_prefix.py`): the question without choices is the same in
    Gym-QA, Gym-QA-Hard and Gym-New, so that a name offered by two of them for a clip is scored once per call.

    Args:
        features: encoder tokens by clip id; unused when the model is blind.
        scoring: "letters": one pass, the logits of the letters behind `ASSISTANT:`; "texts": the log-likelihood of
            each choice's text as the answer to the question without choices, the more accurate one in
            benchmarks/studies/answer_scoring.py.
        length_normalised: divide a text's log-likelihood by its number of tokens.
        batch_size: conversations in one pass: questions under "letters", choices under "texts".

    Raises:
        GymQAError: an unknown scoring, or a tokenizer in which a letter is not one token.
    """

    def __init__(
        self,
        model: GymMLLM,
        tokenizer: PreTrainedTokenizerBase,
        features: Features | None = None,
        scoring: str = "texts",
        batch_size: int = 64,
        length_normalised: bool = False,
        name: str = "mllm",
    ) -> None:
        require_scoring("gymqa", scoring, SCORINGS)
        if features is None and not model.config.blind:
            raise GymQAError("this model was tuned with videos; give it a feature store to answer from")
        self.name, self._scoring, self._batch_size, self._normalised = name, scoring, batch_size, length_normalised
        self._model, self._tokenizer, self._features = model.eval(), tokenizer, features
        if scoring == "letters":
            letter_ids(tokenizer, LETTERS[:4])  # raise here, not after an hour
        self._reader = SharedPrefixReader(model, tokenizer.pad_token_id)
        self._known: dict[Asked, float] = {}
        self._chat = lru_cache(_CACHED)(self._encode)  # the same names are scored for many clips
        self._prompt, self._letter = lru_cache(1)(self._encode_prompt), lru_cache(len(LETTERS))(self._letter_id)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer per question, in order.

        A question about a clip without features, one longer than the model's context, and a tie are unanswered, with
        the reason.
        """
        return [
            Answer(question.id, None, None, self._why_unanswered(question))
            if scores is None
            else answer_from(question.id, scores)
            for question, scores in zip(questions, self.choice_logprobs(questions), strict=True)
        ]

    def choice_logprobs(self, questions: Sequence[Question]) -> list[tuple[float, ...] | None]:
        """Log-likelihood of each choice of each question, in nats; None where the question cannot be answered.

        Calls with many questions about the same clips are the fastest.
        """
        self._known.clear()
        asked = [() if self._why_unanswered(question) else self._asked(question) for question in questions]
        new = dict.fromkeys(one for choices in asked for one in choices if one not in self._known)
        at_a_time = self._batch_size * (max(map(len, asked), default=1) if self._scoring == "letters" else 1)
        for rows in passes(list(new), at_a_time):
            self._read(rows)
        return [tuple(self._known[one] for one in choices) or None for choices in asked]

    def prompt(self, question: Question) -> str:
        """The whole conversation up to the answer; under "texts" each choice follows it as an answer."""
        text = format_question(question) if self._scoring == "letters" else question.text
        return render([Turn(self._user(text))], self._tokenizer)

    def fingerprint(self) -> dict[str, Any]:
        """Everything the answers depend on besides the questions: model, features, scoring."""
        made = {"scoring": self._scoring, "length_normalised": self._normalised, **self._model.fingerprint()}
        made |= IDENTITY if rounds_logits(self._model.llm) else {}
        if self._features is None or self._model.config.blind:
            return made
        known = hash_key(*sorted(self._features.keys()), *map(str, sorted(self._features.failures.items()))).hex()
        return {**made, "features": dict(self._features.fingerprint), "clips": known}

    def _why_unanswered(self, question: Question) -> str | None:
        """The reason why a question cannot be answered (no features, too long); None where it can."""
        clip_id = question.clip_id
        if not self._model.config.blind and self._features is not None and clip_id not in self._features:
            return self._features.failures.get(clip_id, f"no features of clip {clip_id}; extract them")
        reasons = (self._reader.why_too_long(self._chat(one.text, one.answer)) for one in self._asked(question))
        return next((reason for reason in reasons if reason is not None), None)

    def _asked(self, question: Question) -> tuple[Asked, ...]:
        """The choices to score for a question."""
        clip_id = "" if self._model.config.blind else question.clip_id
        if self._scoring == "letters":
            text = format_question(question)
            return tuple(Asked(clip_id, text, letter) for letter in LETTERS[: len(question.choices)])
        return tuple(Asked(clip_id, question.text, choice) for choice in question.choices)

    def _read(self, rows: Sequence[Sequence[Asked]]) -> None:
        """Score rows of choices, each of one clip, in one forward pass, and store the likelihoods."""
        chats = [[self._chat(one.text, one.answer) for one in row] for row in rows]
        videos = None
        if self._features is not None and not self._model.config.blind:
            videos = self._features.get([row[0].clip_id for row in rows]).float()
        found = self._reader.log_likelihoods(chats, videos)
        for row, row_chats, likelihoods in zip(rows, chats, found, strict=True):
            for one, chat, likelihood in zip(row, row_chats, likelihoods, strict=True):
                n_tokens = sum(label != IGNORED for label in chat.labels) if self._normalised else 1
                self._known[one] = likelihood / n_tokens

    def _encode(self, text: str, answer: str) -> EncodedChat:
        """The conversation with one choice as its answer; a letter is scored without the `</s>` behind it."""
        user = self._user(text)
        if self._scoring == "texts":
            return encode_chat(self._tokenizer, [Turn(user, answer)])
        prompt, letter = self._prompt(user), self._letter(answer)
        return EncodedChat([*prompt.ids, letter], [*prompt.labels, letter])

    def _user(self, text: str) -> str:
        """The user's message."""
        return text if self._model.config.blind else with_video(text)

    def _encode_prompt(self, user: str) -> EncodedChat:
        return encode_chat(self._tokenizer, [Turn(user)])

    def _letter_id(self, letter: str) -> int:
        return letter_ids(self._tokenizer, LETTERS[: LETTERS.index(letter) + 1])[-1]


Item = TypeVar("Item")
_ROW = 2000  # characters of a row: attention is quadratic in it, and longer rows would share little more


def passes(asked: Sequence[Asked], limit: int) -> Iterator[list[list[Asked]]]:
    """Forward passes of rows of similar length, every choice once; a pass has at most `limit` choices."""
    rows = []
    for _, of_clip in groupby(sorted(asked, key=_prompt), key=lambda one: one.clip_id):
        parts = []  # choices of one question, kept together where possible
        for _, same in groupby(of_clip, key=_prompt):
            parts += list(_packed(list(same), (lambda one: len(one.answer), _ROW), (lambda one: 1, limit)))
        for together in _packed(parts, (_characters, _ROW), (len, limit)):
            rows.append([one for part in together for one in part])
    rows.sort(key=_characters)
    yield from _packed(rows, (len, limit))


def _packed(items: Sequence[Item], *limits: tuple[Callable[[Item], int], int]) -> Iterator[list[Item]]:
    """Group consecutive items with every cost sum within its limit; a single item may exceed it."""
    together: list[Item] = []
    sums = [0] * len(limits)
    for item in items:
        costs = [cost(item) for cost, _ in limits]
        sums = [sum_ + cost for sum_, cost in zip(sums, costs, strict=True)]
        if together and any(sum_ > limit for sum_, (_, limit) in zip(sums, limits, strict=True)):
            yield together
            together, sums = [], costs
        together.append(item)
    if together:
        yield together


def _prompt(one: Asked) -> tuple[str, str]:
    return one.clip_id, one.text


def _characters(row: Sequence[Asked]) -> int:
    """Number of characters of a row's prompts and answers."""
    return sum(map(len, {one.text for one in row})) + sum(len(one.answer) for one in row)
