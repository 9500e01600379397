"""Anthropic's HTTP interface, beyond its dialect: https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.inference.dialects.dialect import ProviderDialect
from app.inference.dialects.messages import MESSAGES
from app.inference.profiles import ANTHROPIC
from app.inference.wires.dialect_wire import DialectWire, no_embeddings
from app.inference.wires.pool import Pool
from app.inference.wires.wire import EmbeddingResult

VERSION = "2023-06-01"


class MessagesFormat:
    """Anthropic's Messages over HTTP."""

    dialect: ProviderDialect = MESSAGES

    def headers(self, key: str | None) -> Mapping[str, str]:
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})

    def url(self, base: str | None, model: str, *, stream: bool) -> str:
        del model, stream  # both stand in the body
        base = base or ANTHROPIC.api_base or ""
        return f"{base}/messages" if base.endswith("/v1") else f"{base}/v1/messages"

    def body(self, written: Mapping[str, Any], model: str, max_tokens: int, *, stream: bool) -> Mapping[str, Any]:
        """Return what was written, in its order: only three fields are ours."""
        ours: dict[str, Any] = {"model": model.removeprefix("anthropic/"), "max_tokens": max_tokens}
        return {**written, **ours, **({"stream": stream} if stream or "stream" in written else {})}

    async def embed(self, pool: Pool, base: str | None, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        del pool, base, model, texts, parameters
        raise no_embeddings("Anthropic")


def messages_wire(*, kind: str, api_base: str | None, api_key: str | None, connect_seconds: float, connections: int) -> DialectWire:
    """Return a wire of this dialect to one provider."""
    del kind
    return DialectWire(MessagesFormat(), api_base=api_base, api_key=api_key, connect_seconds=connect_seconds, connections=connections)
