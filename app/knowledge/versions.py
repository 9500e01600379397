"""Reads the version of a team's or a project's knowledge, for cache keys. Concurrent reads are grouped into one statement.

Reads from the primary, never from a replica: an answer cached under a version must be at least as new as that version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.knowledge.changes import ALL_PROJECTS
from app.storage.direct import DedicatedConnection
from app.storage.grouped import GroupCommit

MAX_AT_ONCE = 256
"""Scopes read by one statement."""
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
    """The extent of a question: one project of a team, or all of the team's (`project_id` None) but those `closed` to who asks.

    What a project's items have in common with others' depends on `closed` too (`standing.is_portable`).
    """

    team_id: UUID
    project_id: UUID | None
    closed: frozenset[UUID] = frozenset()

    @property
    def where(self) -> dict[str, str]:
        """The vector store's filter. A project belongs to one team: filtering by both would cost the engine a third more."""
        return {"project": str(self.project_id)} if self.project_id else {"team": str(self.team_id)}

    @property
    def without(self) -> dict[str, list[str]]:
        """The vector store's filter of what to leave out; the same text for the same projects."""
        return {"project": sorted(map(str, self.closed))} if self.closed and self.project_id is None else {}


_ALL = Scope(ALL_PROJECTS, ALL_PROJECTS)


class Versions:
    """Grouped reads of versions. A read starts after its call, so it sees everything committed before; concurrent callers share it."""

    def __init__(self, direct: DedicatedConnection) -> None:
        self._direct = direct
        self._reads: GroupCommit[Scope, str] = GroupCommit(self._read, max_weight=MAX_AT_ONCE, name="knowledge versions")

    async def current(self, scope: Scope) -> str:
        """Return a text that changes with every change of knowledge and never recurs. DatabaseUnavailable when it can't be read."""
        return await self._reads.submit(scope)

    async def _read(self, scopes: Sequence[Scope]) -> list[str | Exception]:
        asked = list(dict.fromkeys([_ALL, *scopes]))
        found = await self._direct.value(_STATEMENT, [each.team_id for each in asked], [each.project_id for each in asked])
        states = dict(zip(asked, str(found).split(SEPARATOR), strict=True))
        return [f"{states[_ALL]}/{states[each]}" for each in scopes]
