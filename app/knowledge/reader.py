"""Reads a team's knowledge for a requester. Each operation checks the permission, leaves out what belongs to projects that are closed to
them, and adds names; routes, tools and pages call it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.clock import age_days
from app.errors import Conflict, NotFound
from app.knowledge.briefing import ProjectBriefing
from app.knowledge.browsing import ItemBrowsing
from app.knowledge.edits import revision_of
from app.knowledge.history import ItemHistory
from app.knowledge.item import BriefedItem, ContradictingItem, Contradiction, Freshness, HistoryEvent, Item, ItemFilter, LearntItems
from app.knowledge.passage_store import PassageStore, StoredPassage
from app.knowledge.results import Query, Searcher, SearchResults
from app.knowledge.store import KnowledgeStore
from app.knowledge.weighing import freshness
from app.storage.pages import EntryPage, PageWanted
from app.storage.tables import AnyRow
from app.telemetry import metrics

NO_HISTORY = "This id is a passage, which has no history: its dashboard page, or GET /v1/knowledge/{id}, shows where it was said."


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item with its project's name; in a list it is a row with the same columns, without evidence. `can_delete`: they may change it."""

    item: Item | AnyRow
    project: str
    can_delete: bool

    @property
    def freshness(self) -> Freshness:
        return freshness(self.item)

    @property
    def age_days(self) -> int:
        """Return the days since it was last learnt, recorded or corrected."""
        return age_days(self.item.last_seen_at)

    @property
    def revision(self) -> str:
        return revision_of(self.item)


