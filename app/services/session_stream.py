"""Follows a session for a reader: its events as they come, those filled in since, what is found and what is learnt meanwhile. No HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal
from uuid import UUID

from app.accounts.accounts import LastingRequester
from app.accounts.requester import Requester
from app.knowledge.item import ItemFilter
from app.knowledge.reader import ShownItem
from app.knowledge.results import Result
from app.services.services import Services
from app.sessions.stream import StreamedEvent, StreamPosition, parse_position, position_id
from app.storage.pages import EntryPage, every_entry
from app.trajectory.analysis import (
    FindingKey,
    FollowedFindings,
    FollowedIntents,
    ToldFinding,
    parse_finding_position,
    parse_intent_position,
)
from app.trajectory.intent import PromptIntent
from app.trajectory.patterns import TROUBLE_KINDS

POLL_SECONDS, QUIET_SECONDS = 0.5, 15.0
LEARNT_SECONDS = 5.0
"""Pause between questions for what was learnt while a session stands still: it is learnt after the events come."""
ITEMS_PAGE = 50
MAX_HELPED = 50
"""Findings that one stream asks the knowledge about."""
PLACES_MARK = "~"
"""Parts an id into the places among the events, the findings, and the intents of prompts."""
FINDING_FIELDS = ("kind", "name", "first", "last", "open", "evidence", "began_at", "ended_at")
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """One thing that came to a session: an event, one told before and filled in since, a finding, a prompt's intent, or an item learnt.

    `id`: to go on after it.
    """

    name: Literal["event", "changed", "finding", "intent", "knowledge"]
    id: str
    fields: dict[str, object]


async def open_session_stream(services: Services, requester: Requester, session_id: UUID, *, last_id: str | None) -> OpenSessionStream:
    """Open a session's stream after the update of this id, None: from its beginning. It counts as open until it is closed.

    Raises whatever refuses it: NotFound for another team's session, InvalidInput for an unknown id, Unavailable for too many streams.
    """
    events, findings, intents = [*(last_id or "").split(PLACES_MARK, 2), "", ""][:3]
    position, found, told = parse_position(events), parse_finding_position(findings), parse_intent_position(intents)
    reader = await services.accounts.lasting(requester)
    await services.sessions.reader.show(await reader.now(), session_id)
    counted = ExitStack()
    counted.enter_context(services.sessions.stream.counted(requester))
    followed = _FollowedAnalysis(
        FollowedFindings(services.trajectory.queries, services.sessions.reader, session_id, found),
        FollowedIntents(services.trajectory.intents.store, session_id, told),
    )
    return OpenSessionStream(services, reader, session_id, position, followed, counted.close)


@dataclass(frozen=True, slots=True)
class _FollowedAnalysis:
    """The findings and intents that are told of a session beside its events."""

    findings: FollowedFindings
    intents: FollowedIntents

    def place(self, events: StreamPosition, *, finding: str = "", intent: str = "") -> str:
        """Write where to go on: after these events, and after a finding and an intent (empty: the last ones that were told)."""
        return PLACES_MARK.join((position_id(events), finding or self.findings.position, intent or self.intents.position))


class OpenSessionStream:
    """A reader's stream of one session. `close` it, or run `updates` to its end."""

    def __init__(
        self,
        services: Services,
        reader: LastingRequester,
        session_id: UUID,
        position: StreamPosition,
        analysis: _FollowedAnalysis,
        close: Callable[[], None],
    ) -> None:
        self._services = services
        self._reader = reader
        self._session_id = session_id
        self._position = position
        self._analysis = analysis
        self._helped: dict[FindingKey, list[dict[str, object]]] = {}
        self._learnt_until = _BEGINNING
        self.close = close

    async def updates(self, seconds: float) -> AsyncGenerator[SessionUpdate | None]:
        """Yield what comes until the time is over or the server stops, and None at the start and after each QUIET_SECONDS of nothing.

        NotAuthenticated and NotPermitted as soon as the reader's key opens it no more.
        """
        clock = asyncio.get_running_loop().time
        until, sent_at, ask_at = clock() + seconds, clock(), clock()
        try:
            yield None
            while True:
                events, after = await self._services.sessions.stream.since(await self._reader.now(), self._session_id, self._position)
                for each in events:
                    yield _update(each, self._analysis.place(each.position))
                found: list[SessionUpdate] = []
                if after != self._position or clock() >= ask_at:
                    self._position, ask_at = after, min(clock() + LEARNT_SECONDS, until)
                    found = [*await self._found(), *await self._told(), *await self._learnt()]
                for update in found:
                    yield update
                if events or found:
                    sent_at = clock()
                    ask_at = sent_at if found else ask_at
                    continue
                if self._services.messages.stopping or clock() >= until:
                    return
                if clock() - sent_at >= QUIET_SECONDS:
                    sent_at = clock()
                    yield None
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self.close()

    async def _found(self) -> list[SessionUpdate]:
        """Return the next findings that are new or have changed."""
        place, requester = partial(self._analysis.place, self._position), await self._reader.now()
        made = []
        for position, each in await self._analysis.findings.since(requester):
            more = {"known": await self._known(requester, each), "helped": await self._what_helped(requester, each)}
            made.append(SessionUpdate("finding", place(finding=position), _finding_fields(each) | more))
        return made

    async def _known(self, requester: Requester, finding: ToldFinding) -> str | None:
        """Say what other sessions show of a trouble that goes on; None: nothing, or it is none."""
        if not finding.open or finding.kind not in TROUBLE_KINDS:
            return None
        patterns = self._services.trajectory.patterns
        return await patterns.sentence(requester, self._session_id, first=finding.first, last=finding.last) or None

    async def _what_helped(self, requester: Requester, finding: ToldFinding) -> list[dict[str, object]]:
        """Return what the project knows of the error that a loop or a broken rule shows: once for each, of the reader's own session."""
        nudges = finding.kind == "policy" or (finding.kind == "loop" and finding.open)
        if not nudges or not finding.because:  # of another's session the error isn't asked about: what is found would tell of it
            return []
        if finding.key not in self._helped and len(self._helped) < MAX_HELPED:
            project = (await self._services.sessions.reader.show(requester, self._session_id)).project
            found = await self._services.assist.earlier.find(requester, self._session_id, project, finding)
            self._helped[finding.key] = [_result_fields(each) for each in found]
        return self._helped.get(finding.key, [])

    async def _told(self) -> list[SessionUpdate]:
        """Return the next intents of prompts that were told, or corrected since."""
        place = partial(self._analysis.place, self._position)
        found = await self._analysis.intents.since()
        return [SessionUpdate("intent", place(intent=position), _intent_fields(each)) for position, each in found]

    async def _learnt(self) -> list[SessionUpdate]:
        """Return all items first learnt from the session since the last call, the oldest first."""
        wanted = ItemFilter(session_id=self._session_id, since=self._learnt_until)

        async def read(cursor: str | None) -> EntryPage[ShownItem]:
            return await self._services.knowledge.reader.list(await self._reader.now(), wanted, limit=ITEMS_PAGE, cursor=cursor)

        found = [each.item async for each in every_entry(await read(None), read)]
        self._learnt_until = max([self._learnt_until, *(each.created_at + timedelta(microseconds=1) for each in found)])
        return [
            SessionUpdate(
                "knowledge",
                self._analysis.place(self._position),
                {"id": each.id, "type": each.type, "title": each.title, "text": each.text, "untrusted": True},
            )
            for each in reversed(found)
        ]


