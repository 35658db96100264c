"""A tuned GymMLLM answering multiple-choice questions by likelihood, in batches: nothing is parsed or guessed."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from encoders.base import Features
from encoders.collation import collate, length_buckets
from encoders.config import SCORINGS
from encoders.mllm import GymMLLM, answer_nll
from encoders.prompts import EncodedChat, Turn, encode_chat, letter_ids, with_video
from gymqa.draws import hash_key
from gymqa.errors import GymQAError
from gymqa.questions import LETTERS, Answer, Question, format_question
from gymqa.scoring import answer_from


class MLLMAnswerer:
    """An AnswerModel (see `eval.protocol`).

    Args:
        features: encoder tokens by clip id; not looked at when the model is blind.
        scoring: "letters": one pass, the logits of the letters behind `ASSISTANT:`; "texts": the log-likelihood of
            each choice's text as the answer to the question without choices, which was right more often in
            benchmarks/answer_scoring.py.
        length_normalised: divide a text's log-likelihood by its number of tokens.
        batch_size: conversations in one pass ("texts" makes one a choice).

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
        if scoring not in SCORINGS:
            raise GymQAError(f"there is no scoring {scoring!r}; choose one of {', '.join(SCORINGS)}")
        if features is None and not model.config.blind:
            raise GymQAError("this model was tuned with videos; give it a feature store to answer from")
        self.name, self._scoring, self._batch_size, self._normalised = name, scoring, batch_size, length_normalised
        self._model, self._tokenizer, self._features = model.eval(), tokenizer, features
        if scoring == "letters":
            letter_ids(tokenizer, LETTERS[:4])  # refuse here, not after an hour

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in order; a clip without features and a tie are unanswered, with the reason."""
        answers: dict[str, Answer] = {}
        askable = [question for question in questions if self._can_see(question)]
        for batch in self._batches(askable):
            scores = self._letter_scores(batch) if self._scoring == "letters" else self._text_scores(batch)
            for question, row in zip(batch, scores, strict=True):
                answers[question.id] = answer_from(question.id, row[: len(question.choices)].tolist())
        return [
            answers.get(question.id) or Answer(question.id, None, None, self._why_unseen(question.clip_id))
            for question in questions
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Everything the answers depend on besides the questions: model, features, scoring."""
        made = {"scoring": self._scoring, "length_normalised": self._normalised, **self._model.fingerprint()}
        if self._features is None or self._model.config.blind:
            return made
        known = hash_key(*sorted(self._features.keys()), *map(str, sorted(self._features.failures.items()))).hex()
        return {**made, "features": dict(self._features.fingerprint), "clips": known}

    def _why_unseen(self, clip_id: str) -> str:
        """Why a clip cannot be looked at."""
        failures = {} if self._features is None else self._features.failures
        return failures.get(clip_id, f"no features of clip {clip_id}; extract them")

    def _can_see(self, question: Question) -> bool:
        return self._model.config.blind or (self._features is not None and question.clip_id in self._features)

    def _batches(self, questions: Sequence[Question]) -> Iterator[list[Question]]:
        per_question = 1 if self._scoring == "letters" else max((len(one.choices) for one in questions), default=1)
        lengths = [len(format_question(question)) for question in questions]
        for rows in length_buckets(lengths, max(1, self._batch_size // per_question)):
            yield [questions[row] for row in rows]

    def _user(self, text: str) -> str:
        return text if self._model.config.blind else with_video(text)

    def _letter_scores(self, questions: Sequence[Question]) -> Tensor:
        """Logits of the letters at the last position [B, C]."""
        turns = [Turn(self._user(format_question(question))) for question in questions]
        chats = [encode_chat(self._tokenizer, [turn]) for turn in turns]
        letters = letter_ids(self._tokenizer, LETTERS[: max(len(question.choices) for question in questions)])
        logits, _ = self._logits(chats, [question.clip_id for question in questions], last=1)
        return logits[:, -1, letters].float().cpu()

    def _text_scores(self, questions: Sequence[Question]) -> Tensor:
        """Log-likelihood of the choices' texts [B, C], minus infinity where a question has fewer choices."""
        pairs = [(row, column) for row, one in enumerate(questions) for column in range(len(one.choices))]
        turns = [Turn(self._user(questions[row].text), questions[row].choices[column]) for row, column in pairs]
        chats = [encode_chat(self._tokenizer, [turn]) for turn in turns]
        logits, labels = self._logits(chats, [questions[row].clip_id for row, _ in pairs], last=0)
        nll, answered = answer_nll(logits, labels)
        likelihood = -nll.sum(1) / (answered.sum(1) if self._normalised else 1)
        scores = torch.full((len(questions), max(len(one.choices) for one in questions)), -torch.inf)
        rows, columns = zip(*pairs, strict=True)
        scores[list(rows), list(columns)] = likelihood.float().cpu()
        return scores

    @torch.inference_mode()
    def _logits(self, chats: Sequence[EncodedChat], clip_ids: Sequence[str], last: int) -> tuple[Tensor, Tensor]:
        """Logits of left-padded chats, of the `last` positions (0: all), and their labels."""
        device = self._model.device
        n_visual, pad = self._model.config.n_visual, self._tokenizer.pad_token_id
        batch = collate(chats, n_visual, pad, pad_left=True, share_prefix=True).to(device)
        videos = None
        if self._features is not None and not self._model.config.blind:
            videos = self._features.get(clip_ids).float().to(device)
        out = self._model(batch.ids, batch.mask, videos, prefix=batch.prefix, logits_to_keep=last)
        return out.logits, batch.labels
