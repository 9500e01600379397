"""Knowledge: recorded, read, corrected, judged, reviewed, listed, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Unpack

from cairn.client._async.transport import AsyncTransport
from cairn.client.endpoints import (
    CONTRADICTIONS,
    CORRECT,
    DECIDE,
    DELETE,
    HISTORY,
    ITEMS,
    JUDGE,
    KEEP,
    MERGE,
    READ,
    RECORD,
    RESTORE,
    RETIRE,
    REVIEW,
    REVIEW_LIST,
)
from cairn.client.inputs import Decision, ItemFilters, KnowledgeType, ReviewList, Verdict
from cairn.client.records.knowledge import ContradictionPage, HistoryEntry, Item, ItemPage, ListedItem, Passage
from cairn.client.records.review import Review, ReviewedItem, ReviewPage
from cairn.client.requests import Given


class AsyncKnowledge:
    """The team's knowledge, item by item: `client.knowledge`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def record(
        self,
        text: str,
        *,
        type: KnowledgeType,
        project: str,
        title: str | None = None,
        paths: Sequence[str] = (),
    ) -> Item:
        """Record what a person knows. The same text in the same project is recorded once. `paths`: files that it is about."""
        body = {"type": type, "title": title, "text": text, "project": project, "paths": [*paths]}
        return await self._transport.call(RECORD, Given(body=body))

    async def get(self, item_id: str) -> Item | Passage:
        """Read an item with its evidence, or a passage with its places. Raises NotFound."""
        return await self._transport.call(READ, Given(path={"item_id": item_id}))

    async def correct(
        self,
        item_id: str,
        *,
        text: str | None = None,
        title: str | None = None,
        type: KnowledgeType | None = None,
        paths: Sequence[str] | None = None,
        if_match: str | None = None,
    ) -> Item:
        """Change the fields that are given. `if_match`: the item's `revision` as it was read: Conflict if somebody else was faster."""
        body = {"type": type, "title": title, "text": text, "paths": None if paths is None else [*paths]}
        return await self._transport.call(CORRECT, Given(path={"item_id": item_id}, body=body, headers={"if-match": if_match}))

    async def delete(self, item_id: str) -> None:
        """Delete an item for good: reading its sessions again doesn't bring it back. For its author, a lead or an admin."""
        await self._transport.call(DELETE, Given(path={"item_id": item_id}))

    async def feedback(self, item_id: str, verdict: Verdict, note: str | None = None) -> Item:
        """Judge an item. A person's next verdict replaces the one before."""
        return await self._transport.call(JUDGE, Given(path={"item_id": item_id}, body={"verdict": verdict, "note": note}))

    async def restore(self, item_id: str) -> Item:
        """Undo that other items replace this one, for good; for a lead or an admin, also that it was retired."""
        return await self._transport.call(RESTORE, Given(path={"item_id": item_id}))

    async def decide(self, item_id: str, other_id: str, decision: Decision = "this_holds") -> Item:
        """Decide between two items that contradict each other. Returns the first, which holds and replaces the other one by default.

        `both_hold`: neither replaces the other; `undecided`: takes back what was decided.
        """
        given = Given(path={"item_id": item_id, "other_id": other_id}, body={"decision": decision})
        return await self._transport.call(DECIDE, given)

    async def contradictions(self, *, project: str | None = None, cursor: str | None = None, limit: int | None = None) -> ContradictionPage:
        """Return one page of the pairs of items that contradict each other, between which nobody has decided."""
        return await self._transport.call(CONTRADICTIONS, Given(query={"project": project, "limit": limit, "cursor": cursor}))

    async def keep(self, item_id: str) -> Item:
        """Say that an item is helpful and still valid, and undo what has it replaced or retired. For a lead or an admin."""
        return await self._transport.call(KEEP, Given(path={"item_id": item_id}))

    async def retire(self, item_id: str) -> Item:
        """Hide an item from searches until it is restored. For a lead or an admin."""
        return await self._transport.call(RETIRE, Given(path={"item_id": item_id}))

    async def merge(self, item_id: str, into: str) -> Item:
        """Merge an item into another of its project, which is kept and returned: `restore` undoes it. For a lead or an admin."""
        return await self._transport.call(MERGE, Given(path={"item_id": item_id}, body={"into": into}))

    async def review(self, *, project: str | None = None) -> Review:
        """Count the items that should be looked at, list by list. For a lead or an admin."""
        return await self._transport.call(REVIEW, Given(query={"project": project}))

    async def review_page(
        self, name: ReviewList, *, project: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> ReviewPage:
        """Return one page of a list of the review. `cursor`: `next_cursor` of the page before."""
        query = {"project": project, "limit": limit, "cursor": cursor}
        return await self._transport.call(REVIEW_LIST, Given(path={"name": name}, query=query))

    async def review_list(
        self, name: ReviewList, *, project: str | None = None, page_size: int | None = None
    ) -> AsyncIterator[ReviewedItem]:
        """Iterate over a list of the review. Pages are asked for as they are needed."""
        given = Given(path={"name": name}, query={"project": project, "limit": page_size})
        async for each in self._transport.every(REVIEW_LIST, given, "items to review"):
            yield each

    async def history(self, item_id: str) -> tuple[HistoryEntry, ...]:
        """Return what became of an item, and by whom, the latest first."""
        return (await self._transport.call(HISTORY, Given(path={"item_id": item_id}))).history

    async def page(self, *, cursor: str | None = None, limit: int | None = None, **filters: Unpack[ItemFilters]) -> ItemPage:
        """Return one page of items, the newest first unless `order` says otherwise. `cursor`: `next_cursor` of the page before."""
        return await self._transport.call(ITEMS, Given(query={**filters, "limit": limit, "cursor": cursor}))

    async def list(self, *, page_size: int | None = None, **filters: Unpack[ItemFilters]) -> AsyncIterator[ListedItem]:
        """Iterate over all items, the newest first unless `order` says otherwise. Pages are asked for as they are needed."""
        async for each in self._transport.every(ITEMS, Given(query={**filters, "limit": page_size}), "items"):
            yield each
