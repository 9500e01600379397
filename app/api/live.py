"""Parses the generic events of a live session: one JSON object a line, validated field by field; all are accepted, or none."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue, ValidationError

from app.api.schema import Plain, RequestBody
from app.errors import InvalidInput, Unreadable
from app.nesting import may_be_deep
from app.sessions.event import GivenEvent, GivenToolCall, Role, too_many_events
from app.web import json_body
from app.web.field_problems import field, sentence_of


class ToolCall(RequestBody):
    """A tool call with its result."""

    name: Plain = Field(min_length=1, max_length=200, examples=["bash"])
    input: JsonValue = Field("", description="A string, or any JSON value.", examples=["pytest -q"])
    output: str = Field("", examples=["1 passed"])
    exit_code: int | None = Field(None, strict=True, ge=-(2**31), lt=2**31, examples=[0])


class GenericEvent(RequestBody):
    """An event. Its `id` is stable and unique in its session: an event that is sent again changes nothing. Citations name it."""

    id: Plain = Field(min_length=1, max_length=500, examples=["e-17"])
    role: Role
    text: str = Field("", examples=["The tests fail with ECONNREFUSED: the broker isn't up when they start."])
    speaker: Plain | None = Field(None, max_length=200, description="Who said it, if several people or agents take part.")
    timestamp: datetime | None = None
    tool: ToolCall | None = None


def _schema() -> dict[str, Any]:
    schema = GenericEvent.model_json_schema()
    schema["properties"]["tool"] = {"anyOf": [schema.pop("$defs")["ToolCall"], {"type": "null"}]}
    return schema


EXAMPLE = (
    '{"id":"e1","role":"user","text":"Why do the payment tests fail?","timestamp":"2026-10-01T09:30:00Z"}\n'
    '{"id":"e2","role":"tool","tool":{"name":"bash","input":"pytest tests/payments","output":"ECONNREFUSED","exit_code":1}}\n'
)
BODY = {
    "requestBody": {
        "required": True,
        "description": "NDJSON: one event on each line.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": EXAMPLE, "x-line-schema": _schema()}},
    }
}


SEND_AGAIN = "No event was stored: correct this line, and send all of them again."


def read(body: bytes, *, max_events: int) -> list[GivenEvent]:
    """Parse the events of an NDJSON body. Unreadable and InvalidInput name the line."""
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not lines:
        raise InvalidInput("The body is empty: send one JSON object with an event on each line.", param="events")
    if len(lines) > max_events:
        raise too_many_events(len(lines), limit=max_events)
    return [_event(number, line) for number, line in lines]


def _event(number: int, line: bytes) -> GivenEvent:
    try:
        given = GenericEvent.model_validate_json(_bounded(line))
    except (Unreadable, InvalidInput) as error:
        raise type(error)(f"Line {number}: {error.message} {SEND_AGAIN}", param=error.param) from None
    except json.JSONDecodeError:
        raise Unreadable(f"Line {number} is not valid JSON in UTF-8. {SEND_AGAIN}") from None
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        if problem["type"] == "json_invalid":
            raise Unreadable(f"Line {number} is not valid JSON in UTF-8. {SEND_AGAIN}") from None
        param = field(problem["loc"]) or "event"
        raise InvalidInput(f"Line {number}: {sentence_of(param, problem)} {SEND_AGAIN}", param=param) from None
    return given_event(given)


def given_event(given: GenericEvent) -> GivenEvent:
    """Return a validated event as the rooms take it."""
    tool = None if given.tool is None else GivenToolCall(given.tool.name, given.tool.input, given.tool.output, given.tool.exit_code)
    return GivenEvent(given.id, given.role, given.text, given.speaker, given.timestamp, tool)


def _bounded(line: bytes) -> bytes:
    """Return a line that is safe to parse: deeply nested lines and lone surrogates go through `json_body.parse` (slower) first."""
    if not may_be_deep(line) and b"\\ud" not in line.lower():
        return line
    return json.dumps(json_body.parse(line), ensure_ascii=False).encode()
