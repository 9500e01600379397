"""Requests that are nearly right: valid ones of each route, changed at random places. Knows no server."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import strategies as st

Json = dict[str, Any]
PIXEL: Final = "iVBORw0KGgo="
_SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}}

CHAT_BODY: Final[Json] = {
    "model": "auto", "max_tokens": 20, "temperature": 0.5, "top_p": 0.9, "stop": ["."], "n": 1, "stream": False, "user": "u",
    "stream_options": {"include_usage": True}, "response_format": {"type": "json_object"}, "logit_bias": {"50256": -1}, "seed": 1,
    "tools": [{"type": "function", "function": {"name": "look", "description": "d", "parameters": _SCHEMA}}], "tool_choice": "auto",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "seen"},
    ],
}  # fmt: skip

MESSAGES_BODY: Final[Json] = {
    "model": "auto", "max_tokens": 2000, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop_sequences": ["."], "stream": False,
    "metadata": {"user_id": "u"}, "thinking": {"type": "enabled", "budget_tokens": 1024}, "service_tier": "auto",
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "tools": [{"name": "look", "description": "d", "input_schema": _SCHEMA, "cache_control": {"type": "ephemeral"}}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": _SCHEMA}},
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "hello"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "c2VhbA=="},
            {"type": "text", "text": "I look."}, {"type": "tool_use", "id": "a", "name": "look", "input": {"city": "Oslo"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "seen"}], "is_error": False},
        ]},
    ],
}  # fmt: skip

RESPONSES_BODY: Final[Json] = {
    "model": "auto", "max_output_tokens": 20, "temperature": 0.5, "top_p": 0.9, "stream": False, "store": False, "metadata": {"a": "b"},
    "instructions": "Be brief.", "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"],
    "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}}, "parallel_tool_calls": True,
    "tools": [
        {"type": "function", "name": "look", "description": "d", "parameters": _SCHEMA, "strict": False},
        {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}},
        {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "ask", "parameters": _SCHEMA}]},
    ],
    "tool_choice": {"type": "function", "name": "look"},
    "input": [
        {"role": "developer", "content": "Do."},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "hello"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "c2VhbA=="},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "seen"}]},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "done"},
    ],
}  # fmt: skip

ODD: Final[list[Any]] = [
    None, True, False, 0, -1, 1.5, 2**40, 10**30, "", "x", "auto", "user", "text", "\u0000", "\U0010ffff", [], {}, [None], [[]], [{}],
    {"type": None}, {"type": "text"}, {"type": "future"}, {"role": "user"}, "x" * 300, ["a", 1], {"": ""},
]  # fmt: skip


def mutated(body: Json) -> st.SearchStrategy[Json]:
    """Return strategies for a body with one to four fields missing, replaced, wrapped, doubled, or put where another stood."""
    return st.randoms(use_true_random=False).flatmap(lambda random: st.integers(1, 4).map(lambda times: _changed(body, random, times)))


def _changed(body: Json, random: Any, times: int) -> Json:
    made = copy.deepcopy(body)
    for _ in range(times):
        places = list(_places(made))
        if not places:
            return made
        holder, key = random.choice(places)
        match random.randrange(6):
            case 0:
                del holder[key]
            case 1:
                holder[key] = [holder[key]]
            case 2:
                holder[key] = {"type": "text", "text": holder[key]}
            case 3 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case 4:
                other, place = random.choice(places)
                holder[key] = copy.deepcopy(other[place])
            case _:
                holder[key] = copy.deepcopy(random.choice(ODD))
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a JSON value: what holds it, and its key or index there."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(each, dict | list):
            yield from _places(each)
