"""Finds a team's sessions that are like one of them, for a requester: one call for a route and a page, without closed projects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never
from uuid import UUID

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.sessions.journal import Journal
from app.sessions.session import CitedSession
from app.trajectory.shapes.phases import symbol_of
from app.trajectory.similar.ranking import MIN_PHASES, ShapeMatch, next_words, rank, shared_words
from app.trajectory.similar.records import ShapeRecords, StoredShape

MAX_SHARED = 50
"""Shared phases that are listed one by one, the last: all count in the score."""
Comparability = Literal["compared", "not_analysed", "too_short"]
"""not_analysed: the session has no shape yet; too_short: it has fewer than MIN_PHASES phases, so nothing would tell it apart."""


@dataclass(frozen=True, slots=True)
class SharedPhase:
    """A phase that both sessions have: the seqs at which it began in the one asked about, and in the other."""

    phase: str
    here: int
    there: int


@dataclass(frozen=True, slots=True)
class SimilarSession:
    """A session like the one asked about. `score`: the share of their phases, weighed, that they have in common; `course`: the cosine
    of their temporal embeddings. `both`, `then`: words for what they share, and for what this one did after the last trouble they share.
    """

    session: CitedSession
    project: str
    score: float
    course: float
    both: Sequence[str]
    then: Sequence[str]
    shared: Sequence[SharedPhase]

    @property
    def because(self) -> str:
        """Say in a sentence why it is found."""
        said = f"Both: {', '.join(self.both)}."
        return f"{said} Then, there: {', '.join(self.then)}." if self.then else said


@dataclass(frozen=True, slots=True)
class SimilarSessions:
    """The sessions found, the likest first. `phases`: number of phases compared of the session asked about; `left_out`: phases before these.

    `compared`: number of other sessions it was compared with.
    """

    state: Comparability
    phases: int = 0
    left_out: int = 0
    compared: int = 0
    found: Sequence[SimilarSession] = ()

    @property
    def reason(self) -> str | None:
        """Say why it was not compared, and what to do; None: it was."""
        match self.state:
            case "compared":
                return None
            case "not_analysed":
                return "The session has not been analysed yet: ask again in a moment. `cairn sessions show ID` or GET /v1/sessions/{session_id} tells how far it has been read."
            case "too_short":
                return f"The session has too few phases to tell it from others: {self.phases} of at least {MIN_PHASES}. Look again when it has grown."
            case _:
                assert_never(self.state)


class SimilarSessionFinder:
    """Finds sessions by their shapes."""

    def __init__(self, accounts: Accounts, journal: Journal, records: ShapeRecords) -> None:
        self._accounts = accounts
        self._journal = journal
        self._records = records

    async def find(self, requester: Requester, session_id: UUID, *, limit: int) -> SimilarSessions:
        """Return the sessions likest to this one. NotFound for another team's, and for one of a project closed to the requester."""
        requester.check("read")
        session = await self._journal.get(requester.team_id, session_id, closed=requester.closed)
        shape = (await self._records.read([session_id])).get(session_id)
        if shape is None or len(shape.symbols) < MIN_PHASES:
            return SimilarSessions("not_analysed") if shape is None else SimilarSessions("too_short", len(shape.symbols))
        compared = await self._records.compared(session.team_id, requester.closed)
        itself = compared.place_of(session_id)
        # Most of it runs in C without the GIL.
        matches = await asyncio.to_thread(rank, shape.symbols, shape.vector, compared, limit=limit, without=itself)
        found = await self._described(requester, shape, matches)
        return SimilarSessions("compared", len(shape.symbols), shape.dropped, len(compared.symbols) - (itself is not None), found)

    async def _described(self, requester: Requester, shape: StoredShape, matches: Sequence[ShapeMatch]) -> list[SimilarSession]:
        """Add names and words to the matches."""
        ids = [each.session_id for each in matches]
        sessions, shapes = await self._journal.cited(requester.team_id, ids), await self._records.read(ids)
        names = await self._accounts.project_names(requester.team_id, {each.project_id for each in sessions.values()})
        described = []
        for match in matches:
            session, other = sessions.get(match.session_id), shapes.get(match.session_id)
            if session is None or session.project_id not in names or other is None or other.symbols != match.symbols:
                continue  # purged, merged or grown meanwhile: the next request sees it as it is
            described.append(_similar(shape, other, match, session, names[session.project_id]))
        return described


def _similar(shape: StoredShape, other: StoredShape, match: ShapeMatch, session: CitedSession, project: str) -> SimilarSession:
    return SimilarSession(
        session,
        project,
        round(match.likeness.score, 3),
        round(match.course, 3),
        shared_words(shape.symbols, match),
        next_words(shape.symbols, match),
        [
            SharedPhase(symbol_of(shape.symbols[here]).words, shape.firsts[here], other.firsts[there])
            for here, there in match.likeness.common[-MAX_SHARED:]
        ],
    )
