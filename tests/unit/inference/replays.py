"""Streams of Anthropic's Messages as its documentation describes them, event by event, for the replay suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Json = dict[str, Any]
PING: Json = {"type": "ping"}
STOP: Json = {"type": "message_stop"}


def started(**usage: int) -> Json:
    message = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1, **usage},
    }
    return {"type": "message_start", "message": message}


def block(index: int, opened: Json, *deltas: Json) -> list[Json]:
    return [
        {"type": "content_block_start", "index": index, "content_block": opened},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[Json]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def tool(index: int, name: str, *pieces: str, kind: str = "tool_use") -> list[Json]:
    opened = {"type": kind, "id": f"toolu_{index}", "name": name, "input": {}}
    return block(index, opened, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def ended(reason: str, sequence: str | None = None, **usage: Any) -> list[Json]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": sequence}, "usage": {"output_tokens": 15, **usage}},
        STOP,
    ]


CITATION: Json = {
    "type": "web_search_result_location",
    "url": "https://en.wikipedia.org/wiki/Claude_Shannon",
    "title": "Claude Shannon – Wikipedia",
    "encrypted_index": "Eo8BCioIAhgB",
    "cited_text": "Claude Elwood Shannon (April 30, 1916 …",
}
FOUND: Json = {
    "type": "web_search_tool_result",
    "tool_use_id": "toolu_1",
    "content": [
        {"type": "web_search_result", "title": "Claude Shannon", "url": CITATION["url"], "encrypted_content": "EqgfCioI", "page_age": None}
    ],
}
STREAMS: Mapping[str, Sequence[Json]] = {
    "text": [started(), PING, *text(0, "Größe ", "東京 🦜", "!\n"), *ended("end_turn")],
    "a tool": [started(), *text(0, "I look."), *tool(1, "get_weather", "", '{"location":', ' "San', ' Francisco"}'), *ended("tool_use")],
    "parallel tools": [started(), *tool(0, "one", '{"a"', ": 1}"), PING, *tool(1, "two"), *tool(2, "three", "{}"), *ended("tool_use")],
    "thinking": [
        started(),
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "27 * 453"},
            {"type": "thinking_delta", "thinking": " = 12,231"},
            {"type": "signature_delta", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk"},
        ),
        *text(1, "12,231"),
        *ended("end_turn"),
    ],
    "redacted thinking": [
        started(),
        *block(0, {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"}),
        *text(1, "So."),
        *ended("end_turn"),
    ],
    "web search": [
        started(),
        *text(0, "I'll search."),
        *tool(1, "web_search", "", '{"query"', ': "shannon"}', kind="server_tool_use"),
        *block(2, FOUND),
        *block(
            3,
            {"type": "text", "text": "", "citations": []},
            {"type": "citations_delta", "citation": CITATION},
            {"type": "text_delta", "text": "1916"},
        ),
        *ended("end_turn", server_tool_use={"web_search_requests": 1}),
    ],
    "refusal": [started(), *text(0, "I can't"), *ended("refusal")],
    "max_tokens": [started(), *text(0, "once upon"), *ended("max_tokens")],
    "a stop sequence": [started(), *text(0, "a b"), *ended("stop_sequence", "END")],
    "a pause": [started(), *tool(0, "web_search", '{"query": "x"}', kind="server_tool_use"), *ended("pause_turn")],
    "usage in parts": [
        started(cache_creation_input_tokens=200, cache_read_input_tokens=3000),
        *text(0, "hi"),
        *ended("end_turn", input_tokens=25, cache_creation_input_tokens=200, cache_read_input_tokens=3000),
    ],
    "unknown events": [started(), {"type": "of_tomorrow", "x": [1]}, *text(0, "hi"), *ended("end_turn")],
    "nothing said": [started(), *ended("end_turn")],
    "an error": [started(), *text(0, "hi")[:-1], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}],
    "cut off": [started(), *text(0, "hi")[:-1]],
}


def raw(events: Sequence[Json], *, line: bytes = b"\n") -> bytes:
    """Return a stream as its bytes."""
    return b"".join(b"event: %b%bdata: %b%b%b" % (each["type"].encode(), line, msgspec.json.encode(each), line, line) for each in events)
