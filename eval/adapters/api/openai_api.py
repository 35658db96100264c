"""Adapter `openai`: OpenAI-style chat-completions endpoints (OpenAI, vLLM, llama.cpp, `transformers serve`).

Frames are sent as JPEG data URLs before the question, with many requests in flight. The reply's text is parsed
strictly; where the server gives log-probabilities and the reply is a letter, they become the choices' probabilities.
The API key comes from an environment variable and is written to no result, log or error.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote

from eval.adapters.api.client import ApiClient, UnansweredError
from eval.adapters.api.clip_media import ClipMedia
from eval.adapters.api.replies import Reply, answer_of, read_reply
from eval.adapters.api.settings import ApiSettings
from eval.adapters.clip_frames import ClipFrames, require_frames, shown, shown_frames, stamp
from eval.adapters.prompting import INSTRUCTION, lettered
from eval.adapters.provenance import detailed
from eval.adapters.request import Loaded, Request
from eval.parsing.choice import VERSION
from eval.run.protocol import AnswerModel
from eval.run.response_cache import ResponseCache
from gymqa.errors import GymQAError
from gymqa.frames.controls import MISMATCHED, NO_VIDEO, NONE
from gymqa.questions.schema import Answer, Question, Tokens
from gymqa.questions.scoring import require_scoring

SCORINGS = ("letters", "generate")
_REFUSED_FIELDS = frozenset({400, 422})  # statuses of servers without `logprobs`


@dataclass(frozen=True, slots=True)
class _NoReply:
    """The reason why a question has no reply; `retry` where it may be temporary.

    `refused_after` is the number of replies that had come when the server refused it; None where it did not.
    """

    reason: str
    retry: bool = False
    refused_after: int | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A reply; `paid_before` where another run or question paid for it."""

    reply: Reply
    paid_before: bool = False


