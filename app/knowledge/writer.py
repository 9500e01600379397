"""Changes a team's knowledge for a requester: one call for a route, a tool and a page alike, which shows what then stands there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import NotFound
from app.knowledge.authoring import Author, Authoring, ItemCorrection, ItemFields
from app.knowledge.judging import Judging
from app.knowledge.reader import KnowledgeReader, ShownItem
from app.knowledge.store import KnowledgeStore

A_PASSAGE = "This is a passage: what was said stays as it was said. Items can be corrected and judged."
ITS_SESSIONS = "A passage goes with the sessions it was said in: purge them (DELETE /v1/sessions/{id})."


class KnowledgeWriter:
    """Every change needs the permission `write`; whose item it is, the rooms' own checks say. Conflict for a passage."""

    def __init__(self, reader: KnowledgeReader, *, authoring: Authoring, judging: Judging, store: KnowledgeStore) -> None:
        self._reader = reader
        self._authoring = authoring
        self._judging = judging
        self._store = store

    async def record(self, requester: Requester, project: str, words: ItemFields) -> tuple[ShownItem, bool]:
        """Record what a person knows: (the item, whether it is new). See `Authoring.record` for what can be wrong."""
        requester.check("write")
        item_id, new = await self._authoring.record(_author(requester), project, words)
        return await self._reader.item(requester, item_id), new

    async def correct(self, requester: Requester, item_id: UUID, change: ItemCorrection) -> ShownItem:
        """Correct an item of one's own, a lead or an admin any. Conflict where it has been changed since `change.revision`."""
        requester.check("write")
        async with self._items_only(requester, item_id, A_PASSAGE):
            await self._authoring.correct(_author(requester), item_id, change)
        return await self._reader.item(requester, item_id)

    async def judge(self, requester: Requester, item_id: UUID, verdict: str, note: str = "") -> ShownItem:
        """Say of any item of the team's that it is helpful, wrong or stale: one verdict a person."""
        requester.check("write")
        async with self._items_only(requester, item_id, A_PASSAGE):
            await self._judging.judge(_author(requester), item_id, verdict, note)
        return await self._reader.item(requester, item_id)

    async def forget(self, requester: Requester, item_id: UUID) -> None:
        """Delete an item of one's own for good, a lead or an admin any."""
        requester.check("write")
        async with self._items_only(requester, item_id, ITS_SESSIONS):
            author = None if requester.may("change_any") else requester.developer_id
            await self._store.delete(requester.team_id, item_id, developer_id=author)

    @asynccontextmanager
    async def _items_only(self, requester: Requester, item_id: UUID, why: str) -> AsyncIterator[None]:
        try:
            yield
        except NotFound:
            await self._reader.refuse_passage(requester, item_id, why)


def _author(requester: Requester) -> Author:
    return Author(requester.team_id, requester.developer_id, change_any=requester.may("change_any"))
