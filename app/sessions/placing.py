"""Places a session in a project: the named one, else that of its repository or folder, else the default one; unless it is closed to whom
it comes from.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.identity import identify
from app.sessions.event import SessionHeader

UNNAMED_PROJECT = "default"


async def project_of(connection: AsyncConnection, accounts: Accounts, team_id: UUID, header: SessionHeader, named: str | None) -> UUID:
    """Return the session's project, made if it is new, in the caller's transaction."""
    found = None if named else identify(header.repository, header.directory)
    if found is not None:
        return await accounts.project_for(connection, team_id, found)
    return await accounts.project_id(connection, team_id, named or UNNAMED_PROJECT)


async def check_open_to(connection: AsyncConnection, accounts: Accounts, project_id: UUID | None, developer_id: UUID | None) -> None:
    """Raise NotPermitted if a session's project is closed to the developer. None: the session is gone; an admin.

    Every way by which sessions come asks this in the transaction that opens the session, which is then rolled back: what is placed in a
    closed project, and what would be added to a session that is there already.
    """
    if project_id is not None:
        await accounts.check_open_to(connection, project_id, developer_id)
