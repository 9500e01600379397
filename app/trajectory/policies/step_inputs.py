"""Reads what a tool was given: a command line, or the lines that an edit takes out and puts in, whether rendered or as JSON. Pure."""

from __future__ import annotations

import json

from app.trajectory.events.steps import SessionStep

_COMMANDS = ("command", "cmd", "commandLine", "script")
_CHANGED = (("-", "old_string"), ("-", "oldString"), ("+", "new_string"), ("+", "newString"), ("+", "content"), ("+", "contents"))


def input_of(step: SessionStep) -> str:
    """Return a tool's input as a transcript's reader renders it: a program may send its arguments as JSON instead."""
    if step.text[:1] != "{":
        return step.text
    try:
        given = json.loads(step.text)
    except (ValueError, RecursionError):
        return step.text  # cut off, or no JSON
    if not isinstance(given, dict):
        return step.text
    if command := next((value for name in _COMMANDS if isinstance(value := given.get(name), str)), None):
        return command
    lines = [f"{sign} {line}" for sign, name in _CHANGED if isinstance(value := given.get(name), str) for line in value.splitlines()]
    return "\n".join([*step.files[:1], *lines]) if lines else step.text


def change_of_edit(text: str) -> tuple[str, str]:
    """Return the lines that an edit takes out and those that it puts in."""
    lines = [line for line in text.splitlines() if line[:3] not in {"---", "+++", "***"}]
    taken, put = ([line[1:] for line in lines if line[:1] == sign] for sign in "-+")
    return "\n".join(taken), "\n".join(put)
