"""Hooks of Cursor: `conversation_id`, `generation_id`, `workspace_roots`, and the fields of each event. It tells no ids of tools' calls."""

from __future__ import annotations

from app.sessions.event import Event
from app.sessions.formats.lines import loads
from app.sessions.formats.values import string
from app.sessions.hook_payloads.payload import MAX_ID_CHARS, MAX_NAME_CHARS, Hook, Moment, Payload, output_of

MOMENTS: dict[str, Moment] = {
    "sessionStart": "session_start",
    "beforeSubmitPrompt": "prompt",
    "afterShellExecution": "tool",
    "afterMCPExecution": "tool",
    "afterFileEdit": "tool",
    "afterAgentResponse": "reply",
    "preCompact": "compaction",
    "sessionEnd": "session_end",
}


def read(payload: Payload) -> Hook:
    session = payload.required("conversation_id", "session_id", max_chars=MAX_ID_CHARS)
    name = payload.required("hook_event_name", max_chars=MAX_NAME_CHARS)
    roots = payload.fields.get("workspace_roots")
    directory = payload.text("cwd") or next((string(each) for each in roots if string(each)), None) if isinstance(roots, list) else None
    return payload.hook(name, MOMENTS.get(name, "other"), session, events=_events(payload, name), directory=directory)


def _events(payload: Payload, name: str) -> tuple[Event, ...]:
    turn = payload.text("generation_id")
    match name:
        case "beforeSubmitPrompt":
            return payload.prompt(payload.text("prompt"), turn=turn)
        case "afterAgentResponse":
            return payload.text_events("assistant", "reply", payload.text("text"), turn=turn)
        case "afterShellExecution":
            return _tool(payload, "Shell", {"command": payload.text("command") or ""}, output_of(payload.fields.get("output")))
        case "afterMCPExecution":
            result = payload.fields.get("result_json")
            return _tool(payload, payload.text("tool_name"), payload.fields.get("tool_input"), output_of(_loaded(result)))
        case "afterFileEdit":
            given = {key: payload.fields.get(key) for key in ("file_path", "edits")}
            return _tool(payload, "Edit", given, "")
        case _:
            return ()


def _tool(payload: Payload, name: str | None, given: object, output: str) -> tuple[Event, ...]:
    """Return a call's event. Its id is made of the turn, the call and how long it took: the same command, run again, took another time."""
    if name is None:
        return ()
    parts = (payload.text("generation_id") or "", name, repr(given), output, repr(payload.fields.get("duration")))
    return payload.tool(payload.id("tool", *parts), name, given, output, failed=None)


def _loaded(result: object) -> object:
    """Return the JSON of an MCP tool's result, which comes as a string."""
    if not isinstance(result, str) or result[:1] not in {"{", "["}:
        return result
    try:
        return loads(result)
    except (ValueError, RecursionError):
        return result
