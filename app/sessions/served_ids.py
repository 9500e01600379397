"""Keeps which items and passages Cairn served into a session, and the event by which the session had each. Knows nothing else of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.tables import SessionRow, SessionServedRow


async def write_served(connection: AsyncConnection, served: Mapping[tuple[UUID, UUID], int]) -> None:
    """Write the seq by which each (session, item or passage) was served; the first one stays. The caller holds the sessions."""
    if served:
        rows = [{"session_id": session_id, "knowledge_id": each, "seq": seq} for (session_id, each), seq in sorted(served.items())]
        await connection.execute(upsert(SessionServedRow).on_conflict_do_nothing(), rows)


async def record_served(connection: AsyncConnection, session_id: UUID, ids: Collection[UUID]) -> None:
    """Note what a session is given beside its last event, as by a hook; nothing of a session that was purged meanwhile."""
    if ids:
        await connection.execute(_NOTE, {"in_session": session_id, "ids": sorted(ids)})


async def read_served(connection: AsyncConnection, session_id: UUID) -> dict[UUID, int]:
    """Return what Cairn served into a session, with the seq of the event by which the session had it."""
    query = select(SessionServedRow.knowledge_id, SessionServedRow.seq).where(SessionServedRow.session_id == session_id)
    return {row.knowledge_id: row.seq for row in await connection.execute(query)}


def served_at_most(sessions: int, *, among: Select[UUID]) -> Select[UUID]:
    """Select which of some ids were served into this number of sessions or fewer, but into one at least, for another room's query.

    `among`: without it, what all teams were ever served would be counted.
    """
    served = select(SessionServedRow.knowledge_id).where(SessionServedRow.knowledge_id.in_(among))
    return served.group_by(SessionServedRow.knowledge_id).having(func.count() <= sessions)


_given = select(SessionRow.id, func.unnest(bindparam("ids", type_=ARRAY(Uuid))), SessionRow.event_count)
_NOTE = (
    upsert(SessionServedRow)
    .from_select(["session_id", "knowledge_id", "seq"], _given.where(SessionRow.id == bindparam("in_session")))
    .on_conflict_do_nothing()
)
