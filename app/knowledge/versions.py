"""Which state of a team's or a project's knowledge there is, right now, on whichever server it was made. One statement for all who ask.

Read where it was written, never from a replica: an answer kept under a version must be at least as new as it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.knowledge.changes import EVERYWHERE
from app.storage.direct import Direct
from app.storage.grouped import Grouped

MOST_AT_ONCE = 256
SEPARATOR = "|"
_STATEMENT = f"""
select string_agg(coalesce(state, ''), '{SEPARATOR}' order by place) from (
  select place, case when project is null
    then (select encode(sha256(convert_to(string_agg(version::text, ',' order by project_id), 'UTF8')), 'hex')
          from knowledge_versions where team_id = team)
    else (select version::text from knowledge_versions where project_id = project) end as state
  from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (team, project, place)
) each_state"""  # noqa: S608 - the one thing put in is a constant


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question covers: a project of a team, or (None) all of the team's."""

    team_id: UUID
    project_id: UUID | None

    @property
    def where(self) -> dict[str, str]:
        """The vector store's filter. A project is its team's: to ask for both costs the engine a third more."""
        return {"project": str(self.project_id)} if self.project_id else {"team": str(self.team_id)}


_ALL = Scope(EVERYWHERE, EVERYWHERE)


class Versions:
    """`of` begins to read after it was asked: what was committed before is in its answer. Who asks meanwhile shares the next read."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._reads: Grouped[Scope, str] = Grouped(self._read, most=MOST_AT_ONCE, name="knowledge versions")

    async def of(self, scope: Scope) -> str:
        """Another text after every change. Drawn at random, so none ever comes back. DatabaseUnavailable when it can't be read."""
        return await self._reads.submit(scope)

    async def _read(self, scopes: Sequence[Scope]) -> list[str | Exception]:
        asked = list(dict.fromkeys([_ALL, *scopes]))
        found = await self._direct.value(_STATEMENT, [each.team_id for each in asked], [each.project_id for each in asked])
        states = dict(zip(asked, str(found).split(SEPARATOR), strict=True))
        return [f"{states[_ALL]}/{states[each]}" for each in scopes]
