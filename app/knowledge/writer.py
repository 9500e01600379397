"""Changes a team's knowledge for a requester, and returns the changed item. Routes, tools and pages call the same operations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import NotFound
from app.knowledge.authoring import Authoring
from app.knowledge.curating import Curating
from app.knowledge.deciding import Deciding
from app.knowledge.edits import Author, ItemCorrection, ItemFields
from app.knowledge.item import Decision
from app.knowledge.judging import Judging
from app.knowledge.reader import KnowledgeReader, ShownItem
from app.knowledge.restoring import Restoring
from app.knowledge.store import KnowledgeStore

PASSAGE_IS_FIXED = "This id is a passage, quoted verbatim from its session: only items can be corrected and judged."
PASSAGE_BELONGS_TO_SESSIONS = (
    "This id is a passage, which can only be deleted with its sessions: delete them on their dashboard pages, or with DELETE "
    "/v1/sessions/{id}."
)


class KnowledgeWriter:
    """Records, corrects, judges, restores, decides between, keeps, retires, merges and deletes items. Conflict for a passage.

    Each needs the permission `write`; `Authoring` and the store check who may change which item. To keep, retire and merge is a lead's.
    """

    def __init__(
        self,
        reader: KnowledgeReader,
        *,
        authoring: Authoring,
        judging: Judging,
        restoring: Restoring,
        deciding: Deciding,
        curating: Curating,
        store: KnowledgeStore,
    ) -> None:
        self._reader = reader
        self._authoring = authoring
        self._judging = judging
        self._restoring = restoring
        self._deciding = deciding
        self._curating = curating
        self._store = store

    async def record(self, requester: Requester, project: str, words: ItemFields) -> tuple[ShownItem, bool]:
        """Record an item. Returns it, and True if it is new. Raises as `Authoring.record` does."""
        requester.check("write")
        item_id, new = await self._authoring.record(_author(requester), project, words)
        return await self._reader.item(requester, item_id), new

    async def correct(self, requester: Requester, item_id: UUID, change: ItemCorrection) -> ShownItem:
        """Correct an item: its author, a lead or an admin. Conflict if it has changed since `change.revision`."""
        requester.check("write")
        async with self._items_only(requester, item_id, PASSAGE_IS_FIXED):
            await self._authoring.correct(_author(requester), item_id, change)
        return await self._reader.item(requester, item_id)

    async def judge(self, requester: Requester, item_id: UUID, verdict: str, note: str = "") -> ShownItem:
        """Store the requester's verdict on any item of the team, replacing their earlier one."""
        requester.check("write")
        async with self._items_only(requester, item_id, PASSAGE_IS_FIXED):
            await self._judging.judge(_author(requester), item_id, verdict, note)
        return await self._reader.item(requester, item_id)

    async def restore(self, requester: Requester, item_id: UUID) -> ShownItem:
        """Undo that other items replace this one: everybody in the team; that it was retired: a lead or an admin. Else nothing changes."""
        requester.check("write")
        async with self._items_only(requester, item_id, PASSAGE_IS_FIXED):
            await self._restoring.restore(_author(requester), item_id)
        return await self._reader.item(requester, item_id)

    async def decide(self, requester: Requester, item_id: UUID, other_id: UUID, decision: Decision) -> ShownItem:
        """Decide between two items that contradict each other: everybody in the team. Raises as `Deciding.decide` does."""
        requester.check("write")
        async with self._items_only(requester, item_id, PASSAGE_IS_FIXED):
            await self._deciding.decide(_author(requester), item_id, other_id, decision)
        return await self._reader.item(requester, item_id)

    async def keep(self, requester: Requester, item_id: UUID) -> ShownItem:
        """Judge an item helpful and undo what has it replaced or retired, in a review: a lead or an admin."""
        requester.check("change_any")
        async with self._items_only(requester, item_id, PASSAGE_IS_FIXED):
            await self._judging.judge(_author(requester), item_id, "helpful")
            await self._restoring.restore(_author(requester), item_id)
        return await self._reader.item(requester, item_id)

    async def retire(self, requester: Requester, item_id: UUID) -> ShownItem:
        """Hide an item from searches until a lead or an admin restores it: a lead or an admin."""
        requester.check("change_any")
        async with self._items_only(requester, item_id, PASSAGE_IS_FIXED):
            await self._curating.retire(_author(requester), item_id)
        return await self._reader.item(requester, item_id)

    async def merge(self, requester: Requester, item_id: UUID, into: UUID) -> ShownItem:
        """Merge an item into another of its project, which is kept and returned: a lead or an admin."""
        requester.check("change_any")
        async with self._items_only(requester, item_id, PASSAGE_IS_FIXED):
            await self._curating.merge(_author(requester), item_id, into)
        return await self._reader.item(requester, into)

    async def delete(self, requester: Requester, item_id: UUID) -> None:
        """Delete an item permanently: its author, a lead or an admin."""
        requester.check("write")
        async with self._items_only(requester, item_id, PASSAGE_BELONGS_TO_SESSIONS):
            author = None if requester.may("change_any") else requester.developer_id
            await self._store.delete(requester.team_id, item_id, developer_id=author, closed=requester.closed)

    @asynccontextmanager
    async def _items_only(self, requester: Requester, item_id: UUID, why: str) -> AsyncIterator[None]:
        try:
            yield
        except NotFound:
            await self._reader.refuse_passage(requester, item_id, why)


def _author(requester: Requester) -> Author:
    return Author(requester.team_id, requester.developer_id, change_any=requester.may("change_any"), closed=requester.closed)
