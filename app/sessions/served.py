"""Takes out of events what Cairn itself served, so that knowledge never becomes its own evidence, and keeps its ids. Pure; knows no format.

Recognised by the marker around every text that Cairn renders for a model, wherever it was copied to; by the name of Cairn's MCP tools;
and by the commands and routes that print knowledge.
"""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

from app.sessions.event import Event, ToolUse

PLACEHOLDER = "[knowledge from Cairn]"
"""Stands where it was, and says nothing that could be learnt."""
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OPENING = re.compile(rf'(?:<|\\u003c)cairn-knowledge\s+ids=\\*"((?:{_ID}|[\s,])*)\\*"[^>\n]{{0,100}}?(?:>|\\u003e)', re.IGNORECASE)
_CLOSING = re.compile(r"(?:<|\\u003c)/cairn-knowledge\s*(?:>|\\u003e)", re.IGNORECASE)
_IDS = re.compile(_ID, re.IGNORECASE)
_PRINTED_ID = re.compile(rf'\\*"id\\*"\s*:\s*\\*"({_ID})\\*"|·\s+({_ID})\s*$', re.MULTILINE | re.IGNORECASE)
"""An id in JSON, or at the end of a source that `cairn query` prints."""
MAX_IDS = 200
"""Ids of one event that are kept: a marker may name any number."""
_NAME = re.compile(r"[\w.:/-]+")
_SEPARATOR = re.compile(r"__|[.:/]")
MAX_NAME_CHARS = 200
"""Characters of a tool's name that are looked at: an agent may send one of any length."""
_COMMAND = re.compile(
    r"(?:^|[\s;&|(/'\"`])cairn(?:\.exe)?[\"']?\s+(?:query|context|agents-md|demo|sessions\s+(?:show|similar))\b"
    r"|-m\s+app\.cli\s+(?:query|context|agents-md)\b"
)
_FETCH = re.compile(r"\b(?P<by>curl|wget|xh|fetch|urlopen|requests|https?)\b|(?P<route>/v1/(?:knowledge|context)\b)|\n")
FETCH_CHARS = 2000
"""A route that stands further behind what fetches is another's."""


def without_served(event: Event) -> Event:
    """Return the event without what Cairn served, and with its ids; the event itself where there is nothing of it."""
    ids: list[str] = []
    text = _unmarked(event.text, ids, cut=event.kind == "notice")
    tool = None if event.tool is None else _tool(event.tool, ids)
    if text is event.text and tool is event.tool:
        return event
    return replace(event, text=text, tool=tool, served=tuple(map(UUID, list(dict.fromkeys(map(str.lower, ids)))[:MAX_IDS])))


def _tool(tool: ToolUse, ids: list[str]) -> ToolUse:
    asked, printed = _unmarked(tool.input, ids, cut=False), _unmarked(tool.output, ids, cut=True)
    if tool.output and _prints_knowledge(tool):
        ids += [found[1] or found[2] for found in _PRINTED_ID.finditer(tool.output)]
        printed = PLACEHOLDER
    return tool if asked is tool.input and printed is tool.output else replace(tool, input=asked, output=printed)


def _prints_knowledge(tool: ToolUse) -> bool:
    """Tell whether a call's result is knowledge, by the tool or by the command that it ran."""
    if _is_ours(tool.name):
        return True
    return tool.exit_code in {None, 0} and (_COMMAND.search(tool.input) is not None or _fetches_knowledge(tool.input))


def _is_ours(name: str) -> bool:
    """Tell whether a tool is one of Cairn's MCP server, whatever name that server has beside `cairn`."""
    if _NAME.fullmatch(name := name[:MAX_NAME_CHARS].lower()) is None:
        return False
    *server, tool = _SEPARATOR.split(name)
    words = re.split(r"[\W_]", "_".join(server))
    return bool(tool) and "cairn" in (words if words[0] == "mcp" else words[:1])


def _fetches_knowledge(command: str) -> bool:
    """Tell whether a line of a command fetches a route that tells knowledge. Reads it once, whatever is in it."""
    if "/v1/" not in command:
        return False
    fetcher: int | None = None
    for found in _FETCH.finditer(command):
        if found["route"] is None:
            fetcher = found.end() if found["by"] else None
        elif fetcher is not None and found.start() - fetcher <= FETCH_CHARS:
            return True
    return False


def _unmarked(text: str, ids: list[str], *, cut: bool) -> str:
    """Replace marked sections, and add their ids. `cut`: of a text that may be a piece of another, also one without beginning or end."""
    if "cairn-knowledge" not in text.lower():
        return text
    kept, place = [], 0
    while (opening := _OPENING.search(text, place)) is not None:
        closing = _CLOSING.search(text, opening.end())
        if closing is None and not cut:
            break
        ids += _IDS.findall(opening[1])
        kept += [_from_beginning(text[place : opening.start()], cut=cut), PLACEHOLDER]
        place = len(text) if closing is None else closing.end()
    rest = _from_beginning(text[place:], cut=cut)
    return "".join([*kept, rest]) if kept or rest != text else text


def _from_beginning(text: str, *, cut: bool) -> str:
    """Replace the rest of a section whose beginning is cut off: all before its end."""
    ends = [each.end() for each in _CLOSING.finditer(text)] if cut else []
    return PLACEHOLDER + text[ends[-1] :] if ends else text
