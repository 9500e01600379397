"""Claude Code's `/export`: its screen as text. `>` opens what a person typed, `⏺` what the agent said or did, `⎿` a result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.sessions.event import SessionHeader
from app.sessions.formats.lines import Line, each_of
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import exit_code_of
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id

PROVIDER = "claude-code"
PROMPT_SIGN = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
PERSON, AGENT, THOUGHT, RESULT = f">{PROMPT_SIGN}", "⏺●", "✻∴", "⎿"
MAX_BLOCK_CHARS = 2_000_000
_OPENS = re.compile(rf"([{PERSON}{AGENT}{THOUGHT}])(?: |\u00a0|$)(.*)", re.DOTALL)
_RESULT = re.compile(rf"\s{{1,6}}{RESULT}[ \u00a0]{{0,4}}(.*)")
_CALL = re.compile(r"([A-Za-z][\w.:/ -]{0,80}?)(?: - [\w. -]{1,60} \(MCP\))?\((.*)\)\s*", re.DOTALL)
_BANNER = re.compile(r"Claude Code v?(\d+\.\d+[\w.-]*)")
_FOLDER = re.compile(r"cwd: (/[^\u2502\n]{1,400}?)\s*\u2502?$")


@dataclass(slots=True)
class _Block:
    """A marker's block: its lines, and its result's."""

    line: Line
    sign: str
    lines: list[str] = field(default_factory=list)
    result: list[str] | None = None
    size: int = 0

    def add(self, text: str) -> bool:
        """Take a line. False: the block is full."""
        self.size += len(text)
        if self.size > MAX_BLOCK_CHARS:
            return False
        found = _RESULT.fullmatch(text)
        if found is not None and self.sign not in PERSON:
            self.result = [*(self.result or []), found[1]]
        elif self.result is not None:
            self.result.append(text.removeprefix("     "))
        else:
            self.lines.append(text.removeprefix("  "))
        return True

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def is_export(text: str) -> bool:
    """Tell whether a text is such an export: both sides' markers at the beginning of lines, and a result's or the banner."""
    signs = {line[:1] for line in text.splitlines() if _OPENS.match(line)}
    person, agent = signs & set(PERSON), signs & set(AGENT)
    certain = _BANNER.search(text) or "⏺" in signs or PROMPT_SIGN in signs or re.search(rf"^ {{1,6}}{RESULT}", text, re.MULTILINE)
    return bool(person and agent and certain)


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    version = folder = None
    turns: Turns | None = None
    held: list[_Block] = []
    for block in _blocks(lines, tally):
        if block.sign == "":
            version = version or next((found[1] for text in block.lines if (found := _BANNER.search(text))), None)
            folder = folder or next((found[1] for text in block.lines if (found := _FOLDER.search(text))), None)
            continue
        held.append(block)
        if turns is None and len(held) < 2:
            continue
        turns = turns or _opened(held, version, folder, tally)
        for each in held:
            yield from each_of(_events(turns, each), each.line.locator, tally)
        held.clear()
    if held:
        turns = turns or _opened(held, version, folder, tally)
        for each in held:
            yield from each_of(_events(turns, each), each.line.locator, tally)
    if turns is not None:
        yield from turns.rest()


def _opened(blocks: list[_Block], version: str | None, folder: str | None, tally: ParseTally) -> Turns:
    name = content_id(*(block.text[:2000] for block in blocks))
    return Turns(SessionHeader(PROVIDER, name, directory=folder, agent_version=version), tally)


def _blocks(lines: Iterator[Line], tally: ParseTally) -> Iterator[_Block]:
    """Yield the blocks; first the banner, whose sign is empty."""
    block = _Block(Line(1, ""), "")
    full = False
    for line in lines:
        found = _OPENS.match(line.text)
        if found is not None:
            yield block
            block, full = _Block(line, found[1]), False
            block.add(found[2])
        elif not full and not block.add(line.text):
            full = True
            tally.skip("a message is too long", line.locator)
    yield block


def _events(turns: Turns, block: _Block) -> Iterator[Read]:
    facts, text = RecordFacts(block.line.locator), block.text
    if block.sign in PERSON:
        yield from turns.prompt(facts, text)
    elif block.sign in THOUGHT:
        yield from turns.thinking(facts, text)
    elif block.result is None:
        yield from turns.reply(facts, text)
    else:
        found = _CALL.fullmatch(text) if text.endswith(")") else None
        output = "\n".join(block.result).strip()
        code = exit_code_of(output[:200])
        failed = output.startswith("Error") or code not in {None, 0}
        name, asked = (found[1], found[2]) if found is not None else (text.split(" ", 1)[0], text)
        yield from turns.used(facts, None, name.strip() or "tool", asked, CallResult(output, failed, code))
