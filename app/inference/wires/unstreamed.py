"""Convert a whole answer, sent where a stream was asked for, into a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.inference import answers
from app.inference.answers import Chunk, finish_reason
from app.inference.usage import reply_usage


def holds_whole(event: object) -> bool:
    """Tell whether a stream's event is a whole completion: its choices have messages, not deltas."""
    choices = event.get("choices") if isinstance(event, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict) or "delta" in choices[0]:
        return False
    return all(isinstance(each, dict) and "delta" not in each and isinstance(each.get("message"), dict) for each in choices)


def chunks(whole: object) -> Iterator[Chunk]:
    """Yield each choice's message, then its finish; the usage last. Raises ProviderError if it is no completion."""
    answers.completion(whole, b"")
    assert isinstance(whole, dict)
    head = {"id": whole.get("id"), "object": "chat.completion.chunk", "created": whole.get("created"), "model": whole.get("model")}
    for place, choice in enumerate(whole["choices"]):
        index = choice.get("index", place)
        more = {"logprobs": choice["logprobs"]} if choice.get("logprobs") else {}
        yield _chunk({**head, "choices": [{"index": index, "delta": _delta(choice["message"]), "finish_reason": None, **more}]})
        if (finish := finish_reason(choice)) is not None:
            yield _chunk({**head, "choices": [{"index": index, "delta": {}, "finish_reason": finish}]})
    if (usage := reply_usage(whole)) is not None:
        last = _chunk({**head, "choices": [], "usage": whole.get("usage")})
        last.usage = usage
        yield last


def _delta(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as a delta, in which tool calls need an index."""
    delta = {"role": "assistant", **{name: value for name, value in message.items() if value}}
    if isinstance(calls := delta.get("tool_calls"), list):
        delta["tool_calls"] = [{"index": place, **call} if isinstance(call, Mapping) else call for place, call in enumerate(calls)]
    return delta


def _chunk(data: dict[str, Any]) -> Chunk:
    return answers.chunk(data, msgspec.json.encode(data))
