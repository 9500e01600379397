"""Renames stored sessions whose identity is told otherwise now, so that the same transcript, sent again, is no second session."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.redaction.stored_fields import stored_id
from app.sessions.event import SessionHeader
from app.sessions.tables import EventRow, SessionRow


def former_headers(header: SessionHeader) -> list[SessionHeader]:
    """Return the header under each of its former identities."""
    return [replace(header, provider=provider, external_id=external_id) for provider, external_id in header.formerly]


async def rename_former(connection: AsyncConnection, team_id: UUID, developer_id: UUID | None, header: SessionHeader) -> None:
    """Give the session that was stored under a former identity the header's, unless that is stored too.

    It is the same session if the developer (None: the admin key) may add to it and it begins with the same prompt, or has none yet: a
    former identity may be shared by several sessions.
    """
    for provider, external_id in header.formerly:
        first = EventRow.event_id == stored_id(header.opens_with) if header.opens_with else None
        events = select(EventRow.seq).where(EventRow.session_id == SessionRow.id)
        prompts = events.where(EventRow.kind == "prompt").exists()
        same = ~prompts if first is None else or_(events.where(first).exists(), ~prompts)
        theirs = true() if developer_id is None else or_(SessionRow.developer_id.is_(None), SessionRow.developer_id == developer_id)
        other = aliased(SessionRow)
        named = exists().where(
            other.team_id == team_id, other.provider == header.provider, other.external_id == stored_id(header.external_id)
        )
        former = and_(SessionRow.team_id == team_id, SessionRow.provider == provider, SessionRow.external_id == stored_id(external_id))
        values = {"provider": header.provider, "external_id": stored_id(header.external_id), "updated_at": func.clock_timestamp()}
        try:
            async with connection.begin_nested():
                done = await connection.execute(update(SessionRow).where(former, theirs, same, ~named).values(values))
        except IntegrityError:  # another job stored or renamed it meanwhile
            return
        if done.rowcount:
            return
