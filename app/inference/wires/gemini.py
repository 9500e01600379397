"""Work around litellm's Gemini support: embeddings go to Google directly, and finishes are taken from the provider's own events.

For embeddings litellm bypasses our client, retries, invents a usage, and takes a text such as "files/a" for a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from app.inference.profiles import GEMINI
from app.inference.provider_errors import malformed, of_error_object
from app.inference.wires.pool import Pool
from app.inference.wires.wire import EmbeddingResult

UNFINISHED = frozenset({None, "", "FINISH_REASON_UNSPECIFIED"})


def unfinish(choices: list[dict[str, Any]], event: Any) -> None:
    """Remove the finish "stop" that litellm adds to every chunk and answer, unless the event itself finishes the choice."""
    told = event if isinstance(event, dict) else {}
    if (told.get("promptFeedback") or {}).get("blockReason"):
        return
    finished = {each.get("index", 0) for each in told.get("candidates") or () if each.get("finishReason") not in UNFINISHED}
    for choice in choices:
        if choice.get("index", 0) not in finished:
            choice["finish_reason"] = None


class _Values(msgspec.Struct):
    values: list[float]


class _Reply(msgspec.Struct):
    embeddings: list[_Values] = []
    error: object = None


async def embed(pool: Pool, base: str | None, key: str | None, model: str, texts: Sequence[str], dimensions: int | None) -> EmbeddingResult:
    """Embed texts with batchEmbedContents, which reports no usage: https://ai.google.dev/api/embeddings#method:-models.batchembedcontents"""
    model = model.removeprefix("gemini/")
    size = {} if dimensions is None else {"outputDimensionality": dimensions}
    asked = [{"model": f"models/{model}", "content": {"parts": [{"text": text}]}, **size} for text in texts]
    headers = {"content-type": "application/json"} | ({"x-goog-api-key": key} if key else {})
    url = f"{base or GEMINI.api_base}/models/{model}:batchEmbedContents"
    async with pool.posted(url, msgspec.json.encode({"requests": asked}), headers) as reply:
        try:
            found = msgspec.json.decode(await pool.read(reply), type=_Reply)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise malformed("its answer has invalid vectors") from error
        if found.error:
            raise of_error_object(found.error)
    if len(found.embeddings) != len(texts):
        raise malformed("its answer doesn't have one vector per text")
    return EmbeddingResult([each.values for each in found.embeddings], model, None)
