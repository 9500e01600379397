"""Shows patterns of trouble to a requester, and which of them a session's own troubles are like. No words of anybody, no closed projects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from app import clock
from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.errors import InvalidInput
from app.trajectory.analyzers.analyzer import FindingKind
from app.trajectory.patterns.failures import THIN_FAMILIES
from app.trajectory.patterns.merging import OutcomeCount, TroubleOccurrence, TroublePattern, aged, patterns_of
from app.trajectory.patterns.records import OccurrenceRecords
from app.trajectory.patterns.wording import known_of, words_of_shape

MIN_SESSIONS: Final = 2
"""Sessions that a pattern recurred in: fewer are an incident."""
MIN_TOLD_WEIGHT: Final = 0.25
"""Occurrences, weighed by age, below which a pattern is too old to interrupt somebody with."""
MAX_SHOWN: Final = 10
"""Occurrences of a pattern that are shown one by one, the latest: all are counted."""
MAX_OF_SESSION: Final = 20
"""Troubles of a stretch whose patterns are looked for."""
TROUBLE_KINDS: Final[frozenset[FindingKind]] = frozenset({"loop", "health"})
"""Kinds of findings that tell of trouble: episodes, and so patterns, come from these."""
Place = tuple[float, str]


@dataclass(frozen=True, slots=True)
class ShownPattern:
    """A pattern as it is shown. `words`: what is known of it, in a sentence. `failing`: its phases, in words. `occurrences`: the latest."""

    id: str
    project: str
    family: str
    troubles: Sequence[str]
    failing: Sequence[str]
    words: str
    times: int
    sessions: int
    outcomes: Sequence[OutcomeCount]
    first_at: datetime
    last_at: datetime
    occurrences: Sequence[TroubleOccurrence]


@dataclass(frozen=True, slots=True)
class PatternPage:
    """Patterns, the weightiest first. `next`: the place after the last one, if more follow."""

    patterns: Sequence[ShownPattern]
    next: str | None


@dataclass(frozen=True, slots=True)
class RecurringTrouble:
    """A trouble of a session, of the events `first` to `last`, and what other sessions of its project show of its kind.

    `tells`: there is enough evidence, recent enough and of a failure that is known, to tell an agent unasked.
    """

    first: int
    last: int
    pattern: ShownPattern
    tells: bool


class PatternReader:
    """Reads patterns."""

    def __init__(self, records: OccurrenceRecords, accounts: Accounts) -> None:
        self._records = records
        self._accounts = accounts

    async def show(self, requester: Requester, *, project: str | None, min_sessions: int, after: str | None, limit: int) -> PatternPage:
        """Show the patterns of the team's projects, or of one. NotFound for one that is closed to the requester."""
        requester.check("read")
        project_id = None
        if project is not None:
            project_id = await self._accounts.open_project(requester.team_id, project, closed=requester.closed)
        read = await self._records.of_team(requester.team_id, requester.closed, project_id)
        patterns = await asyncio.to_thread(patterns_of, read)
        place = None if after is None else _place(after)
        wanted = [each for each in patterns if len(each.sessions) >= min_sessions and (place is None or _order(each) > place)]
        page = wanted[:limit]
        names = await self._accounts.project_names(requester.team_id, {each.project_id for each in page})
        # A project that was merged meanwhile has no name: the next request sees its patterns in the other.
        shown = [_shown(each, names[each.project_id], others=False) for each in page if each.project_id in names]
        return PatternPage(shown, _text(page[-1]) if len(wanted) > limit else None)

    async def of_session(self, requester: Requester, session_id: UUID, *, first: int, last: int) -> Sequence[RecurringTrouble]:
        """Return which troubles in a stretch of a session other sessions of its project had, too, with what these show.

        Ask only where the session is open to the requester: nothing of another team's or a closed project is read.
        """
        ours = await self._records.of_session(session_id, first=first, last=last, most=MAX_OF_SESSION)
        if not ours or ours[0].project_id in requester.closed:
            return []
        project_id, signatures = ours[0].project_id, {each.signature for each in ours}
        read = await self._records.of_classes(requester.team_id, requester.closed, project_id, signatures)
        names = await self._accounts.project_names(requester.team_id, {project_id})
        patterns = await asyncio.to_thread(patterns_of, {*read, *ours}) if project_id in names else []
        found = [(each, pattern) for each in ours if (pattern := _of(patterns, each)) is not None]
        return [_recurring(each, pattern, names[project_id]) for each, pattern in found]

    async def sentence(self, requester: Requester, session_id: UUID, *, first: int, last: int) -> str:
        """Say what other sessions show of a trouble of this one; empty where that is too little, or too long ago, to tell unasked."""
        found = await self.of_session(requester, session_id, first=first, last=last)
        return next((each.pattern.words for each in reversed(found) if each.tells), "")


def _of(patterns: Sequence[TroublePattern], occurrence: TroubleOccurrence) -> TroublePattern | None:
    """Return what other sessions show of the pattern that an occurrence belongs to."""
    pattern = next((each for each in patterns if each.holds(occurrence.session_id, occurrence.told)), None)
    return None if pattern is None else pattern.without(occurrence.session_id)


def _recurring(occurrence: TroubleOccurrence, pattern: TroublePattern, project: str) -> RecurringTrouble:
    weight = pattern.weight / aged(1, clock.now())
    tells = len(pattern.sessions) >= MIN_SESSIONS and weight >= MIN_TOLD_WEIGHT and pattern.family not in THIN_FAMILIES
    return RecurringTrouble(occurrence.first, occurrence.last, _shown(pattern, project, others=True), tells)


def _shown(pattern: TroublePattern, project: str, *, others: bool) -> ShownPattern:
    at = [each.at for each in pattern.occurrences]
    return ShownPattern(
        id=pattern.id,
        project=project,
        family=pattern.family,
        troubles=list(pattern.troubles),
        failing=words_of_shape(pattern.failing),
        words=known_of(pattern, others=others),
        times=pattern.times,
        sessions=len(pattern.sessions),
        outcomes=pattern.outcomes,
        first_at=min(at),
        last_at=max(at),
        occurrences=list(reversed(pattern.occurrences))[:MAX_SHOWN],
    )


def _order(pattern: TroublePattern) -> Place:
    return -pattern.weight, pattern.id


def _text(pattern: TroublePattern) -> str:
    return f"{pattern.weight!r} {pattern.id}"


def _place(given: str) -> Place:
    weight, _, pattern_id = given.partition(" ")
    try:
        return -float(weight), pattern_id
    except ValueError as error:
        raise InvalidInput("This cursor names no place in this list: leave it out to start from the beginning.", param="cursor") from error
