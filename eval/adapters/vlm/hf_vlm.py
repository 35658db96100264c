"""Adapter `hf-vlm`: image-text-to-text models of transformers, shown clips as their makers do, in their chat template.

Three scorings: "letters", the logits of A, B, … behind the prompt, in one pass; "texts", the mean log-likelihood per
token of each choice's text as the reply to the question without choices; "generate", greedy decoding parsed by
`eval.parsing.choice`, where an unparsable reply is unanswered. Batches are padded on the left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from eval.adapters.clip_frames import ClipFrames, require_frames, shown, shown_frames
from eval.adapters.float32_logits import IDENTITY, float32_logits, rounds_logits
from eval.adapters.prompting import INSTRUCTION, lettered, no_choice
from eval.adapters.provenance import detailed
from eval.adapters.request import Loaded, Request, scoring_name
from eval.adapters.vlm.limits import halving, require_room
from eval.adapters.vlm.loading import LoadedVlm, load_vlm
from eval.adapters.vlm.processors import first_line, processing
from eval.adapters.vlm.showing import Showing
from eval.parsing.choice import VERSION, parse_choice
from eval.run.protocol import AnswerModel
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO
from gymqa.frames.video import Frames
from gymqa.hub.foreign_models import reading_foreign
from gymqa.questions.schema import LETTERS, Answer, Question
from gymqa.questions.scoring import answer_from, require_scoring
from gymqa.runtime.devices import choose_device

if TYPE_CHECKING:
    from torch import Tensor

SCORINGS = ("letters", "texts", "generate")
_Found = TypeVar("_Found")


class HfVlm:
    """AnswerModel over a model of transformers.

    Args:
        name: name in the leaderboard.
        loaded: the model and its processor.
        frames: frames of the clips; None asks without video.
        scoring: letters, texts or generate.
        batch_size: prompts in one pass ("texts" has one per choice), fewer where they do not fit into the memory;
            answers do not depend on it.
        max_new_tokens: length of a generated reply, in tokens.
        length_normalised: divide a text's log-likelihood by its number of tokens.

    Raises:
        GymQAError: an unknown scoring, no chat template, or letters that are no tokens of their own.
    """

    def __init__(
        self,
        name: str,
        loaded: LoadedVlm,
        frames: ClipFrames | None,
        scoring: str = "letters",
        batch_size: int = 8,
        max_new_tokens: int = 32,
        length_normalised: bool = True,
    ) -> None:
        require_scoring("hf-vlm", scoring, SCORINGS)
        self.name, self._loaded, self._frames, self._scoring = name, loaded, frames, scoring
        self._model, self._processor = loaded.model, loaded.processor
        self._revision = (loaded.identity.get("commit") or loaded.identity.get("files", ""))[:12]
        self._batch_size, self._max_new_tokens = max(1, batch_size), max_new_tokens
        self._normalised = length_normalised
        self._showing = Showing(loaded.family, frames)
        self._tail = self._prompt("?")[-1:]  # refuses a processor without a chat template here, not after an hour
        if scoring == "letters":
            self._letters = [self._letter_ids(letter) for letter in LETTERS]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer per question, in order; a clip without frames and a tie are unanswered, with the reason."""
        unseen = {question.id: self._why_unseen(question) for question in questions}
        askable = [question for question in questions if unseen[question.id] is None]
        found = {answer.question_id: answer for answer in self._answers(askable)}
        return [found.get(one.id) or Answer(one.id, None, None, unseen[one.id]) for one in questions]

    def choice_logprobs(self, questions: Sequence[Question]) -> list[tuple[float, ...] | None]:
        """Log-probabilities of the letters or mean ones of the texts; None without frames, and for generated text."""
        if self._scoring == "generate":
            return [None] * len(questions)
        askable = [question for question in questions if self._why_unseen(question) is None]
        found = {question.id: scores for question, scores in self._scores(askable)}
        return [found.get(question.id) for question in questions]

    def fingerprint(self) -> Mapping[str, Any]:
        """Everything the answers depend on besides the questions: model, frames, prompt, scoring; JSON values."""
        return {
            **self._loaded.identity,
            "frames": self._showing.fingerprint(),
            "processor": processing(self._processor),
            "scoring": self._scoring,
            "length_normalised": self._normalised if self._scoring == "texts" else None,
            "max_new_tokens": self._max_new_tokens if self._scoring == "generate" else None,
            "prompt": self._prompt("?" + INSTRUCTION),
            **({"reply_parser": VERSION} if self._scoring == "generate" else {}),
            **(IDENTITY if self._scoring != "generate" and rounds_logits(self._model) else {}),
        }

    def _why_unseen(self, question: Question) -> str | None:
        return self._showing.why_unseen(question.clip_id)

    def _answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        if self._scoring == "generate":
            yield from self._in_batches(questions, 1, self._generated)
            return
        for question, logprobs in self._scores(questions):
            yield detailed(
                answer_from(question.id, logprobs), question, self._recorded(question), self._frames, "", self._revision
            )

    def _asked(self, question: Question) -> str:
        """The prompt of a question, with its clip's times."""
        return self._prompt(self._text(question), question.clip_id)

    def _recorded(self, question: Question) -> str:
        """The prompt as results know it: one image or video, without times, which follow from the frames recorded."""
        return self._prompt(self._text(question))

    def _text(self, question: Question) -> str:
        return question.text if self._scoring == "texts" else lettered(question)

    def _scores(self, questions: Sequence[Question]) -> Iterator[tuple[Question, tuple[float, ...]]]:
        """Every question, in any order, with the log-probabilities of its choices."""
        if self._scoring == "letters":
            return self._in_batches(questions, 1, self._letter_scores)
        per_question = max((len(one.choices) for one in questions), default=1)
        return self._in_batches(questions, per_question, self._text_scores)

    def _in_batches(
        self,
        questions: Sequence[Question],
        prompts: int,
        work: Callable[[Sequence[Question], Sequence[Frames]], list[_Found]],
    ) -> Iterator[_Found]:
        """What work finds for batches of questions of `prompts` prompts each, whose clips are of one shape."""
        start = 0
        while start < len(questions):
            batch = questions[start : start + max(1, self._batch_size // prompts)]
            clips = self._showing.take([question.clip_id for question in batch])
            for rows in _alike(clips) if clips else [range(len(batch))]:
                fitting, found = halving(work, [batch[row] for row in rows], [clips[row] for row in rows if clips])
                if fitting < len(rows):
                    self._batch_size = fitting * prompts
                yield from found
            start += len(batch)

    def _letter_scores(
        self, questions: Sequence[Question], clips: Sequence[Frames]
    ) -> list[tuple[Question, tuple[float, ...]]]:
        """Log-probability of each letter as the next token, with or without a space before it."""
        inputs = self._inputs(questions, [self._asked(question) for question in questions], clips)
        asked = [
            (row, -1, token)
            for row, question in enumerate(questions)
            for ids in self._letters[: len(question.choices)]
            for token in ids
        ]
        logprobs = self._logits(inputs, 1, asked)[:, -1].log_softmax(-1)  # [B, V]
        rows = []
        for row, question in zip(logprobs, questions, strict=True):
            spelled = self._letters[: len(question.choices)]
            rows.append((question, tuple(float(row[ids].logsumexp(0)) for ids in spelled)))
        return rows

    def _text_scores(
        self, questions: Sequence[Question], clips: Sequence[Frames]
    ) -> list[tuple[Question, tuple[float, ...]]]:
        """Mean (or summed) log-probability of the tokens of each choice's text."""
        asked = [(question, choice) for question in questions for choice in question.choices]
        shown = [clip for question, clip in zip(questions, clips, strict=bool(clips)) for _ in question.choices]
        prompts = [self._asked(question) for question, _ in asked]
        replies = [self._joined(choice) for _, choice in asked]
        lengths = [
            len(self._ids(prompt + reply)) - len(self._ids(prompt))
            for prompt, reply in zip(prompts, replies, strict=True)
        ]
        texts = [prompt + reply for prompt, reply in zip(prompts, replies, strict=True)]
        inputs = self._inputs([question for question, _ in asked], texts, shown)
        wanted = [
            (row, -back - 1, int(inputs["input_ids"][row, -back]))
            for row, length in enumerate(lengths)
            for back in range(1, length + 1)
        ]
        logprobs = self._logits(inputs, max(lengths) + 1, wanted)[:, :-1].log_softmax(-1)  # [B, L, V]
        ids = inputs["input_ids"][:, -logprobs.shape[1] :]
        each = logprobs.gather(-1, ids[..., None])[..., 0]  # [B, L]
        sums = [float(row[-length:].sum()) for row, length in zip(each, lengths, strict=True)]
        scores = iter([one / length if self._normalised else one for one, length in zip(sums, lengths, strict=True)])
        return [(question, tuple(next(scores) for _ in question.choices)) for question in questions]

    def _generated(self, questions: Sequence[Question], clips: Sequence[Frames]) -> list[Answer]:
        """Answers parsed from greedy replies."""
        inputs = self._inputs(questions, [self._asked(question) for question in questions], clips)
        tokenizer = self._processor.tokenizer
        with torch.inference_mode():
            ids = self._model.generate(
                **inputs, max_new_tokens=self._max_new_tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        replies = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        answers = []
        for question, reply in zip(questions, replies, strict=True):
            choice = parse_choice(reply, question.choices)
            answer = Answer(question.id, choice, None, None if choice is not None else no_choice(reply))
            answers.append(detailed(answer, question, self._recorded(question), self._frames, reply, self._revision))
        return answers

    def _prompt(self, text: str, clip_id: str | None = None) -> str:
        """A conversation up to the model's reply, by its chat template; of no clip in particular without its times."""
        parts = [*self._showing.parts(clip_id), {"type": "text", "text": text}]
        conversation = [{"role": "user", "content": parts}]
        with reading_foreign(self._template_refusal):
            written = self._processor.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
        return str(written)

    def _template_refusal(self, error: Exception) -> GymQAError:
        """The error of a chat template that is missing or raises."""
        if getattr(self._processor, "chat_template", None) is None:
            return GymQAError(f"{self.name} has no chat template; put its chat_template.jinja into the folder")
        return GymQAError(
            f"the chat template of {self.name} fails ({first_line(error)}); mend its chat_template.jinja, or give "
            "another model"
        )

    def _inputs(self, questions: Sequence[Question], texts: Sequence[str], clips: Sequence[Frames]) -> dict[str, Any]:
        """A left-padded batch of texts with the questions' frames, on the model's device."""
        visual = self._showing.inputs([question.clip_id for question in questions], clips)
        batch = self._processor(
            text=list(texts), **visual, padding=True, padding_side="left",
            add_special_tokens=self._adds_specials(texts[0]), return_tensors="pt",
        )  # fmt: skip
        room = self._max_new_tokens if self._scoring == "generate" else 0
        require_room(self.name, self._model, batch["input_ids"].shape[1] + room, len(clips[0]) if clips else 0)
        return dict(batch.to(self._model.device, dtype=self._model.dtype))

    def _logits(self, inputs: Mapping[str, Any], last: int, wanted: Sequence[tuple[int, int, int]]) -> "Tensor":
        """Logits of the last positions [B, last, V]; those wanted, by row, position and token, computed in float32."""
        with float32_logits(self._model, *torch.tensor(wanted).T), torch.inference_mode():
            logits = self._model(**inputs, use_cache=False, logits_to_keep=last).logits
        found: Tensor = logits[:, -last:].float().cpu()
        return found

    def _adds_specials(self, text: str) -> bool:
        """Whether the tokenizer has to prepend its begin token; most chat templates write it themselves."""
        begin = self._processor.tokenizer.bos_token
        return begin is None or not text.startswith(begin)

    def _ids(self, text: str) -> list[int]:
        return list(self._processor.tokenizer(text, add_special_tokens=False).input_ids)

    def _joined(self, reply: str) -> str:
        """A reply as it follows the prompt: after a space, unless the prompt ends in white space."""
        return reply if self._tail.isspace() else f" {reply}"

    def _letter_ids(self, letter: str) -> list[int]:
        """Ids of the tokens that spell a letter behind the prompt.

        Raises:
            GymQAError: there is none.
        """
        prompt = self._prompt("?")
        before = self._ids(prompt)
        found = []
        for spelled in dict.fromkeys((self._joined(letter), letter)):
            ids = self._ids(prompt + spelled)
            if ids[:-1] == before and len(ids) == len(before) + 1:
                found.append(ids[-1])
        if not found:
            raise GymQAError(f"{self.name} has no token for the letter {letter}; choose the scoring texts or generate")
        return found


def _alike(clips: Sequence[Frames]) -> list[list[int]]:
    """Positions of clips [N, H, W, 3] of one shape, in groups: some processors stack what they make of a batch."""
    order = sorted(range(len(clips)), key=lambda row: clips[row].shape)
    return [list(rows) for _, rows in groupby(order, key=lambda row: clips[row].shape)]


def load(request: Request) -> Loaded:
    """The adapter `hf-vlm`.

    Raises:
        GymQAError: no such model, no --frames, or an unknown scoring.
    """
    require_scoring("hf-vlm", request.scoring, SCORINGS)
    require_frames(request)
    options, scoring = request.options, request.scoring or "letters"
    by_token = options.length_normalised is not False
    device = str(choose_device(request.device))
    blind = all(control == NO_VIDEO for control in request.controls)
    loaded = load_vlm(request.model, device, options.dtype, options.trust_remote_code, options.untried, blind)

    def under(control: str) -> AnswerModel:
        return HfVlm(
            request.name, loaded, shown(control, request), scoring, request.batch_size, length_normalised=by_token
        )

    return Loaded(
        under, scoring_name(scoring, by_token), loaded.identity.get("commit"), shown_frames(options),
        sum(one.numel() for one in loaded.model.parameters()),
    )  # fmt: skip
