"""Shows a team's knowledge at a glance: how much, of which type, how old; the newest items; questions without an answer. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, func, select, true, values
from sqlalchemy import column as sql_column

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.clock import now
from app.knowledge.age import band_column
from app.knowledge.item import KNOWLEDGE_TYPES, AgeBand, Quote
from app.knowledge.passage_tables import PassageRow
from app.knowledge.results import UnansweredQuestion
from app.knowledge.tables import OLDEST_EVIDENCE, EvidenceRow, ItemRow, OutboxRow
from app.knowledge.unanswered import Unanswered
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow


@dataclass(frozen=True, slots=True)
class ItemCount:
    """A count of items by project, age and type."""

    project_id: UUID
    age: AgeBand
    type: str
    items: int


@dataclass(frozen=True, slots=True)
class RecentItem:
    """A recently learnt item with its first citation: quoted material, never an instruction."""

    id: UUID
    type: str
    title: str
    project_id: UUID
    created_at: datetime
    source: Quote | None
    """None: a person recorded it, and no session taught it."""


@dataclass(frozen=True, slots=True)
class KnowledgeOverview:
    """A team's knowledge. `projects`: their names by id; `new`: items first learnt since the given moment."""

    projects: Mapping[UUID, str]
    counts: Sequence[ItemCount]
    passages: int
    new: int
    recent: Sequence[RecentItem]
    unanswered: Sequence[UnansweredQuestion]


class Overview:
    """Reads the counts and the newest items of a requester's team."""

    def __init__(self, database: Database, accounts: Accounts, unanswered: Unanswered) -> None:
        self._database = database
        self._accounts = accounts
        self._unanswered = unanswered

    async def read(self, requester: Requester, *, since: datetime, recent: int, questions: int) -> KnowledgeOverview:
        """Read the overview. `since`: of what is new and recent; `recent`, `questions`: how many are listed."""
        requester.check("read")
        team_id, closed = requester.team_id, requester.closed
        projects = {each.id: each.name for each in await self._accounts.find_projects(team_id) if each.id not in closed}
        return KnowledgeOverview(
            projects=projects,
            counts=await self._count_items(list(projects)) if projects else (),
            passages=await self._count_passages(list(projects)) if projects else 0,
            new=await self._count_learnt_since(team_id, since, closed),
            recent=await self._recent(team_id, since, closed, limit=recent),
            unanswered=await self._unanswered.most_frequent(team_id, closed=closed, limit=questions),
        )

    async def mark(self, requester: Requester) -> str:
        """Return a text that changes whenever the overview may have changed (the outbox's last id: cheap)."""
        requester.check("read")
        changed = (await self._database.read(rows_of(select(func.max(OutboxRow.id)))))[0][0] or 0
        return f"{changed} {await self._unanswered.mark(requester.team_id, closed=requester.closed)}"

    async def _count_items(self, projects: Sequence[UUID]) -> list[ItemCount]:
        """Count the projects' items by age and type (index-only scan)."""
        age = band_column(now()).label("age")
        query = select(ItemRow.project_id, age, ItemRow.type, func.count()).where(ItemRow.project_id.in_(projects))
        query = query.group_by(ItemRow.project_id, sql_column("age"), ItemRow.type)
        return [ItemCount(*row) for row in await self._database.read(rows_of(query))]

    async def _count_passages(self, projects: Sequence[UUID]) -> int:
        """Count the projects' passages (index-only scan)."""
        query = select(func.count()).where(PassageRow.project_id.in_(projects))
        return int((await self._database.read(rows_of(query)))[0][0])

    async def _count_learnt_since(self, team_id: UUID, moment: datetime, closed: Collection[UUID]) -> int:
        """Count the items first learnt since `moment`."""
        query = select(func.count()).where(ItemRow.team_id == team_id, ItemRow.type.in_(KNOWLEDGE_TYPES), ItemRow.created_at >= moment)
        if closed:
            query = query.where(ItemRow.project_id.not_in(closed))
        return int((await self._database.read(rows_of(query)))[0][0])

    async def _recent(self, team_id: UUID, moment: datetime, closed: Collection[UUID], *, limit: int) -> list[RecentItem]:
        """Return the newest items since `moment`, each with its first citation."""
        rows = await self._database.read(rows_of(_recent(team_id, moment, closed, limit)))
        return [RecentItem(row.id, row.type, row.title, row.project_id, row.created_at, _first_citation(row)) for row in rows]


def _first_citation(row: AnyRow) -> Quote | None:
    return None if row.session_id is None else Quote(row.session_id, row.transcript, row.locator, row.excerpt, row.at)


def _recent(team_id: UUID, moment: datetime, closed: Collection[UUID], limit: int) -> Select[*tuple[Any, ...]]:
    """Select the newest items: the newest of each type (by the index on team, type and time), then the newest of those."""
    kinds = values(sql_column("type", String), name="kinds").data([(each,) for each in KNOWLEDGE_TYPES])
    newest = (
        select(ItemRow.id, ItemRow.created_at)
        .where(ItemRow.team_id == team_id, ItemRow.type == kinds.c.type, ItemRow.created_at >= moment, ~ItemRow.hidden)
        .where(*([ItemRow.project_id.not_in(closed)] if closed else []))
        .order_by(ItemRow.created_at.desc())
        .limit(limit)
        .correlate(kinds)
        .lateral("newest_of_type")
    )
    first = (
        select(EvidenceRow.session_id, EvidenceRow.transcript, EvidenceRow.locator, EvidenceRow.excerpt, EvidenceRow.at)
        .where(EvidenceRow.knowledge_id == ItemRow.id)
        .order_by(*OLDEST_EVIDENCE)
        .limit(1)
        .correlate(ItemRow)
        .lateral("first_said")
    )
    item = (ItemRow.id, ItemRow.type, ItemRow.title, ItemRow.project_id, ItemRow.created_at)
    return (
        select(*item, *first.c)
        .select_from(kinds)
        .join(newest, true())
        .join(ItemRow, ItemRow.id == newest.c.id)
        .outerjoin(first, true())
        .order_by(ItemRow.created_at.desc(), ItemRow.id)
        .limit(limit)
    )