def _result_fields(result: Result) -> dict[str, object]:
    source = {"session_id": result.source.session_id, "transcript": result.source.transcript, "locator": result.source.locator}
    told = {"id": result.id, "kind": result.kind, "type": result.type, "title": result.title, "text": result.text}
    return told | {"project": result.project, "source": source | {"at": result.source.at}}


def _finding_fields(finding: ToldFinding) -> dict[str, object]:
    told: dict[str, object] = {name: getattr(finding, name) for name in FINDING_FIELDS}
    return told | {"because": finding.because or None, "tool": finding.tool or None, "untrusted": True}


def _intent_fields(intent: PromptIntent) -> dict[str, object]:
    return {"seq": intent.seq, "intent": intent.intent, "confidence": intent.certainty, "corrected_by": intent.corrected_by}


def _update(streamed: StreamedEvent, place: str) -> SessionUpdate:
    event = streamed.event
    tool = event.tool and {
        "name": event.tool.name,
        "input": event.tool.input,
        "output": event.tool.output,
        "exit_code": event.tool.exit_code,
    }
    fields: dict[str, object] = {
        "seq": streamed.seq,
        "id": event.id,
        "kind": event.kind,
        "role": event.role,
        "text": event.text,
        "at": event.at,
        "tool": tool,
        "outcome": event.outcome,
        "model": event.model,
        "locator": event.locator,
        "untrusted": True,
    }
    return SessionUpdate("changed" if streamed.changed else "event", place, fields)
