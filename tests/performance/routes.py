"""The three routes of model calls as a measurement sees them: a request, what marks a chunk of a stream, and where the cost stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.money import from_usd
from tests.performance.callers import CHUNK, Reply


@dataclass(frozen=True, slots=True)
class MeasuredRoute:
    """`asking`: a request's body by its text; `chunk`: bytes that stand once in each chunk with a token; `usage`: of a last event's JSON."""

    path: str
    asking: Callable[[str], dict[str, object]]
    chunk: bytes
    last: bytes
    """The name of the field that begins the last event with a usage."""
    usage: Callable[[Any], Any]

    def body(self, model: str, tokens: int = 0) -> bytes:
        """A question; with `tokens` for a stream of so many, and its usage."""
        body = {"model": model, **self.asking(f"Please say {tokens or 12} words to me.")}
        if tokens:
            body["stream"] = True
        if tokens and self is CHAT:
            body["stream_options"] = {"include_usage": True}
        return json.dumps(body).encode()

    def cost(self, reply: Reply) -> int:
        """Nano-dollars: of a whole answer in its header, of a stream in its last usage; of a broken one nobody knows."""
        if reply.headers["content-type"] == "application/json":
            return from_usd(reply.headers["x-cairn-cost-usd"])
        lines = [line for line in reply.body.splitlines() if line.startswith(b"data: {") and self.last in line]
        return from_usd(self.usage(json.loads(lines[-1].removeprefix(b"data: ")))["cost_usd"]) if lines else 0


CHAT = MeasuredRoute(
    "/v1/chat/completions",
    lambda text: {"messages": [{"role": "user", "content": text}]},
    chunk=CHUNK,
    last=b'"usage":{',
    usage=lambda event: event["usage"],
)
MESSAGES = MeasuredRoute(
    "/v1/messages",
    lambda text: {"max_tokens": 1024, "messages": [{"role": "user", "content": text}]},
    chunk=b'"text_delta"',
    last=b'"message_delta"',
    usage=lambda event: event["usage"],
)
RESPONSES = MeasuredRoute(
    "/v1/responses",
    lambda text: {"input": text, "store": False},
    chunk=b"event: response.output_text.delta",
    last=b'"response.completed"',
    usage=lambda event: event["response"]["usage"],
)
ALL = (CHAT, MESSAGES, RESPONSES)
