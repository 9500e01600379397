"""Steps of made-up sessions, one line each."""

from __future__ import annotations

from app.sessions.event import Event, Outcome, ToolUse
from app.trajectory.events.steps import SessionStep, step_of
from app.trajectory.policies.policy_file import SHIPPED, load_policies
from app.trajectory.policies.views import PolicyDefinition


def called(
    seq: int, name: str, given: str, *, outcome: Outcome | None = "ok", output: str = "fine", files: tuple[str, ...] = ()
) -> SessionStep:
    return step_of(seq, Event(f"e{seq}", "tool", "tool", "", f"L{seq}", tool=ToolUse(name, given, output), outcome=outcome, files=files))


def ran(seq: int, line: str, *, outcome: Outcome | None = "ok") -> SessionStep:
    return called(seq, "Bash", line, outcome=outcome)


def edited(seq: int, path: str, old: str = "x = 1", new: str = "x = 2", *, outcome: Outcome | None = "ok") -> SessionStep:
    lines = [path, *(f"- {line}" for line in old.splitlines()), *(f"+ {line}" for line in new.splitlines())]
    return called(seq, "Edit", "\n".join(lines), outcome=outcome, files=(path,))


def read(seq: int, path: str) -> SessionStep:
    return called(seq, "Read", path, files=(path,))


def replied(seq: int, text: str, *, sidechain: bool = False) -> SessionStep:
    return step_of(seq, Event(f"e{seq}", "assistant", "reply", text, f"L{seq}", sidechain=sidechain))


def prompted(seq: int, text: str = "and now the till") -> SessionStep:
    return step_of(seq, Event(f"e{seq}", "user", "prompt", text, f"L{seq}"))


def shipped(*ids: str) -> list[PolicyDefinition]:
    return [each for each in load_policies(SHIPPED) if not ids or each.id in ids]
