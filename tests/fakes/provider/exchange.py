"""One request and what it gets: an answer, a refusal, or a broken one. Knows no format and no pace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from aiohttp import web

from tests.fakes.provider.answers import Answer, Ask, Json, Prefill, answer
from tests.fakes.provider.delivery import Delivery
from tests.fakes.provider.faults import Fault, refuses
from tests.fakes.provider.refusals import Reason, Refused, page, refusal
from tests.fakes.provider.routes import Task
from tests.fakes.provider.wire import Script, Wire, output_tokens

T = TypeVar("T")
ANOTHER_MODEL: Final = "another-model"
HALVES: Final = (" \ud83e", "\udd9c")
"""Of a parrot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the fake does with every request."""

    prefill: Prefill
    models: Sequence[str]
    dimensions: int
    says: str | None = None
    """The text of every answer, whatever was asked."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """`body` None: the request had no JSON object; `task` None: its path is unknown."""

    delivery: Delivery
    wire: Wire
    task: Task | None
    model: str
    path: str
    body: Json | None
    fault: Fault | None
    habits: Habits

    async def respond(self) -> web.StreamResponse:
        try:
            if refuses(self.delivery.fault):
                raise Refused(self.delivery.fault)
            return await self._broken() or await self._answer()
        except Refused as refused:
            return self._refuse(refused.reason)

    async def _broken(self) -> web.StreamResponse | None:
        """The faults that come instead of any answer; None where there is to be one."""
        match self.delivery.fault:
            case "close":
                self.delivery.close()
                return web.Response()
            case "reset" if not self.delivery.after_tokens:
                self.delivery.reset()
                return web.Response()
            case "html":
                return await self.delivery.whole(page("Sign in"), 0, content_type="text/html")
            case "error_200":
                return await self.delivery.whole(self.wire.error_body, 0)
            case "slow_headers":
                await self.delivery.wait()
            case _:
                pass
        return None

    async def _answer(self) -> web.StreamResponse:
        if self.task is None:
            raise Refused("unknown_url")
        if self.task == "models":
            return await self.delivery.whole(self.wire.models(self.habits.models), 0)
        if self.body is None:
            raise Refused("no_json")
        return await (self._chat(self.body) if self.task == "chat" else self._embed(self.body))

    async def _chat(self, body: Json) -> web.StreamResponse:
        asked = _sound(lambda: self.wire.read(self.path, body))
        if asked.prefix and self.habits.prefill == "refuse":
            raise Refused("no_prefill")
        answers = self._answers(asked)
        usage = self.delivery.fault != "no_usage"
        match self.delivery.fault:
            case "empty_stream" if asked.stream:
                return await self.delivery.stream(Script(b"", [], self.wire.end))
            case "empty_stream":
                return await self.delivery.whole(b"", 0)
            case "wrong_model":
                asked = replace(asked, model=ANOTHER_MODEL)
            case _:
                pass
        if asked.stream and self.delivery.fault != "unstreamed":
            script = self.wire.script(asked, answers, usage=usage)
            return await self.delivery.stream(_blank(script) if self.delivery.fault == "blank_finish" else script)
        return await self.delivery.whole(self.wire.whole(asked, answers, usage=usage), output_tokens(answers))

    async def _embed(self, body: Json) -> web.StreamResponse:
        model = ANOTHER_MODEL if self.delivery.fault == "wrong_model" else self.model
        usage = self.delivery.fault != "no_usage"
        made = _sound(lambda: self.wire.embeddings(model, body, self.habits.dimensions, usage=usage))
        return await self.delivery.whole(b"" if self.delivery.fault == "empty_stream" else made, 0)

    def _answers(self, asked: Ask) -> list[Answer]:
        """The choices, less what a fault of the content takes."""
        answers = answer(asked, self.habits.prefill, self.habits.says)
        match self.delivery.fault:
            case "empty_choices":
                return []
            case "content_filter":
                return [each.cut(self.delivery.after_tokens, "filtered") for each in answers]
            case "empty_answer":
                return [each.cut(0, "stop") for each in answers]
            case "split_character" | "half_character":
                halves = [*HALVES] if self.delivery.fault == "split_character" else [HALVES[0]]
                return [replace(each, tokens=_put(halves, each.tokens, self.delivery.after_tokens)) for each in answers]
            case "eof" if not asked.stream:
                return [each.cut(self.delivery.after_tokens, None) for each in answers]
        return answers

    def _refuse(self, reason: Reason) -> web.Response:
        said = refusal(self.wire.kind, reason, model=self.model, fault=self.fault)
        headers = {"content-type": said.content_type, **self.delivery.headers}
        if self.fault is not None and self.fault.retry_after_header is not None:
            headers["retry-after"] = self.fault.retry_after_header
        self.delivery.asked.finished = True
        return web.Response(status=said.status, body=said.body, headers=headers)


def _put(pieces: list[str], tokens: list[str], place: int) -> list[str]:
    return [*tokens[:place], *pieces, *tokens[place:]]


def _blank(script: Script) -> Script:
    """The same with "" where a finish is null."""

    def blank(event: bytes) -> bytes:
        for name in (b'"finish_reason":', b'"stop_reason":'):
            event = event.replace(name + b"null", name + b'""')
        return event

    return Script(blank(script.head), [blank(each) for each in script.tokens], blank(script.tail))


def _sound(read: Callable[[], T]) -> T:
    """What a format reads in a body; a refusal where the body isn't of that format."""
    try:
        return read()
    except (AttributeError, KeyError, TypeError) as error:
        raise Refused("no_json") from error