@dataclass(frozen=True, slots=True)
class ItemToReview(ShownItem):
    """An item of a review's list, with what it contradicts until a person decides."""

    contradicts: tuple[ContradictingItem, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownPassage:
    passage: StoredPassage
    project: str


@dataclass(frozen=True, slots=True)
class ShownContradiction:
    contradiction: Contradiction
    project: str


@dataclass(frozen=True, slots=True)
class Briefing:
    """A project's items: those that people wrote, and those that sessions taught lately. `authors`: the writers' names, by id."""

    written: Sequence[BriefedItem]
    learnt: Sequence[BriefedItem]
    authors: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """`by`: a developer's name, or `admin`. None: a session taught it, or somebody who is gone."""

    entry: HistoryEvent
    by: str | None


class KnowledgeReader:
    def __init__(
        self,
        *,
        accounts: Accounts,
        search: Searcher,
        store: KnowledgeStore,
        passage_store: PassageStore,
        browsing: ItemBrowsing,
        history: ItemHistory,
        briefing: ProjectBriefing,
    ) -> None:
        self._accounts = accounts
        self._search = search
        self._store = store
        self._passage_store = passage_store
        self._browsing = browsing
        self._history = history
        self._briefing = briefing

    async def search(self, requester: Requester, query: Query) -> SearchResults:
        """Find what answers, best first. InvalidInput names the field that can't be used."""
        found = await self.find(requester, query)
        metrics.query_answered(results=len(found.results), degraded=bool(found.degraded), seconds=found.took_ms / 1000)
        return found

    async def find(self, requester: Requester, query: Query) -> SearchResults:
        """Search without counting the query, for an operation that composes an answer from the results and counts both as one."""
        requester.check("read")
        return await self._search.query(requester.team_id, replace(query, asker=requester.developer_id, closed=requester.closed))

    async def read(self, requester: Requester, item_or_passage_id: UUID) -> ShownItem | ShownPassage:
        """Return an item or a passage by its id. NotFound for another team's."""
        try:
            return await self.item(requester, item_or_passage_id)
        except NotFound:
            passage = await self._passage_store.get(requester.team_id, item_or_passage_id, closed=requester.closed)
        names = await self._accounts.project_names(requester.team_id, {passage.project_id})
        return ShownPassage(passage, names[passage.project_id])

    async def item(self, requester: Requester, item_id: UUID) -> ShownItem:
        """Return an item with all its evidence. NotFound for another team's, and for a passage."""
        requester.check("read")
        item = await self._store.get(requester.team_id, item_id, closed=requester.closed)
        names = await self._accounts.project_names(requester.team_id, {item.project_id})
        return ShownItem(item, names[item.project_id], _may_change(requester, item))

    async def list(
        self, requester: Requester, wanted: ItemFilter, *, project: str | None = None, limit: int, cursor: str | None = None
    ) -> EntryPage[ShownItem]:
        """Return a page of items, the newest first, of the named project or of all. InvalidInput for an unknown cursor."""
        requester.check("read")
        if project is not None:
            project_id = await self._accounts.project_named(requester.team_id, project, closed=requester.closed)
            if project_id is None:
                return EntryPage((), None)
            wanted = replace(wanted, project_id=project_id)
        page = await self._browsing.page(requester.team_id, wanted, closed=requester.closed, limit=limit, cursor=cursor)
        names = await self._accounts.project_names(requester.team_id, {row.project_id for row in page.entries})
        shown = [ShownItem(row, names[row.project_id], _may_change(requester, row)) for row in page.entries if row.project_id in names]
        return EntryPage(shown, page.next)

    async def contradictions(
        self, requester: Requester, wanted: PageWanted, *, project: str | None = None
    ) -> EntryPage[ShownContradiction]:
        """Return a page of the contradictions that nobody has decided, of the named project or of all, the one found last first."""
        requester.check("read")
        project_id = None
        if project is not None:
            project_id = await self._accounts.project_named(requester.team_id, project, closed=requester.closed)
            if project_id is None:
                return EntryPage((), None)
        page = await self._browsing.contradictions(requester.team_id, project_id, wanted, closed=requester.closed)
        names = await self._accounts.project_names(requester.team_id, {each.project_id for each in page.entries})
        shown = [ShownContradiction(each, names[each.project_id]) for each in page.entries if each.project_id in names]
        return EntryPage(shown, page.next)

    async def sessions_about(self, requester: Requester, words: str) -> Collection[UUID]:
        """Return the sessions in which these words were said or learnt. See `ItemBrowsing.sessions_about`."""
        requester.check("read")
        return await self._browsing.sessions_about(requester.team_id, words, closed=requester.closed)

    async def count_by_project(self, requester: Requester, project_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Count the items of these projects, as `list` shows them; those that have none, or are closed to the requester, are left out."""
        requester.check("read")
        return await self._browsing.count_by_project(requester.team_id, set(project_ids) - requester.closed)

    async def learnt_from(self, requester: Requester, session_ids: Collection[UUID], *, limit: int) -> Mapping[UUID, LearntItems]:
        """Return what each of these sessions taught: how many items, and the newest. A session that taught nothing is left out."""
        requester.check("read")
        return await self._browsing.learnt_from(requester.team_id, session_ids, closed=requester.closed, limit=limit)

    async def history(self, requester: Requester, item_id: UUID) -> Sequence[ShownEntry]:
        """Return an item's history, the latest event first. Conflict for a passage, NotFound for another team's item."""
        requester.check("read")
        try:
            entries = await self._history.read(requester.team_id, item_id, closed=requester.closed)
        except NotFound:
            await self.refuse_passage(requester, item_id, NO_HISTORY)
        names = await self._accounts.names({each.developer_id for each in entries if each.developer_id is not None})
        return [ShownEntry(each, _by(each, names)) for each in entries]

    async def briefing(self, requester: Requester, project_id: UUID, *, since: datetime, limit: int) -> Briefing:
        """Return what a session of one of the team's projects should know at its start; nothing of one that is closed to the requester.

        `since`: of what was learnt; `limit`: of each.
        """
        requester.check("read")
        if project_id in requester.closed:
            return Briefing((), (), {})
        written = await self._briefing.written(requester.team_id, project_id, limit=limit)
        learnt = await self._briefing.learnt(requester.team_id, project_id, since, limit=limit)
        authors = await self._accounts.names({each.author for each in written if each.author is not None})
        return Briefing(written, learnt, authors)

    async def refuse_passage(self, requester: Requester, item_or_passage_id: UUID, why: str) -> NoReturn:
        """Raise Conflict with the reason `why` if the id is a passage of the team; NotFound if the team has neither."""
        await self._passage_store.get(requester.team_id, item_or_passage_id, closed=requester.closed)
        raise Conflict(why)


def _by(entry: HistoryEvent, names: dict[UUID, str]) -> str | None:
    if entry.by_admin:
        return "admin"
    return None if entry.developer_id is None else names.get(entry.developer_id)


def _may_change(requester: Requester, item: Item | AnyRow) -> bool:
    return requester.may_change(item.developer_id)
