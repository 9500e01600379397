"""Hooks of Claude Code and Codex, whose payloads have the same fields: `hook_event_name`, `session_id`, `cwd`, and those of each event."""

from __future__ import annotations

from app.sessions.event import Event
from app.sessions.hook_payloads.payload import MAX_ID_CHARS, MAX_NAME_CHARS, Hook, Moment, Payload, output_of

MOMENTS: dict[str, Moment] = {
    "SessionStart": "session_start",
    "UserPromptSubmit": "prompt",
    "PostToolUse": "tool",
    "PostToolUseFailure": "tool",
    "Stop": "reply",
    "SubagentStop": "reply",
    "PreCompact": "compaction",
    "PostCompact": "compaction",
    "SessionEnd": "session_end",
}


def read(payload: Payload) -> Hook:
    session = payload.required("session_id", max_chars=MAX_ID_CHARS)
    name = payload.required("hook_event_name", max_chars=MAX_NAME_CHARS)
    moment = MOMENTS.get(name, "other")
    prompt = payload.text("prompt") if moment == "prompt" else None
    return payload.hook(name, moment, session, events=_events(payload, name), directory=payload.text("cwd"), prompt=prompt)


def _events(payload: Payload, name: str) -> tuple[Event, ...]:
    turn = payload.text("prompt_id", "turn_id")
    sidechain = payload.text("agent_id") is not None
    match name:
        case "UserPromptSubmit":
            return payload.prompt(payload.text("prompt"), turn=turn, sidechain=sidechain)
        case "PostToolUse" | "PostToolUseFailure":
            return _tool(payload, failed=name == "PostToolUseFailure", sidechain=sidechain)
        case "Stop":
            return payload.text_events("assistant", "reply", payload.text("last_assistant_message"), turn=turn, sidechain=sidechain)
        case "SubagentStop":
            return payload.text_events(
                "assistant", "reply", payload.text("last_assistant_message"), turn=payload.text("agent_id"), sidechain=True
            )
        case _:  # no transcript has a record of a session's end, and a compaction's summary stands there in other words
            return ()


def _tool(payload: Payload, *, failed: bool, sidechain: bool) -> tuple[Event, ...]:
    """Return a call's event. A failed one tells its result in `error`."""
    output = output_of(payload.fields.get("error" if failed else "tool_response"))
    key, name, given = payload.text("tool_use_id"), payload.text("tool_name"), payload.fields.get("tool_input")
    return payload.tool(key, name, given, output, failed=failed, sidechain=sidechain)
