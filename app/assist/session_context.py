"""Tells what a session should know at its start, to a token budget, each entry cited. Knows no IDE and no HTTP.

People's rules and corrections come first, then what was learnt lately, problems that were left open, and how the
requester's own last session ended: what was said in another's goes into nobody's model.
Nothing is invented to fill it: where nothing is worth telling, it is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from app import clock
from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.assist.quoting import cite, headline, one_line, short_id, tokens_of, wrap
from app.errors import InvalidInput
from app.knowledge.item import BriefedItem, Quote
from app.knowledge.reader import KnowledgeReader
from app.sessions.event import Event
from app.sessions.reader import SessionReader
from app.sessions.session import SessionEnding
from app.telemetry import metrics

Section = Literal["rules", "lately", "open_problems", "last_session"]
HEADINGS: Final[dict[Section, str]] = {
    "rules": "Rules and corrections by people",
    "lately": "Learnt lately",
    "open_problems": "Left open",
    "last_session": "How the last session ended",
}
SHARES: Final[dict[Section, float]] = {"rules": 0.6, "lately": 0.8, "open_problems": 0.9, "last_session": 1.0}
"""Part of the budget that may be spent once a section is done, while later ones have something to tell."""
MIN_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS, DEFAULT_TOKENS = 100, 20_000, 2_000
MAX_ITEMS: Final = 60
"""Items of a kind that are read."""
LATELY = timedelta(days=30)
SESSIONS = 6
"""Latest sessions whose ends are looked at."""
RULE_CHARS, LEARNT_CHARS, SAID_CHARS = 500, 240, 200


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """One entry: an item (`type` as the item's), or a session (`type` `session`), with its line and where it was said."""

    id: UUID
    section: Section
    type: str
    line: str
    source: Quote
    cited: str


@dataclass(frozen=True, slots=True)
class SessionContext:
    """`text`: the entries as a model is given them, within the marker; empty without entries. `tokens`: of `text`.

    `project`: the one that was asked for; None: none was, and a session of no known project is told nothing.
    """

    text: str
    items: tuple[ContextEntry, ...]
    tokens: int
    project: str | None


class SessionContexts:
    """Composes the context of a session from a project's knowledge and its sessions."""

    def __init__(self, *, accounts: Accounts, knowledge: KnowledgeReader, sessions: SessionReader) -> None:
        self._accounts = accounts
        self._knowledge = knowledge
        self._sessions = sessions

    async def read(self, requester: Requester, project: str | None, *, max_tokens: int = DEFAULT_TOKENS) -> SessionContext:
        """Return what a session of the project should know at its start. Empty for a project that the team doesn't have, and for none."""
        requester.check("read")
        if not MIN_CONTEXT_TOKENS <= max_tokens <= MAX_CONTEXT_TOKENS:
            said = f"max_tokens must be from {MIN_CONTEXT_TOKENS} to {MAX_CONTEXT_TOKENS:,}: {max_tokens} is not."
            raise InvalidInput(said, param="max_tokens")
        project_id = None if project is None else await self._accounts.project_named(requester.team_id, project, closed=requester.closed)
        entries = [] if project_id is None else await self._entries(requester, project_id)
        context = _fitted(entries, max_tokens, project)
        metrics.context_served(entries=len(context.items), tokens=context.tokens)
        return context

    async def _entries(self, requester: Requester, project_id: UUID) -> list[ContextEntry]:
        known = await self._knowledge.briefing(requester, project_id, since=clock.now() - LATELY, limit=MAX_ITEMS)
        endings = await self._sessions.endings(requester, project_id, limit=SESSIONS)
        return [
            *(_item(each, "rules", RULE_CHARS, known.authors) for each in known.written),
            *(_item(each, "lately", LEARNT_CHARS, known.authors) for each in known.learnt),
            *(_problem(each, each.failed) for each in endings if each.failed is not None),
            *(_last(each) for each in _ended(endings)[:1]),
        ]


def _item(item: BriefedItem, section: Section, chars: int, names: Mapping[UUID, str]) -> ContextEntry:
    by = None if item.author is None else names.get(item.author)
    line = headline(item.title, item.text, chars)
    return ContextEntry(item.id, section, item.type, line, item.source, cite(item.source, by=by))


def _ended(endings: Iterable[SessionEnding]) -> list[SessionEnding]:
    """Return the sessions that came to an answer: one that has only begun has no end to tell."""
    return [each for each in endings if each.asked is not None and each.said is not None]


def _last(ending: SessionEnding) -> ContextEntry:
    asked, said = ending.asked, ending.said
    assert asked is not None
    assert said is not None
    line = f"asked: “{one_line(asked.text, SAID_CHARS)}” · answered: “{one_line(said.text, SAID_CHARS)}”"
    return _session(ending, "last_session", line, said)


def _problem(ending: SessionEnding, failed: Event) -> ContextEntry:
    """Tell a command that failed last in its session, with the last line of what it printed."""
    tool = failed.tool
    printed = [line for line in (tool.output if tool else "").splitlines() if line.strip()]
    ran = one_line(f"{tool.name} {tool.input}" if tool else failed.text, SAID_CHARS)
    because = f": “{one_line(printed[-1], SAID_CHARS)}”" if printed else ""
    return _session(ending, "open_problems", f"failed last: {ran}{because}", failed)


def _session(ending: SessionEnding, section: Section, line: str, event: Event) -> ContextEntry:
    session = ending.session
    source = Quote(session.id, session.transcript, event.locator, line, event.at or session.at, session.branch, session.commit)
    branch = f", branch {one_line(session.branch, 60)}" if session.branch else ""
    return ContextEntry(session.id, section, "session", line, source, cite(source) + branch)


def _fitted(entries: Sequence[ContextEntry], max_tokens: int, project: str | None) -> SessionContext:
    """Take the entries in order, each section up to its share of the budget first, then whatever still fits."""
    taken: list[ContextEntry] = []
    left = max_tokens - tokens_of(_text((), project))
    spent = 0
    for shares in (SHARES, dict.fromkeys(SHARES, 1.0)):
        for entry in entries:
            cost = 0 if entry in taken else _cost(entry, new=all(each.section != entry.section for each in taken))
            if cost and spent + cost <= shares[entry.section] * left:
                taken.append(entry)
                spent += cost
    ordered = [entry for entry in entries if entry in taken]
    text = _text(ordered, project)
    while ordered and (tokens := tokens_of(text)) > max_tokens:  # the parts may have fewer tokens than the whole
        del ordered[-1]
        text = _text(ordered, project)
    return SessionContext(text, tuple(ordered), tokens, project) if ordered else SessionContext("", (), 0, project)


def _cost(entry: ContextEntry, *, new: bool) -> int:
    """Count an entry's tokens: its line, its id in the marker and, where it is the first of its section, the heading."""
    heading = f"## {HEADINGS[entry.section]}\n" if new else ""
    return tokens_of(f"{heading}{_line(entry)}\n") + tokens_of(f" {entry.id}")


def _line(entry: ContextEntry) -> str:
    return f"- [{short_id(entry.id)}] {entry.line} ({entry.cited})"


def _text(entries: Sequence[ContextEntry], project: str | None) -> str:
    lines = [f"Project: {one_line(project or '', 100)}"]
    for section, heading in HEADINGS.items():
        ours = [_line(each) for each in entries if each.section == section]
        lines += [f"## {heading}", *ours] if ours else []
    return wrap("\n".join(lines), [each.id for each in entries])
