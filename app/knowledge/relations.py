"""Derives an item's relations: what it is about, what replaces, contradicts or equals it, and the people who stand by it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.confirming import count_people
from app.knowledge.contradiction_rows import refresh_contradictions
from app.knowledge.standing import refresh_wordings
from app.knowledge.subject_rows import refresh_subjects
from app.knowledge.supersession_rows import refresh_links


async def refresh_relations(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Find the relations of these items anew, in the transaction that changed their words or evidence.

    The caller holds their projects. Items that are gone are ignored.
    """
    await refresh_subjects(connection, items)
    await refresh_wordings(connection, items)
    await refresh_links(connection, items)
    await refresh_contradictions(connection, items)
    await count_people(connection, items)
