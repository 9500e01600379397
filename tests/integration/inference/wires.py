"""What the contract suite runs over: every wire, and what each makes of every fault of the fake provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from app.inference.answers import Chunk, Completion
from app.inference.dialects.chat import CHAT
from app.inference.dialects.dialect import ProviderDialect
from app.inference.provider_errors import FailureKind
from app.inference.wires.compatible import CompatibleWire
from app.inference.wires.dialect_wire import DialectWire, VendorFormat
from app.inference.wires.gemini import GeminiFormat
from app.inference.wires.messages import MessagesFormat
from app.inference.wires.through_litellm import LitellmWire
from app.inference.wires.wire import EmbeddingResult, ProviderCall, Wire, WrittenCall
from tests.fakes.provider import FakeProvider, FaultName
from tests.fakes.provider.faults import RefusalName
from tests.fakes.provider.refusals import Kind as Format

KEY = "sk-a-key-of-ours-0123456789"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]},
        },
    }
]
How = Literal["complete", "stream"]


class ChatSpeaker:
    """A wire of another dialect that takes calls in Chat Completions, as the engine writes them for it."""

    def __init__(self, wire: DialectWire, dialect: ProviderDialect) -> None:
        self._wire = wire
        self._dialect = dialect

    async def complete(self, call: ProviderCall) -> Completion:
        return await self._wire.complete(self._written(call))

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Chunk]:
        async with aclosing(self._wire.stream(self._written(call))) as chunks:
            async for chunk in chunks:
                if chunk.raw:  # the others say nothing in Chat Completions
                    yield chunk

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        return await self._wire.embed(model, texts, parameters)

    def supports(self, parameter: str) -> bool:
        return self._wire.supports(parameter)

    async def close(self) -> None:
        await self._wire.close()

    def _written(self, call: ProviderCall) -> ProviderCall:
        asked = CHAT.read_request({**call.parameters, "model": call.model, "messages": call.messages})
        return replace(call, written=WrittenCall(self._dialect.write_request(asked).body, asked))


VENDORS: Mapping[str, Callable[[], VendorFormat]] = {"anthropic": MessagesFormat, "gemini": GeminiFormat}


@dataclass(frozen=True, slots=True)
class Kept:
    """A wire under test. `speaks`: the fake's format that it is pointed at."""

    name: str
    wire: type[CompatibleWire] | type[LitellmWire] | type[DialectWire]
    kind: str
    speaks: Format

    def open(self, fake: FakeProvider, **options: Any) -> Wire:
        return self.at(fake.api_base(self.speaks), **options)

    def at(self, base: str, **options: Any) -> Wire:
        given = {"api_key": KEY, "connect_seconds": 2.0, "connections": 20} | options
        if issubclass(self.wire, DialectWire):
            vendor = VENDORS[self.kind]()
            return ChatSpeaker(DialectWire(vendor, api_base=base, **given), vendor.dialect)
        return self.wire(kind=self.kind, api_base=base, **given)


WIRES = (
    Kept("openai", CompatibleWire, "openai", "openai"),
    Kept("groq", CompatibleWire, "groq", "groq"),
    Kept("local", CompatibleWire, "local", "openai"),
    Kept("anthropic", DialectWire, "anthropic", "anthropic"),
    Kept("gemini", DialectWire, "gemini", "gemini"),
    Kept("litellm-openai", LitellmWire, "openai", "openai"),
)
"""The last one shows the way through litellm, which other kinds take: what it does to a format doesn't depend on the format."""


def call(*messages: str | dict[str, Any], max_tokens: int = 200, **parameters: Any) -> ProviderCall:
    """A text is a user's message."""
    said = [{"role": "user", "content": each} if isinstance(each, str) else each for each in messages]
    return ProviderCall("fake-1", said, {"max_tokens": max_tokens, **parameters})


@dataclass(frozen=True, slots=True)
class Fails:
    kind: FailureKind
    status: int | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """No fault. `finish`: of the answer; `usage`: whether one came."""

    finish: str | None = "stop"
    usage: bool = True
    model: str = "fake-1"


