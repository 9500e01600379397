"""Finds teams and developers by name, and says what to do about an unknown one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.names import canonical
from app.accounts.tables import TeamRow
from app.errors import CairnError, InvalidInput, NotFound
from app.redaction.labels import check_label


async def find_team_id(connection: AsyncConnection, name: str) -> UUID:
    """Return a team's id. NotFound for an unknown team."""
    found = await connection.scalar(select(TeamRow.id).where(TeamRow.name == askable(name)))
    if found is None:
        check_label(name, param="team")  # else the answer would repeat it
        raise NotFound(f"There is no team {name!r}. List them: GET /v1/teams or `cairn teams list`.")
    return found


def no_developer(name: str) -> CairnError:
    """Return the error of an unknown developer; a name that looks like a secret is not repeated."""
    try:
        check_label(name, param="developer")
    except InvalidInput as secret:
        return secret
    return NotFound(f"There is no developer {name!r}. List them: GET /v1/developers or `cairn developers list`.")


def askable(name: str) -> str:
    """Return a name as it is looked for: PostgreSQL refuses to be asked for NUL or a lone surrogate, which no name holds."""
    return canonical(name) if name.isprintable() else ""
