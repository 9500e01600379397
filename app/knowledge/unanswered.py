"""Questions that search found no answer to: gaps in a team's knowledge. Redacted, bounded, and without the asker's name.

Written in the background, after the answer. Lost: the last second's at a shutdown, and those asked while PostgreSQL is away.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from app.knowledge.results import UnansweredQuestion
from app.knowledge.tables import UnansweredRow
from app.part import Loop
from app.redaction import redact
from app.storage.database import Database, rows_of

READ_CHARS, KEPT_CHARS = 2000, 300
"""Only the first READ_CHARS are redacted; of a longer question MARGIN_CHARS are cut off their end, lest the cut halve a secret unseen."""
MARGIN_CHARS = 400
MAX_WAITING, MAX_OF_A_TEAM = 500, 200
KEPT_DAYS = 90
GATHERED_SECONDS = 1.0
ANY_PROJECT = UUID(int=0)
"""Stands where a question named no project."""


class Unanswered:
    """Collects unanswered questions in memory, writes them in the background, and reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: Counter[tuple[UUID, UUID, str]] = Counter()
        self._woken = asyncio.Event()

    def record(self, team_id: UUID, text: str, project_id: UUID | None = None) -> None:
        """Queue a question and return at once. Beyond MAX_WAITING, new questions are dropped. `project_id`: that it was asked about."""
        asked = (team_id, project_id or ANY_PROJECT, redacted_question(text))
        if asked[2] and (asked in self._waiting or len(self._waiting) < MAX_WAITING):
            self._waiting[asked] += 1
            self._woken.set()

    async def most_frequent(self, team_id: UUID, *, closed: Collection[UUID] = (), limit: int) -> list[UnansweredQuestion]:
        """Return a team's unanswered questions, the most frequent first; none about the projects `closed`."""
        times, last_at = func.sum(UnansweredRow.times).label("times"), func.max(UnansweredRow.last_at).label("last_at")
        query = select(UnansweredRow.question, times, last_at).where(*_open(team_id, closed)).group_by(UnansweredRow.question)
        query = query.order_by(times.desc(), last_at.desc()).limit(limit)
        return [UnansweredQuestion(*row) for row in await self._database.read(rows_of(query))]

    async def mark(self, team_id: UUID, *, closed: Collection[UUID] = ()) -> datetime | None:
        """Return the time of the team's last unanswered question that isn't about the projects `closed`, or None."""
        query = select(func.max(UnansweredRow.last_at)).where(*_open(team_id, closed))
        return (await self._database.read(rows_of(query)))[0][0]  # type: ignore[no-any-return]

    def loops(self) -> tuple[Loop, ...]:
        """Return the writer: what came within a second is written together."""
        meanwhile = "Questions without results are not recorded."
        return (Loop(name="knowledge.unanswered", step=self.write, pause=GATHERED_SECONDS, wake=self._woken, meanwhile=meanwhile),)

    async def write(self) -> None:
        """Write the queued questions; then delete, of each team written, the expired ones and all but the latest MAX_OF_A_TEAM."""
        self._woken.clear()
        waiting, self._waiting = self._waiting, Counter()
        if not waiting:
            return
        row = upsert(UnansweredRow)
        again = {"times": UnansweredRow.times + row.excluded.times, "last_at": func.now()}
        asked = [  # in one order: two servers can't wait for each other
            {"team_id": team_id, "project_id": project_id, "question": question, "times": times}
            for (team_id, project_id, question), times in sorted(waiting.items())
        ]
        async with self._database.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["team_id", "project_id", "question"], set_=again), asked)
            for team_id in sorted({team_id for team_id, _, _ in waiting}):
                mine = UnansweredRow.team_id == team_id
                asked_of = (UnansweredRow.project_id, UnansweredRow.question)
                oldest = select(*asked_of).where(mine).order_by(UnansweredRow.last_at.desc()).offset(MAX_OF_A_TEAM)
                old = UnansweredRow.last_at < func.now() - timedelta(days=KEPT_DAYS)
                await connection.execute(delete(UnansweredRow).where(mine, old | tuple_(*asked_of).in_(oldest)))


def _open(team_id: UUID, closed: Collection[UUID]) -> tuple[ColumnElement[bool], ...]:
    ours = UnansweredRow.team_id == team_id
    return (ours, UnansweredRow.project_id.not_in(closed)) if closed else (ours,)


def redacted_question(text: str) -> str:
    """Return a question as it may be stored and shown: one line, redacted, bounded; "" if nothing is left."""
    clean = redact(text[:READ_CHARS]).text
    if len(text) > READ_CHARS:
        clean = clean[: READ_CHARS - MARGIN_CHARS]
    line = " ".join("".join(char if char.isprintable() else " " for char in clean).split())
    return line if len(line) <= KEPT_CHARS else line[: KEPT_CHARS - 1].rstrip() + "…"
