"""Reads occurrences of trouble from PostgreSQL, bounded: of each class of failure in a project the latest, without closed projects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    Select,
    Uuid,
    all_,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    extract,
    func,
    select,
    table,
)

from app import clock
from app.storage.database import Database, rows_of
from app.trajectory.patterns.merging import TroubleOccurrence
from app.trajectory.patterns.tables import TroubleEpisodeRow

MAX_OCCURRENCES: Final = 200
"""Occurrences of one class of failure in a project that are read, the latest: the bound of what a pattern's evidence can be."""
MAX_READ: Final = 5_000
MAX_AGE_DAYS: Final = 730
"""Older ones count no more: they would weigh less than a two hundredth."""


class OccurrenceRecords:
    """Reads the occurrences of trouble in a team's sessions, without those of the projects `closed`; the latest, within MAX_READ."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_team(self, team_id: UUID, closed: Collection[UUID], project_id: UUID | None) -> Sequence[TroubleOccurrence]:
        """Return those of all projects, or of one."""
        statement, named = (_IN_TEAM, {}) if project_id is None else (_IN_PROJECT, {"project": project_id})
        return await self._read(statement, team=team_id, closed=list(closed), **named)

    async def of_classes(
        self, team_id: UUID, closed: Collection[UUID], project_id: UUID, signatures: Collection[int]
    ) -> Sequence[TroubleOccurrence]:
        """Return those of these classes of failure in a project."""
        return await self._read(_OF_CLASSES, team=team_id, closed=list(closed), project=project_id, signatures=list(signatures))

    async def of_session(self, session_id: UUID, *, first: int, last: int, most: int) -> Sequence[TroubleOccurrence]:
        """Return a session's occurrences in the stretch of these seqs, the first ones, in order."""
        return await self._read(_OF_SESSION, session=session_id, first=first, last=last, most=most)

    async def _read(self, statement: Select[Any], **given: object) -> Sequence[TroubleOccurrence]:
        given["since"] = clock.now() - timedelta(days=MAX_AGE_DAYS)
        return [TroubleOccurrence(*each) for each in await self._database.read(rows_of(statement, given))]


_sessions: Final = table("sessions", column("id", Uuid()), column("started_at"), column("created_at"))
_at = func.coalesce(TroubleEpisodeRow.began_at, _sessions.c.started_at, _sessions.c.created_at).label("at")
# A clock may have jumped back; `greatest` alone would make 0 of what is unknown.
_known = and_(TroubleEpisodeRow.began_at.is_not(None), TroubleEpisodeRow.ended_at.is_not(None))
_seconds = case((_known, cast(func.greatest(extract("epoch", TroubleEpisodeRow.ended_at - TroubleEpisodeRow.began_at), 0), Double())))
_COLUMNS: Final = (
    TroubleEpisodeRow.session_id,
    TroubleEpisodeRow.project_id,
    TroubleEpisodeRow.told,
    TroubleEpisodeRow.first,
    TroubleEpisodeRow.last,
    TroubleEpisodeRow.trouble,
    TroubleEpisodeRow.family,
    TroubleEpisodeRow.signature,
    TroubleEpisodeRow.failing,
    TroubleEpisodeRow.ended,
    func.coalesce(TroubleEpisodeRow.outcome, "unresolved").label("outcome"),  # one that goes on has shown no end yet
    _seconds.label("seconds"),
    _at,
)
_with_session = select(*_COLUMNS).join(_sessions, _sessions.c.id == TroubleEpisodeRow.session_id)
_place = func.row_number().over(
    partition_by=(TroubleEpisodeRow.project_id, TroubleEpisodeRow.signature),
    order_by=(_at.desc(), TroubleEpisodeRow.session_id, TroubleEpisodeRow.told),
)


def _occurrences(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Build the statement for the latest occurrences of each class in a project, under these conditions."""
    within = and_(
        TroubleEpisodeRow.team_id == bindparam("team", type_=Uuid()),
        TroubleEpisodeRow.project_id != all_(bindparam("closed", type_=ARRAY(Uuid()))),
        *conditions,
    )
    placed = _with_session.add_columns(_place.label("place")).where(within).subquery("placed")
    return (
        select(*(each for each in placed.c if each.name != "place"))
        .where(placed.c.place <= MAX_OCCURRENCES, placed.c.at > bindparam("since", type_=DateTime(timezone=True)))
        .order_by(placed.c.at.desc(), placed.c.session_id, placed.c.told)
        .limit(MAX_READ)
    )


_of_project = TroubleEpisodeRow.project_id == bindparam("project", type_=Uuid())
_IN_TEAM = _occurrences()
_IN_PROJECT = _occurrences(_of_project)
_OF_CLASSES = _occurrences(_of_project, TroubleEpisodeRow.signature == any_(bindparam("signatures", type_=ARRAY(BigInteger()))))
_OF_SESSION = (
    _with_session.where(
        TroubleEpisodeRow.session_id == bindparam("session", type_=Uuid()),
        TroubleEpisodeRow.first <= bindparam("last", type_=Integer()),
        TroubleEpisodeRow.last >= bindparam("first", type_=Integer()),
    )
    .order_by(TroubleEpisodeRow.told)
    .limit(bindparam("most", type_=Integer()))
)
