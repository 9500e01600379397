"""Reads of an event what others wrote, and what the agent looked at, took out and wrote: only what it writes can follow what it was served."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from app.knowledge.extraction.commands import normal
from app.sessions.event import Event, ToolUse
from app.trajectory.events import EDIT_TOOL, SHELL_TOOL, change_of, commands_of, only_looks

Act = Literal["command", "change", "answer"]
_PLANNING = re.compile(r"todo|plan|task|memory|cairn", re.IGNORECASE)
_REPLACED_MEMBER = re.compile(r"old|search|find|remove|delete|before|original", re.IGNORECASE)
_DIFF = re.compile(r"^(?:@@|\*\*\* |diff --git |--- )", re.MULTILINE)
_SEARCHED, _BETWEEN, _REPLACED = re.compile(r"[<-]{5,}+ *SEARCH>?\s*"), re.compile(r"={5,}+\s*"), re.compile(r"[>+]{5,}+ *REPLACE>?\s*")
"""Lines around the text that an edit searches and the one that it puts in its place."""


@dataclass(frozen=True, slots=True)
class Acted:
    """The texts of one event. `act` is None where the agent only looks or plans, or didn't succeed; `ran`: the commands that do more than look."""

    act: Act | None = None
    looked: str = ""
    removed: str = ""
    written: str = ""
    ran: str = ""
    others: str = ""


def read_acts(event: Event) -> Acted:
    """Return an event's texts by who wrote them, and what for."""
    tool = event.tool
    if tool is None:
        if event.kind == "reply" or event.sidechain:  # an agent writes the prompts of its sub-agents
            return Acted("answer" if event.kind == "reply" and not event.sidechain else None, written=event.text)
        return Acted(others=event.text)
    failed = event.outcome in {"failed", "rejected"} or bool(tool.exit_code)
    if _PLANNING.search(tool.name):
        return Acted(looked=tool.input, others=tool.output)
    if EDIT_TOOL.search(tool.name):
        removed, written = _edited(tool)
        return Acted(None if failed else "change", removed=removed, written="\n".join((written, *event.files)), others=tool.output)
    if SHELL_TOOL.search(tool.name):
        return _run(tool, failed=failed)
    return Acted(looked="\n".join((tool.input, *event.files)), others=tool.output)


def in_one_line(commands: Iterable[str]) -> str:
    """Return commands as they are compared: without what only shortens their output, however they were joined."""
    return " ".join(" && ".join(map(normal, commands)).split())


def _run(tool: ToolUse, *, failed: bool) -> Acted:
    commands = list(commands_of(tool.input))
    doing = [each for each in commands if not only_looks(each)]
    changes = [change_of(each) for each in doing]
    return Acted(
        "command" if doing and not failed else None,
        looked="\n".join(each for each in commands if only_looks(each)),
        removed="\n".join(removed for removed, _ in changes),
        written="\n".join(written for _, written in changes),
        ran=in_one_line(doing),
        others=tool.output,
    )


def _edited(tool: ToolUse) -> tuple[str, str]:
    """Return what an edit takes out and what it writes: of a patch its lines, of an object its members, else the whole."""
    removed, written = [], []
    for old, text in _members(tool.input):
        gone, new = (text, "") if old else _changed_lines(text, marked=text is tool.input)
        removed.append(gone)
        written.append(new)
    return "\n".join(removed), "\n".join(written)


def _members(given: str) -> Iterator[tuple[bool, str]]:
    """Yield the texts of an edit's input, each with whether it is what was there before."""
    try:
        waiting = [(False, json.loads(given))] if given[:1] in {"{", "["} else []
    except (ValueError, RecursionError):
        waiting = []
    if not waiting:
        yield False, given
    while waiting:
        old, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(old or _REPLACED_MEMBER.match(name) is not None, each) for name, each in value.items()]
        elif isinstance(value, list):
            waiting += [(old, each) for each in value]
        elif value is not None:
            yield old, str(value)


def _changed_lines(text: str, *, marked: bool) -> tuple[str, str]:
    """Return the lines that a patch takes out and adds; of a text that is none, all is new. `marked`: lines have signs without a patch's head."""
    lines = text.splitlines()
    if any(map(_SEARCHED.fullmatch, lines)):
        return _replaced_lines(lines)
    signed = [line for line in lines if line[:1] in {"+", "-"}]
    if not signed or not (marked or _DIFF.search(text)):
        return "", text
    return "\n".join(line[1:] for line in signed if line[0] == "-"), "\n".join(line[1:] for line in signed if line[0] == "+")


def _replaced_lines(lines: Iterable[str]) -> tuple[str, str]:
    """Return the lines of all blocks that are searched, and of those that replace them."""
    removed, written = list[str](), list[str]()
    part: list[str] | None = None
    for line in lines:
        if _SEARCHED.fullmatch(line):
            part = removed
        elif part is removed and _BETWEEN.fullmatch(line):
            part = written
        elif _REPLACED.fullmatch(line):
            part = None
        elif part is not None:
            part.append(line)
    return "\n".join(removed), "\n".join(written)
