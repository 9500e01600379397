"""Reads a team's knowledge for a requester. Each operation checks the permission and adds names; routes, tools and pages call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn
from uuid import UUID

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.errors import Conflict, NotFound
from app.knowledge.browsing import ItemBrowsing
from app.knowledge.edits import revision_of
from app.knowledge.history import ItemHistory
from app.knowledge.item import Freshness, HistoryEvent, Item, ItemFilter
from app.knowledge.passage_store import PassageStore, StoredPassage
from app.knowledge.results import Query, Searcher, SearchResults
from app.knowledge.store import KnowledgeStore
from app.knowledge.weighing import shown_freshness
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
        return shown_freshness(self.item.freshness, self.item)

    @property
    def revision(self) -> str:
        return revision_of(self.item)


@dataclass(frozen=True, slots=True)
class ShownPassage:
    passage: StoredPassage
    project: str


@dataclass(frozen=True, slots=True)
class ShownPage:
    """`next`: the cursor of the page after this one; None: this is the last."""

    items: Sequence[ShownItem]
    next: str | None


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
    ) -> None:
        self._accounts = accounts
        self._search = search
        self._store = store
        self._passage_store = passage_store
        self._browsing = browsing
        self._history = history

    async def search(self, requester: Requester, query: Query) -> SearchResults:
        """Find what answers, best first. InvalidInput names the field that can't be used."""
        found = await self.find(requester, query)
        metrics.query_answered(results=len(found.results), degraded=bool(found.degraded), seconds=found.took_ms / 1000)
        return found

    async def find(self, requester: Requester, query: Query) -> SearchResults:
        """Search without counting the query, for an operation that composes an answer from the results and counts both as one."""
        requester.check("read")
        return await self._search.query(requester.team_id, replace(query, asker=requester.developer_id))

    async def read(self, requester: Requester, item_or_passage_id: UUID) -> ShownItem | ShownPassage:
        """Return an item or a passage by its id. NotFound for another team's."""
        try:
            return await self.item(requester, item_or_passage_id)
        except NotFound:
            passage = await self._passage_store.get(requester.team_id, item_or_passage_id)
        names = await self._accounts.project_names(requester.team_id, {passage.project_id})
        return ShownPassage(passage, names[passage.project_id])

    async def item(self, requester: Requester, item_id: UUID) -> ShownItem:
        """Return an item with all its evidence. NotFound for another team's, and for a passage."""
        requester.check("read")
        item = await self._store.get(requester.team_id, item_id)
        names = await self._accounts.project_names(requester.team_id, {item.project_id})
        return ShownItem(item, names[item.project_id], _may_change(requester, item))

    async def list(
        self, requester: Requester, wanted: ItemFilter, *, project: str | None = None, limit: int, cursor: str | None = None
    ) -> ShownPage:
        """Return a page of items, the newest first, of the named project or of all. InvalidInput for an unknown cursor."""
        requester.check("read")
        if project is not None:
            project_id = await self._accounts.project_named(requester.team_id, project)
            if project_id is None:
                return ShownPage((), None)
            wanted = replace(wanted, project_id=project_id)
        page = await self._browsing.page(requester.team_id, wanted, limit=limit, cursor=cursor)
        names = await self._accounts.project_names(requester.team_id, {row.project_id for row in page.items})
        shown = [ShownItem(row, names[row.project_id], _may_change(requester, row)) for row in page.items if row.project_id in names]
        return ShownPage(shown, page.next)

    async def history(self, requester: Requester, item_id: UUID) -> Sequence[ShownEntry]:
        """Return an item's history, the latest event first. Conflict for a passage, NotFound for another team's item."""
        requester.check("read")
        try:
            entries = await self._history.read(requester.team_id, item_id)
        except NotFound:
            await self.refuse_passage(requester, item_id, NO_HISTORY)
        names = await self._accounts.names({each.developer_id for each in entries if each.developer_id is not None})
        return [ShownEntry(each, _by(each, names)) for each in entries]

    async def refuse_passage(self, requester: Requester, item_or_passage_id: UUID, why: str) -> NoReturn:
        """Raise Conflict with the reason `why` if the id is a passage of the team; NotFound if the team has neither."""
        await self._passage_store.get(requester.team_id, item_or_passage_id)
        raise Conflict(why)


def _by(entry: HistoryEvent, names: dict[UUID, str]) -> str | None:
    if entry.by_admin:
        return "admin"
    return None if entry.developer_id is None else names.get(entry.developer_id)


def _may_change(requester: Requester, item: Item | AnyRow) -> bool:
    return requester.may_change(item.developer_id)
