"""Gemini's dialect over Google's HTTP interface: addresses, the key's header, embeddings. https://ai.google.dev/api"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from app.inference import profiles
from app.inference.dialects.dialect import ProviderDialect
from app.inference.dialects.gemini import GEMINI
from app.inference.provider_errors import malformed, of_error_object
from app.inference.wires.dialect_wire import DialectWire
from app.inference.wires.pool import Pool
from app.inference.wires.wire import EmbeddingResult


class GeminiFormat:
    """Google's generateContent over HTTP. The key goes in a header: an address is written to logs."""

    dialect: ProviderDialect = GEMINI

    def headers(self, key: str | None) -> Mapping[str, str]:
        return {"x-goog-api-key": key} if key else {}

    def url(self, base: str | None, model: str, *, stream: bool) -> str:
        return _address(base, model, "streamGenerateContent?alt=sse" if stream else "generateContent")

    def body(self, written: Mapping[str, Any], model: str, max_tokens: int, *, stream: bool) -> Mapping[str, Any]:
        del model, stream  # both stand in the address
        return {**written, "generationConfig": {**written.get("generationConfig", {}), "maxOutputTokens": max_tokens}}

    async def embed(self, pool: Pool, base: str | None, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        """Embed texts with batchEmbedContents, which reports no usage: https://ai.google.dev/api/embeddings"""
        name, dimensions = _bare(model), parameters.get("dimensions")
        size = {} if dimensions is None else {"outputDimensionality": dimensions}
        asked = [{"model": f"models/{name}", "content": {"parts": [{"text": text}]}, **size} for text in texts]
        async with pool.posted(_address(base, model, "batchEmbedContents"), msgspec.json.encode({"requests": asked})) as reply:
            try:
                found = msgspec.json.decode(await pool.read(reply), type=_Reply)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise malformed("its answer has invalid vectors") from error
            if found.error:
                raise of_error_object(found.error)
        if len(found.embeddings) != len(texts):
            raise malformed("its answer doesn't have one vector per text")
        return EmbeddingResult([each.values for each in found.embeddings], name, None)


def gemini_wire(*, kind: str, api_base: str | None, api_key: str | None, connect_seconds: float, connections: int) -> DialectWire:
    """Return a wire of this dialect to one provider."""
    del kind
    return DialectWire(GeminiFormat(), api_base=api_base, api_key=api_key, connect_seconds=connect_seconds, connections=connections)


class _Values(msgspec.Struct):
    values: list[float]


class _Reply(msgspec.Struct):
    embeddings: list[_Values] = []
    error: object = None


def _address(base: str | None, model: str, method: str) -> str:
    return f"{base or profiles.GEMINI.api_base}/models/{quote(_bare(model), safe='')}:{method}"


def _bare(model: str) -> str:
    return model.removeprefix("gemini/").removeprefix("models/")
