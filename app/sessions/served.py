"""Takes out of events what Cairn itself served, so that knowledge never becomes its own evidence. Pure; knows no transcript format.

Recognised by the marker around every text that Cairn renders for a model, wherever it was copied to; by the name of Cairn's MCP tools;
and by the commands and routes that print knowledge.
"""

from __future__ import annotations

import re
from dataclasses import replace

from app.sessions.event import Event, ToolUse

PLACEHOLDER = "[knowledge from Cairn]"
"""Stands where it was, and says nothing that could be learnt."""
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OPENING = re.compile(rf'(?:<|\\u003c)cairn-knowledge\s+ids=\\*"((?:{_ID}|[\s,])*)\\*"[^>\n]{{0,100}}?(?:>|\\u003e)', re.IGNORECASE)
_CLOSING = re.compile(r"(?:<|\\u003c)/cairn-knowledge\s*(?:>|\\u003e)", re.IGNORECASE)
_TOOL = re.compile(r"(?:mcp__(?:[\w-]*_)?)?cairn(?:[_-][\w-]*)?(?:__|[.:/])\w+", re.IGNORECASE)
_COMMAND = re.compile(
    r"(?:^|[\s;&|(/'\"`])cairn(?:\.exe)?[\"']?\s+(?:query|context|agents-md|demo|sessions\s+(?:show|similar))\b"
    r"|-m\s+app\.cli\s+(?:query|context|agents-md)\b"
    r"|\b(?:curl|wget|xh|fetch|urlopen|requests|https?)\b[^\n]{0,2000}?/v1/(?:knowledge|context)\b"
)


def without_served(event: Event) -> Event:
    """Return the event without what Cairn served; the event itself where there is nothing of it."""
    text = _unmarked(event.text, to_end=event.kind == "notice")
    tool = None if event.tool is None else _tool(event.tool)
    return event if text is event.text and tool is event.tool else replace(event, text=text, tool=tool)


def _tool(tool: ToolUse) -> ToolUse:
    asked = _unmarked(tool.input, to_end=False)
    printed = PLACEHOLDER if tool.output and _prints_knowledge(tool) else _unmarked(tool.output, to_end=True)
    return tool if asked is tool.input and printed is tool.output else replace(tool, input=asked, output=printed)


def _prints_knowledge(tool: ToolUse) -> bool:
    """Tell whether a call's result is knowledge, by the tool or by the command that it ran."""
    if _TOOL.fullmatch(tool.name):
        return True
    return tool.exit_code in {None, 0} and _COMMAND.search(tool.input) is not None


def _unmarked(text: str, *, to_end: bool) -> str:
    """Replace marked sections. `to_end`: one that is cut off before its end reaches to the end of the text."""
    if "cairn-knowledge" not in text:
        return text
    kept, place = [], 0
    while (opening := _OPENING.search(text, place)) is not None:
        closing = _CLOSING.search(text, opening.end())
        if closing is None and not to_end:
            break
        kept += [text[place : opening.start()], PLACEHOLDER]
        place = len(text) if closing is None else closing.end()
    return "".join([*kept, text[place:]]) if kept else text
