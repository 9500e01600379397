"""The cached form of an answer, its key, and its replay, whole or as a stream. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.inference.request import CallContext, ChatRequest

REPLAY_CHUNK_CHARS = 48
"""Characters per chunk of a replayed stream."""
NOT_IN_KEY = frozenset({"user", "stream", "stream_options", "cache", "metadata", "store", "messages"})
"""Fields that don't affect the answer, or are in the key separately."""
UNCACHEABLE_FIELDS = ("logprobs", "modalities")
"""Fields that ask for more than text: such answers are never cached."""
TOOL_FIELDS = ("tools", "functions")
VERSION = 1


class CachedAnswer(msgspec.Struct, frozen=True, array_like=True):
    """A complete answer: the provider's JSON, its provider and model, its price in nano-dollars, and its duration."""

    body: bytes
    provider: str
    model: str
    nanousd: int
    seconds: float = 0.0


def key_of(request: ChatRequest, asker: CallContext, *, session: str | None = None) -> bytes:
    """Return the cache key: a digest of all that affects the answer (team, chain, prompt, parameters; what the caller's own dialect adds).

    `session`: the one of the requester's sessions that alone may be given the answer; None: the whole team may.
    """
    parameters = {name: value for name, value in request.parameters.items() if name not in NOT_IN_KEY and value is not None}
    whole = {
        "version": VERSION,
        "team": asker.team_id.hex,
        "chain": [[each.name, each.profile.kind, each.model] for each in request.chain],
        "messages": request.messages,
        "parameters": parameters,
        "max_tokens": request.max_tokens,
        **_beyond_chat(request),
    }
    if session is not None:
        whole["session"] = [asker.developer_id.hex, session]
    return hashlib.blake2b(msgspec.json.encode(whole, order="sorted"), digest_size=24).digest()


def _beyond_chat(request: ChatRequest) -> dict[str, Any]:
    """Return what the caller's own dialect asks for beyond Chat Completions; nothing if that says it all."""
    original = request.original
    if original is None:
        return {}
    headers = {name: value for name, value in original.headers.items() if not name.endswith("-version")}
    return {"original": original.body, "headers": headers} if request.lost or headers else {}


def packed(stored: CachedAnswer) -> bytes:
    return msgspec.msgpack.encode(stored)


def unpacked(value: bytes) -> CachedAnswer | None:
    """Decode a cached answer; None if another version wrote it."""
    try:
        return msgspec.msgpack.decode(value, type=CachedAnswer)
    except msgspec.MsgspecError:
        return None


def chunks(whole: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield a cached answer's JSON as stream chunks, without its usage."""
    head = {"id": whole.get("id"), "object": "chat.completion.chunk", "created": whole.get("created"), "model": whole.get("model")}
    for choice in whole["choices"]:
        index, message = choice.get("index", 0), choice["message"]
        content = message.get("content") or ""
        pieces = [content[start : start + REPLAY_CHUNK_CHARS] for start in range(0, len(content), REPLAY_CHUNK_CHARS)] or [""]
        for place, piece in enumerate(pieces):
            yield text_chunk(head, piece, index=index, first=place == 0)
        if calls := message.get("tool_calls"):
            yield _chunk(head, index, {"tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}, None)
        yield _chunk(head, index, {}, choice.get("finish_reason"))


def text_chunk(head: Mapping[str, Any], text: str, *, index: int = 0, first: bool) -> bytes:
    """Return a chunk with this text."""
    delta = {"content": text, "role": "assistant"} if first else {"content": text}
    return _chunk(head, index, delta, None)


def whole(head: Mapping[str, Any], text: str, finish: str, usage: Mapping[str, Any]) -> bytes:
    """Return a plain-text stream's output as one completion."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return msgspec.json.encode({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


def _chunk(head: Mapping[str, Any], index: int, delta: dict[str, Any], finish: str | None) -> bytes:
    return msgspec.json.encode({**head, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]})