Expected = Fails | Answers
MALFORMED, CUT, RESET = Fails("malformed", unknown=True), Fails("cut", unknown=True), Fails("reset", unknown=True)
EMPTY, FAILED = Fails("empty", unknown=True), Fails("server_error")

REFUSED: dict[RefusalName, Fails] = {
    "bad_request": Fails("caller", 400),
    "content_policy": Fails("content_policy", 400),
    "context_too_long": Fails("context_too_long", 400),
    "401": Fails("key", 401),
    "402": Fails("quota", 402),
    "403": Fails("key", 403),
    "404": Fails("model", 404),
    "429": Fails("rate_limited", 429),
    "insufficient_quota": Fails("quota", 429),
    "500": Fails("server_error", 500),
    "502": Fails("server_error", 502),
    "503": Fails("server_error", 503),
    "504": Fails("server_error", 504),
    "529": Fails("server_error", 529),
}
BROKEN: dict[FaultName, tuple[Expected, Expected]] = {
    "reset": (RESET, RESET),
    "close": (RESET, RESET),
    "cut": (MALFORMED, CUT),
    "eof": (Answers(finish=None), CUT),
    "short_body": (MALFORMED, Answers()),  # the stream's finish and usage came before it broke
    "malformed": (MALFORMED, MALFORMED),
    "error_in_stream": (Answers(), FAILED),
    "error_200": (FAILED, FAILED),
    "html": (MALFORMED, MALFORMED),
    "empty_choices": (EMPTY, CUT),
    "empty_stream": (MALFORMED, CUT),
    "no_usage": (Answers(usage=False), Answers(usage=False)),
    "content_filter": (Answers("content_filter"), Answers("content_filter")),
    "wrong_model": (Answers(model="another-model"), Answers(model="another-model")),
    "close_idle": (Answers(), Answers()),
    "empty_answer": (Answers(), Answers()),
    "blank_finish": (Answers(), Answers()),
    "split_character": (Answers(), Answers()),
    "half_character": (Answers(), Answers()),
    "unstreamed": (Answers(), Answers()),
}
WAITING: tuple[FaultName, ...] = ("silent", "stall", "comments_only", "slow_headers")
"""Whoever waits for these waits for ever: how long is the engine's to say."""


@dataclass(frozen=True, slots=True)
class Differs:
    """Where one wire differs, and why it must."""

    wires: tuple[str, ...]
    fault: FaultName
    expected: Expected
    reason: str
    how: tuple[How, ...] = field(default=get_args(How))


EXCEPTIONS = (
    Differs(
        ("gemini",), "content_policy", Answers("content_filter"), "Gemini refuses no prompt with a status: it answers without a candidate"
    ),
    Differs(("gemini",), "insufficient_quota", Fails("rate_limited", 429), "Gemini says the same for a minute's limit and for no credit"),
    Differs(("anthropic",), "insufficient_quota", Fails("quota", 400), "Anthropic's status for it is 400"),
    Differs(("gemini",), "error_200", Fails("server_error", 503), "Gemini's error object holds a status"),
    Differs(("gemini",), "error_in_stream", Fails("server_error", 503), "Gemini's error object holds a status", ("stream",)),
    Differs(("anthropic",), "empty_choices", Answers(), "Anthropic finishes an answer without content"),
    Differs(("anthropic", "gemini"), "eof", CUT, "a typed answer has an end, or is cut", ("complete",)),
    Differs(("anthropic",), "error_200", Fails("server_error", 529), "Anthropic's error types stand for a status"),
    Differs(("anthropic",), "error_in_stream", Fails("server_error", 529), "Anthropic's error types stand for a status", ("stream",)),
    Differs(
        ("litellm-openai",),
        "eof",
        Answers(),
        "litellm finishes a whole answer with stop if it has none",
        ("complete",),
    ),
    Differs(("litellm-openai",), "empty_choices", MALFORMED, "litellm can't read an answer of OpenAI's without a choice", ("complete",)),
)


def expected(wire: str, fault: FaultName, how: How) -> Expected:
    for each in EXCEPTIONS:
        if wire in each.wires and fault == each.fault and how in each.how:
            return each.expected
    if fault in BROKEN:
        return BROKEN[fault][how == "stream"]
    return REFUSED[fault]  # type: ignore[index]
