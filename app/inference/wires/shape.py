"""Convert litellm's objects to OpenAI's format, without litellm's own fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.inference import answers
from app.inference.answers import Chunk
from app.inference.usage import parse_usage

OPENAI_FIELDS = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"})
"""A completion's fields in OpenAI's format; others are litellm's additions, such as `vertex_ai_citation_metadata`."""


def completion(found: Any) -> dict[str, Any]:
    """Return a completion as OpenAI would send it. An all-zero usage is litellm's default for none, and is removed."""
    data = {name: value for name, value in found.model_dump(exclude_none=True).items() if name in OPENAI_FIELDS}
    for choice in data.get("choices", ()):
        message = {"role": "assistant", "content": None} | {name: _without_nulls(value) for name, value in choice["message"].items()}
        choice["message"] = {name: value for name, value in message.items() if value or name == "content"}
        choice.setdefault("finish_reason", None)
        choice.pop("provider_specific_fields", None)
    if parse_usage(data.get("usage")) is None:
        data.pop("usage", None)
    return data


def _without_nulls(value: Any) -> Any:
    return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value


def choices(item: Mapping[str, Any], roles: set[int]) -> list[dict[str, Any]]:
    """Return a chunk's choices that have content or a finish; the first of each carries the role."""
    found = []
    for choice in item.get("choices", ()):
        index, finish = choice.get("index", 0), choice.get("finish_reason") or None
        delta = {name: bare for name, value in choice.get("delta", {}).items() if name != "role" and (bare := _without_nulls(value))}
        if not delta and finish is None:
            continue
        if delta and index not in roles:
            roles.add(index)
            delta = {"role": "assistant", **delta}
        made = {"index": index, "delta": delta, "finish_reason": finish}
        found.append(made | ({"logprobs": choice["logprobs"]} if choice.get("logprobs") else {}))
    return found


def unrepeat(choices: Sequence[Mapping[str, Any]], said: dict[int, list[str]]) -> None:
    """Remove the thought that litellm repeats, whole, beside its signature: counted twice, an honest answer would seem too long.

    `said`: by choice, the pieces of the thought so far; the stream's own state.
    """
    for choice in choices:
        so_far = said.setdefault(choice["index"], [])
        for block in choice["delta"].get("thinking_blocks") or ():
            thought = block.get("thinking") or ""
            if not block.get("signature"):
                so_far.append(thought)
                continue
            if thought == "".join(so_far):
                block["thinking"] = ""
            so_far.clear()


def unfinish(choices: Sequence[dict[str, Any]]) -> None:
    for choice in choices:
        choice["finish_reason"] = None


def chunk(data: dict[str, Any]) -> Chunk:
    return answers.chunk(data, msgspec.json.encode(data))


def add(usage: dict[str, Any], found: Mapping[str, Any] | None) -> None:
    """Merge a stream's partial usage in place: a later number replaces an earlier one, a zero doesn't."""
    for name, value in (found or {}).items():
        if isinstance(value, Mapping):
            add(usage.setdefault(name, {}), value)
        elif value or name not in usage:
            usage[name] = value
    if "prompt_tokens" in usage:
        usage["total_tokens"] = max(usage.get("total_tokens", 0), usage["prompt_tokens"] + usage.get("completion_tokens", 0))
