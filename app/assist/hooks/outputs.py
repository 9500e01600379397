"""Writes a hook's output as its IDE reads it. Pure."""

from __future__ import annotations

from typing import Any

from app.sessions.hook_payloads import Hook


def output_of(hook: Hook, text: str) -> dict[str, Any]:
    """Return the JSON that gives a text to the session, an empty object for none. Cursor takes one at the start of a session alone."""
    if not text:
        return {}
    if hook.ide == "cursor":
        return {"additional_context": text} if hook.moment == "session_start" else {}
    return {"hookSpecificOutput": {"hookEventName": hook.name, "additionalContext": text}}
