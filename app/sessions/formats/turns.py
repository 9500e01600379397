"""Turns of one session as its events: what was said, and tool calls with their results. Knows no format's records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.sessions.event import Event, Kind, ReplyUsage, Role, SessionHeader
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import Pending, PendingToolCall, exit_code_of, files_of, tool_input
from app.sessions.formats.values import Occurrences
from app.sessions.formats.words import prompt_in, title_of

Read = SessionHeader | Event


@dataclass(slots=True)
class RecordFacts:
    """Facts that all events of one record share. `id`: the record's own; None: its events get a hash of their content.

    `usage` goes to the first event. `sidechain`: a sub-agent's, whose prompts were written by an agent.
    """

    locator: str
    id: str | None = None
    at: datetime | None = None
    model: str | None = None
    usage: ReplyUsage | None = None
    parent: str | None = None
    sidechain: bool = False
    texts: int = 0
    thought: int = 0


@dataclass(frozen=True, slots=True)
class CallResult:
    """A tool's result; `failed` None: the transcript doesn't say."""

    output: str = ""
    failed: bool | None = None
    exit_code: int | None = None


class Turns:
    """State of reading one session: its header so far, the calls that wait for results, the ids given."""

    def __init__(self, header: SessionHeader, tally: ParseTally) -> None:
        self.header = header
        self._emitted_header: SessionHeader | None = None
        self._tally = tally
        self._pending = Pending()
        self._ids = Occurrences()
        self._made: dict[str, bytes] = {}

    def learn(self, *, title: str | None = None, **facts: Any) -> None:
        """Fill the header's gaps. A `title` that the transcript gives replaces one derived from a prompt."""
        missing = {name: value for name, value in facts.items() if value and getattr(self.header, name) is None}
        self.header = replace(self.header, **missing)
        if title and title.strip():
            self.header = replace(self.header, title=title_of(title), title_given=True)

    def prompt(self, facts: RecordFacts, text: str, *, by_software: bool = False) -> Iterator[Read]:
        """Yield what stands in a user's turn: a prompt if a person typed it, else a notice."""
        typed = None if by_software else prompt_in(text)
        if not text.strip():
            return
        if typed is None:
            yield from self.notice(facts, text)
        elif facts.sidechain:
            yield from self._said(facts, "user", "notice", text)
        else:
            if self.header.title is None:
                self.header = replace(self.header, title=title_of(typed))
            yield from self._said(facts, "user", "prompt", typed)

    def reply(self, facts: RecordFacts, text: str) -> Iterator[Read]:
        yield from self._said(facts, "assistant", "reply", text)

    def thinking(self, facts: RecordFacts, text: str) -> Iterator[Read]:
        yield from self._said(facts, "assistant", "thinking", text)

    def notice(self, facts: RecordFacts, text: str) -> Iterator[Read]:
        yield from self._said(facts, "system", "notice", text)

    def call(self, facts: RecordFacts, key: str | None, name: str | None, given: object) -> Iterator[Read]:
        """Take note of a tool call; its event comes with its result, or at the end. A call told twice is one."""
        if key in self._pending:
            return
        call = self._call(facts, key, name, given)
        if call is not None:
            yield from self._all(self._pending.add(key or call.id, call))

    def result(self, key: str | None, result: CallResult, *, in_order: bool = False) -> Iterator[Read]:
        """Yield the call that this result answers. `in_order`: without a key, it answers the oldest call."""
        call = self._pending.take(key) or (self._pending.oldest() if in_order else None)
        if call is None:
            self._tally.skip("tool result without its call")
            return
        yield from self._all([_answered(call, result)])

    def used(self, facts: RecordFacts, key: str | None, name: str | None, given: object, result: CallResult | None) -> Iterator[Read]:
        """Yield a call whose record holds its result too; None: there is none yet."""
        call = self._call(facts, key, name, given)
        if call is not None:
            yield from self._all([call.event() if result is None else _answered(call, result)])

    def rest(self) -> Iterator[Read]:
        """Yield the calls without a result, and what the header learnt last. The session ends."""
        yield from self._all(self._pending.rest())
        if self._emitted_header is not None and self.header != self._emitted_header:
            yield self.header

    def _call(self, facts: RecordFacts, key: str | None, name: str | None, given: object) -> PendingToolCall | None:
        name, words = name or "tool", tool_input(name or "tool", given)
        event_id = self._id(key, "tool", f"{name}\x1f{words}")
        if event_id is None:
            return None
        call = PendingToolCall(
            event_id, name, words, facts.locator, facts.at, facts.sidechain, facts.model, facts.usage, facts.parent, files_of(given)
        )
        facts.usage = None
        return call

    def _said(self, facts: RecordFacts, role: Role, kind: Kind, text: str) -> Iterator[Read]:
        if not text.strip():
            return
        given = self._own_id(facts, kind)
        event_id = self._id(given, kind, text.strip())
        if event_id is None:
            return
        event = Event(
            event_id,
            role,
            kind,
            text,
            facts.locator,
            facts.at,
            sidechain=facts.sidechain,
            model=facts.model if role == "assistant" else None,
            usage=facts.usage,
            parent=facts.parent,
        )
        facts.usage = None
        yield from self._all([event])

    @staticmethod
    def _own_id(facts: RecordFacts, kind: Kind) -> str | None:
        """Return the next id of a record's texts. Thoughts count apart: what was said keeps its id where they are left out."""
        if kind == "thinking":
            number, facts.thought = facts.thought, facts.thought + 1
            return facts.id and f"{facts.id}#thinking{number or ''}"
        number, facts.texts = facts.texts, facts.texts + 1
        return facts.id and (f"{facts.id}#{number}" if number else facts.id)

    def _id(self, given: str | None, kind: str, content: str) -> str | None:
        """Return an event's id: the given one, numbered where another content has it; None if it was made before."""
        if given is None:
            return self._ids.id(kind, content)
        digest = hashlib.blake2b(f"{kind}\x1f{content}".encode("utf-8", "replace"), digest_size=8).digest()
        if self._made.get(given) == digest:
            return None
        self._made[given] = digest
        return self._ids.again(given)

    def _all(self, events: list[Event]) -> Iterator[Read]:
        """Yield events, and before them the header if it has changed."""
        for event in events:
            if self.header.started_at is None and event.at is not None:
                self.header = replace(self.header, started_at=event.at)
            if self.header.model is None and event.model and not event.sidechain:
                self.header = replace(self.header, model=event.model)
            if self.header != self._emitted_header:
                self._emitted_header = self.header
                yield self.header
            yield event


def _answered(call: PendingToolCall, result: CallResult) -> Event:
    """Build the call's event. An exit code is looked for in the text only where the call isn't said to have succeeded."""
    code = result.exit_code
    if code is None and result.failed is not False:
        code = exit_code_of(result.output[:200])
    return call.event(result.output, failed=result.failed, exit_code=code)