@dataclass
class Usage:
    """HTTP requests, replies received, replies from the cache, and tokens of the received ones."""

    requests: int = 0
    replies: int = 0
    from_cache: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class OpenAIModel:
    """AnswerModel over HTTP.

    Args:
        name: name in the leaderboard.
        model: the model's name at the endpoint.
        frames: frames of the clips; None asks without video.
        settings: of the endpoint.
        scoring: "letters" requests the first token's log-probabilities, "generate" the text alone.
        responses: cache of replies of earlier runs.

    Raises:
        GymQAError: invalid settings, or an unknown scoring.
    """

    def __init__(
        self,
        name: str,
        model: str,
        frames: ClipFrames | None,
        settings: ApiSettings,
        scoring: str = "letters",
        responses: ResponseCache | None = None,
    ) -> None:
        require_scoring("openai", scoring, SCORINGS)
        settings.check()
        self.name, self._model, self._frames, self._settings = name, model, frames, settings
        self._scoring, self._responses, self._key = scoring, responses, settings.key()
        as_video = settings.video == "base64"
        self._media: ClipMedia | None = None
        if frames is not None:
            self._media = ClipMedia(frames, settings.jpeg_quality, settings.short_side, as_video)
        self._run = ""
        self._wants_logprobs = scoring == "letters" and settings.top_logprobs > 0
        self._logprobs = self._wants_logprobs  # until the server refuses them
        self._usage, self._failed = Usage(), 0
        self._runner: asyncio.Runner | None = None
        self._client: ApiClient | None = None

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer per question, in order; where all attempts failed, unanswered with the reason, to be retried.

        A refusal is final only where the endpoint answered another question after it: without credit, for example,
        some refuse every question with the status of a wrong request.

        Raises:
            GymQAError: the endpoint refuses every question: a wrong key, model or address.
        """
        found = self._replies(questions)
        replies = self._usage.replies
        found = [
            replace(one, retry=True) if isinstance(one, _NoReply) and one.refused_after == replies else one
            for one in found
        ]
        return [self._answer(question, reply) for question, reply in zip(questions, found, strict=True)]

    def fingerprint(self) -> Mapping[str, Any]:
        """Everything known that the answers depend on; an endpoint may change its model without notice."""
        return {
            "model": self._model,
            "endpoint": self._settings.fingerprint(),
            "frames": None if self._frames is None else dict(self._frames.fingerprint()),
            "scoring": self._scoring,
            "instruction": INSTRUCTION,
            "reply_parser": VERSION,
        }

    def usage(self) -> Mapping[str, Any]:
        """Requests, replies and tokens since the model was created, and their cost at the settings' prices."""
        cost = self.cost(self._usage.prompt_tokens, self._usage.completion_tokens)
        requests = self._usage.requests + (0 if self._client is None else self._client.requests)
        return {**asdict(self._usage), "requests": requests, "cost": cost}

    def pay_for(self, run: str) -> None:
        """Name the run that pays for the following requests.

        Cached replies carry its name, so that a resumed run counts the tokens it paid for before it was stopped, and
        other runs do not.
        """
        self._run = run

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Cost of tokens at the settings' prices; None without prices."""
        prices = self._settings.input_price, self._settings.output_price
        return (prompt_tokens * prices[0] + completion_tokens * prices[1]) / 1e6 if any(prices) else None

    def close(self) -> None:
        """Close all connections; they are reopened when needed."""
        if self._runner is not None and self._client is not None:
            self._usage.requests += self._client.requests
            self._runner.run(self._client.close())
            self._runner.close()
        self._runner = self._client = None

    def _answer(self, question: Question, found: _Found | _NoReply) -> Answer:
        if isinstance(found, _NoReply):
            return Answer(question.id, None, None, found.reason, retry=found.retry)
        reply = found.reply
        answer = answer_of(question, reply)
        answer = detailed(answer, question, lettered(question), self._frames, reply.text, reply.revision)
        if self._settings.video == "url" and answer.detail is not None:  # the server chooses the frames
            answer = replace(answer, detail=replace(answer.detail, frames=()))
        if answer.detail is None or not (reply.prompt_tokens or reply.completion_tokens):
            return answer
        tokens = Tokens(reply.prompt_tokens, reply.completion_tokens, found.paid_before)
        return replace(answer, detail=replace(answer.detail, tokens=tokens))

    def _replies(self, questions: Sequence[Question]) -> list[_Found | _NoReply]:
        """A reply to each question, or the reason why there is none."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._ask_all(questions))

    async def _ask_all(self, questions: Sequence[Question]) -> list[_Found | _NoReply]:
        if self._client is None:
            self._client = ApiClient(self._settings, self._key)
        free = asyncio.Semaphore(self._settings.in_flight)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(question, self._client, free)) for question in questions]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(self, question: Question, client: ApiClient, free: asyncio.Semaphore) -> _Found | _NoReply:
        unseen = self._why_unseen(question.clip_id)
        if unseen is not None:
            return _NoReply(unseen)
        async with free:
            try:
                reply = await self._reply(question, client)
            except UnansweredError as error:
                self._failed += 1
                if self._failed >= self._settings.give_up_after:
                    raise GymQAError(
                        f"{self._failed} questions in a row got no answer, the last one because {error}; check the "
                        "endpoint, or raise --options.api.give_up_after, and the same command goes on"
                    ) from None
                return _NoReply(str(error), not error.status, self._usage.replies if error.status else None)
            self._failed = 0
            return reply

    def _why_unseen(self, clip_id: str) -> str | None:
        """The reason why a clip cannot be sent; None where it can."""
        if self._frames is None:
            return None
        unseen = self._frames.why_unseen(clip_id)
        if unseen is None and self._settings.video == "base64" and self._frames.times(clip_id) is None:
            return f"the frame rate of clip {clip_id} is not known; cache its images with --image_fps"
        return unseen

    async def _reply(self, question: Question, client: ApiClient) -> _Found:
        """The reply to a question, requested without log-probabilities where the server refuses them.

        It is cached under the request with log-probabilities, so that another run, which asks for them, finds it.
        """
        wanted = await asyncio.to_thread(self._body, question, self._wants_logprobs)
        request = hashlib.sha256(wanted).hexdigest(), self._model, {"url": self._settings.url()}
        cached = None if self._responses is None else self._responses.get(*request)
        if cached is not None:
            self._usage.from_cache += 1
            fields, payer = json.loads(cached), self._paying(question)
            return _Found(paid_before=fields.pop("payer", None) != payer, reply=Reply(**fields))
        refused = self._wants_logprobs and not self._logprobs
        body = await asyncio.to_thread(self._body, question, False) if refused else wanted
        try:
            reply = await client.post(body, read_reply)
        except UnansweredError as error:
            if error.status not in _REFUSED_FIELDS or b'"logprobs"' not in body:
                raise
            reply = await client.post(await asyncio.to_thread(self._body, question, False), read_reply)
            self._logprobs = False
        reply = self._without_key(reply)
        self._usage.replies += 1
        self._usage.prompt_tokens += reply.prompt_tokens
        self._usage.completion_tokens += reply.completion_tokens
        if self._responses is not None:
            self._responses.put(*request, json.dumps({**asdict(reply), "payer": self._paying(question)}))
        return _Found(reply)

    def _paying(self, question: Question) -> str:
        """Key of the payer of a reply: run and question, since two questions may differ in their ids only."""
        return hashlib.sha256(json.dumps([self._run, question.id]).encode()).hexdigest()[:16]

    def _body(self, question: Question, logprobs: bool) -> bytes:
        """The request's JSON body."""
        text: dict[str, Any] = {"type": "text", "text": lettered(question)}
        content: Any = text["text"] if self._frames is None else [*self._parts(question.clip_id), text]
        fields: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self._settings.max_tokens,
            "temperature": 0,
        }
        if logprobs:
            fields |= {"logprobs": True, "top_logprobs": self._settings.top_logprobs}
        fields |= self._settings.extra_fields()
        return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()

    def _parts(self, clip_id: str) -> list[dict[str, Any]]:
        """A clip as content parts of a message: a video, or images, each after its time."""
        assert self._media is not None and self._frames is not None
        if self._settings.video == "url":
            shown = self._frames.shown(clip_id)[0] or clip_id
            address = self._settings.video_address.replace("{clip_id}", quote(shown, safe=""))
            return [{"type": "video_url", "video_url": {"url": address}}]
        urls = self._media.urls(clip_id)
        if self._settings.video == "base64":
            return [{"type": "video_url", "video_url": {"url": urls[0]}}]
        detail = {"detail": self._settings.detail} if self._settings.detail else {}
        images = [{"type": "image_url", "image_url": {"url": url, **detail}} for url in urls]
        seconds = self._frames.seconds(clip_id)
        if seconds is None:
            return images
        times = [{"type": "text", "text": stamp(second)} for second in seconds]
        return [part for pair in zip(times, images, strict=True) for part in pair]

    def _without_key(self, reply: Reply) -> Reply:
        """The reply with the API key masked, should the server return it."""
        if self._key is None:
            return reply
        texts = {name: getattr(reply, name).replace(self._key, "[key]") for name in ("text", "chosen", "revision")}
        first = {token.replace(self._key, "[key]"): value for token, value in reply.first.items()}
        return replace(reply, first=first, **texts)


def load(request: Request) -> Loaded:
    """The adapter `openai`.

    Raises:
        GymQAError: invalid settings, no --frames, or an unknown scoring.
    """
    require_scoring("openai", request.scoring, SCORINGS)
    require_frames(request)
    if request.options.api.video == "url" and (changed := set(request.controls) - {NONE, NO_VIDEO, MISMATCHED}):
        raise GymQAError(
            f"frames of a video that is sent by its address cannot be {', '.join(sorted(changed))}; give "
            "--options.api.video base64 or frames for these controls"
        )
    options, scoring = request.options, request.scoring or "letters"
    replies = ResponseCache(options.replies or request.folder / "replies")

    def under(control: str) -> AnswerModel:
        return OpenAIModel(request.name, request.model, shown(control, request), options.api, scoring, replies)

    return Loaded(under, scoring, None, None if options.api.video == "url" else shown_frames(options))
