"""Reads an event as a step: what was done, with which arguments, and how it ended. All analysis of sessions works on steps; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.sessions.event import Event, Kind, ToolUse
from app.trajectory.events.failures import MAX_READ_CHARS, error_of, is_unavailable, tells_failed_check
from app.trajectory.events.normal import digest, normal_arguments, normal_result
from app.trajectory.events.shell import commands_of, hides_exit_code, only_looks
from app.trajectory.events.tools import EDIT_TOOL, READ_TOOL, SHELL_TOOL, checks, waits

Phase = Literal["explore", "edit", "test", "run", "commit", "plan", "ask", "say"]
"""explore: reads or searches · edit: changes files · test: runs tests or checks · run: runs anything else · commit: records or publishes
changes · plan: plans or thinks · ask: a person's prompt · say: the agent's words."""
Result = Literal["ok", "failed", "rejected", "unavailable", "unknown"]
"""unavailable: the fault is not the call's (rate limit, server error, lost connection, timeout); unknown: not told yet, or never."""

MAX_TOOL_CHARS = 100
MAX_TEXT_CHARS = 2_000
MAX_ACKNOWLEDGEMENT_CHARS = 80
"""A successful result as short as this only acknowledges the call: that it is the same each time tells nothing."""
MAX_FILES = 20
_PLAN_TOOL = re.compile(r"todo|plan|task(?:create|update|list|get)|think", re.IGNORECASE)
_DONE = re.compile(
    r"\"(?:success|ok|status|result|acknowledged|done)\"\s*:\s*\"?(?:true|ok|success\w*|done|completed|accepted|1)\b", re.IGNORECASE
)
_COMMIT = re.compile(
    r"\s*(?:git\s+(?:-C\s+\S+\s+)?(?:commit|push|merge|rebase|tag|cherry-pick)(?!-)|gh\s+(?:pr|release)\s+(?!view|list|diff|checks|status))\b"
)
# A transcript that has results alone (aider's): what was done stands in the result.
# Both are given the text after a line's end: the engine looks for that in C.
_APPLIED = re.compile(r"\n(?:Applied edit to|Added|Creating empty file) (\S{1,500})(?=\n|\Z)")
_NOT_DONE_WITHIN = ("did not conform to the edit format", "failed to match!")
_NOT_DONE = re.compile(r"\n(?:Unexpected error|litellm\.\w+|Error|Unable to|Can't)\b")


@dataclass(frozen=True, slots=True)
class SessionStep:
    """One event, reduced to what analysis compares.

    `call`: hash of the tool and its normalised arguments; `output`: hash of the normalised result, 0 where there is none; equal steps have
    equal hashes in every process. `error`: the line that says what failed, normalised. `files`: paths that the tool was given.
    `checks`: it runs tests or static checks. `acknowledges`: the result only says that it is done. `waits`: it asks how far something is.
    `call` is 0 where the transcript has results alone. `text`: the beginning of what was said, or of a tool's input; without one, of its result.
    """

    seq: int
    kind: Kind
    phase: Phase
    tool: str = ""
    call: int = 0
    result: Result = "unknown"
    output: int = 0
    output_chars: int = 0
    error: str = ""
    text: str = ""
    files: tuple[str, ...] = ()
    checks: bool = False
    acknowledges: bool = False
    at: datetime | None = None
    sidechain: bool = False
    waits: bool = False


def steps_of(numbered: Iterable[tuple[int, Event]]) -> Iterator[SessionStep]:
    """Yield the step of each event, given with its seq."""
    for seq, event in numbered:
        yield step_of(seq, event)


def step_of(seq: int, event: Event) -> SessionStep:
    """Read one event as a step."""
    tool = event.tool
    if tool is None:
        return SessionStep(seq, event.kind, _spoken(event), text=event.text[:MAX_TEXT_CHARS], at=event.at, sidechain=event.sidechain)
    name = tool.name.casefold()[:MAX_TOOL_CHARS]
    commands = commands_of(tool.input[:MAX_TEXT_CHARS]) if SHELL_TOOL.search(name) else ()
    check = checks(name, commands)
    result = _result(event, tool, check=check)
    normal = normal_result(tool.output)
    return SessionStep(
        seq,
        event.kind,
        _phase(tool, commands, check=check),
        tool=name,
        call=_call(name, tool.input),
        result=result,
        output=digest(normal) if normal else 0,
        output_chars=len(tool.output),
        error=error_of(tool.output) if result in {"failed", "unavailable"} else "",
        text=(tool.input or tool.output)[:MAX_TEXT_CHARS],
        files=event.files or _changed(tool),
        checks=check,
        acknowledges=result == "ok" and _acknowledges(normal),
        at=event.at,
        sidechain=event.sidechain,
        waits=waits(name, commands),
    )


def _acknowledges(normal: str) -> bool:
    """Tell whether a result is as short as an acknowledgement; members of JSON are data, unless they say no more."""
    return len(normal) <= MAX_ACKNOWLEDGEMENT_CHARS and (
        normal[:1] not in {"{", "["} or len(normal) < 3 or _DONE.search(normal) is not None
    )


def _spoken(event: Event) -> Phase:
    if event.kind == "prompt":
        return "say" if event.sidechain else "ask"
    return "plan" if event.kind == "thinking" else "say"


def _call(name: str, given: str) -> int:
    """Hash a call. An edit as it is: its white space counts, and it has no ids; without arguments there is nothing to compare."""
    if not given:
        return 0
    return digest(f"{name}\0{given}" if given[0] != "{" and EDIT_TOOL.search(name) else f"{name}\0{normal_arguments(given)}")


def _phase(tool: ToolUse, commands: Sequence[str], *, check: bool) -> Phase:
    if check:
        return "test"
    if not tool.input and _changed(tool):
        return "edit"
    if commands:
        if any(map(_COMMIT.match, commands)):
            return "commit"
        return "explore" if all(map(only_looks, commands)) else "run"
    if _PLAN_TOOL.search(tool.name):
        return "plan"
    if EDIT_TOOL.search(tool.name):
        return "edit"
    return "explore" if READ_TOOL.search(tool.name) else "run"


def _says_not_done(output: str) -> bool:
    return any(map(output.__contains__, _NOT_DONE_WITHIN)) or _NOT_DONE.search(f"\n{output}") is not None


def _changed(tool: ToolUse) -> tuple[str, ...]:
    return () if tool.input else tuple(dict.fromkeys(_APPLIED.findall(f"\n{tool.output[:MAX_READ_CHARS]}")))[:MAX_FILES]


def _result(event: Event, tool: ToolUse, *, check: bool) -> Result:
    if event.outcome == "rejected":
        return "rejected"
    failed = (
        event.outcome == "failed"
        or tool.exit_code not in {0, None}
        or (not tool.input and _says_not_done(tool.output[:MAX_READ_CHARS]))
        # Many transcripts have no exit code, and that of `pytest | tail` is another command's.
        or (check and (tool.exit_code is None or hides_exit_code(tool.input[:MAX_TEXT_CHARS])) and tells_failed_check(tool.output))
    )
    if failed:
        return "unavailable" if is_unavailable(tool.output) else "failed"
    return "ok" if event.outcome == "ok" or tool.exit_code == 0 else "unknown"
