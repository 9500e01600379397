"""Reads an event as a step: what was done, with which arguments, and how it ended. All analysis of sessions works on steps; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.sessions.event import Event, Kind, ToolUse
from app.trajectory.normal import digest, error_of, normal_arguments, normal_result
from app.trajectory.shell import commands_of, only_looks
from app.trajectory.tools import EDIT_TOOL, READ_TOOL, SHELL_TOOL, runs_tests

Phase = Literal["explore", "edit", "test", "run", "commit", "plan", "ask", "say"]
"""explore: reads or searches · edit: changes files · test: runs tests or checks · run: runs anything else · commit: records or publishes
changes · plan: plans or thinks · ask: a person's prompt · say: the agent's words."""
Result = Literal["ok", "failed", "rejected", "unavailable", "unknown"]
"""unavailable: the fault is not the call's (rate limit, server error, lost connection, timeout); unknown: not told yet, or never."""

MAX_TEXT_CHARS = 2_000
MAX_ACKNOWLEDGEMENT_CHARS = 80
"""A successful result as short as this only acknowledges the call: that it is the same each time tells nothing."""
_PLAN_TOOL = re.compile(r"todo|plan|task(?:create|update|list|get)|think", re.IGNORECASE)
_COMMIT = re.compile(r"\s*(?:git\s+(?:-C\s+\S+\s+)?(?:commit|push|merge|rebase|tag|cherry-pick)|gh\s+(?:pr|release))\b")
_CHECK = re.compile(
    r"\b(?:eslint|tsc|ruff|mypy|pyright|flake8|pylint|biome|oxlint|stylelint|golangci-lint|staticcheck|go vet|cargo (?:clippy|check)|mix (?:credo|dialyzer|compile|format --check)|rubocop|phpstan|psalm|swiftlint|ktlint"
    r"|detekt|shellcheck|hlint|dart analyze|flutter analyze|(?:npm|pnpm|yarn|bun|mise|poe|pdm|just|task|make|nx|turbo) (?:run |-\S+ )?(?:lint|type-?check|check|validate|ci|precommit)|pre-commit run)\b"
)
_UNAVAILABLE = re.compile(
    r"\b(?:429|50[0234]|529)\b.{0,60}(?:error|too many|limit|unavailable|overloaded|gateway|timeout)|too many requests|rate.?limit|overloaded|service unavailable|bad gateway|gateway time-?out"
    r"|connection (?:reset|refused|closed|aborted)|ECONNRE(?:SET|FUSED)|ETIMEDOUT|EAI_AGAIN|timed? ?out|temporary failure|network is unreachable|could not resolve host|socket hang up",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SessionStep:
    """One event, reduced to what analysis compares.

    `call`: hash of the tool and its normalised arguments; `output`: hash of the normalised result, 0 where there is none; equal steps have
    equal hashes in every process. `error`: the line that says what failed, normalised. `files`: paths that the tool was given.
    `checks`: it runs tests or static checks. `acknowledges`: the result only says that it is done. `text`: the beginning of what was said,
    or of a tool's input.
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


def steps_of(numbered: Iterable[tuple[int, Event]]) -> Iterator[SessionStep]:
    """Yield the step of each event, given with its seq."""
    for seq, event in numbered:
        yield step_of(seq, event)


def step_of(seq: int, event: Event) -> SessionStep:
    """Read one event as a step."""
    tool = event.tool
    if tool is None:
        return SessionStep(seq, event.kind, _spoken(event), text=event.text[:MAX_TEXT_CHARS], at=event.at, sidechain=event.sidechain)
    result = _result(event, tool)
    normal = normal_result(tool.output)
    checks = _checks(event, tool)
    return SessionStep(
        seq,
        event.kind,
        _phase(tool, checks=checks),
        tool=tool.name.casefold(),
        call=digest(f"{tool.name.casefold()}\0{normal_arguments(tool.input)}"),
        result=result,
        output=digest(normal) if normal else 0,
        output_chars=len(tool.output),
        error=error_of(tool.output) if result in {"failed", "unavailable"} else "",
        text=tool.input[:MAX_TEXT_CHARS],
        files=event.files,
        checks=checks,
        acknowledges=result == "ok" and len(normal) <= MAX_ACKNOWLEDGEMENT_CHARS,
        at=event.at,
        sidechain=event.sidechain,
    )


def _spoken(event: Event) -> Phase:
    if event.kind == "prompt":
        return "say" if event.sidechain else "ask"
    return "plan" if event.kind == "thinking" else "say"


def _checks(event: Event, tool: ToolUse) -> bool:
    if SHELL_TOOL.search(tool.name) is None:
        return False
    return runs_tests(event) or any(_CHECK.search(each) and not only_looks(each) for each in commands_of(tool.input[:MAX_TEXT_CHARS]))


def _phase(tool: ToolUse, *, checks: bool) -> Phase:
    if checks:
        return "test"
    if SHELL_TOOL.search(tool.name):
        commands = list(commands_of(tool.input[:MAX_TEXT_CHARS]))
        if any(map(_COMMIT.match, commands)):
            return "commit"
        return "explore" if commands and all(map(only_looks, commands)) else "run"
    if _PLAN_TOOL.search(tool.name):
        return "plan"
    if EDIT_TOOL.search(tool.name):
        return "edit"
    return "explore" if READ_TOOL.search(tool.name) else "run"


def _result(event: Event, tool: ToolUse) -> Result:
    failed = event.outcome == "failed" or tool.exit_code not in {0, None}
    if event.outcome == "rejected":
        return "rejected"
    if failed:
        return "unavailable" if _UNAVAILABLE.search(tool.output[-2_000:]) else "failed"
    return "ok" if event.outcome == "ok" or tool.exit_code == 0 else "unknown"
