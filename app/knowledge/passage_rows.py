"""What search reads of passages in PostgreSQL: candidates by id or by their terms, and what stands around those that matched.

The team is checked here again: the index is not the truth. Statements are written once and planned once, whatever the question.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import TIMESTAMP, Boolean, Integer, LargeBinary, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import TypeEngine

from app.knowledge.passages import Candidate, Place
from app.knowledge.versions import Scope
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow

MAX_BACK = 200
"""So many passages before the one that matched the beginning of its exchange is looked for."""
MAX_ASKED_CHARS = 240
"""Of that beginning."""
MAX_TERMS = 64
"""Of a question, that PostgreSQL is asked for."""
MAX_MATCHING = 2_000
"""Passages that share a term with the question and are counted term by term."""

Exchange: TypeAlias = tuple[str, int]
"""A session and the number of one of its prompts."""


@dataclass(frozen=True, slots=True)
class Period:
    """When it was said, since ≤ time < until; None: open at that end. What has no time is in no period."""

    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around the passages that matched: passages by place, and the beginning of what each exchange's prompt asked."""

    near: Mapping[Place, Candidate]
    asked: Mapping[Exchange, str]


class PassageRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_id(self, scope: Scope, ids: Collection[UUID], period: Period | None) -> Sequence[AnyRow]:
        """Read passages with their newest place (of the period) and the number of all their places."""
        return await self._read(_BY_ID, scope, period, {"ids": list(ids)}) if ids else []

    async def by_terms(self, scope: Scope, terms: Sequence[int], period: Period | None, *, limit: int) -> Sequence[AnyRow]:
        """Read the same, and the vectors, of those that hold most of the terms. `terms`: see `passages.terms.hashed`."""
        if not terms:
            return []
        return await self._read(_BY_TERMS, scope, period, {"terms": list(terms)[:MAX_TERMS], "limit": limit})

    async def around(self, matched: Sequence[Candidate], places: Sequence[Place]) -> Surroundings:
        """Read what each matched passage's prompt asked, and the passages at these places."""
        if not matched:
            return Surroundings({}, {})
        values = {
            "sessions": [UUID(each.session) for each in matched],
            "exchanges": [each.exchange for each in matched],
            "ordinals": [each.ordinal for each in matched],
            "near_sessions": [UUID(session) for session, _ in places],
            "near_ordinals": [ordinal for _, ordinal in places],
        }
        near: dict[Place, Candidate] = {}
        asked: dict[Exchange, str] = {}
        for row in await self._database.read(rows_of(_AROUND, values)):
            session = str(row.session_id)
            if row.late is None:
                asked[session, row.exchange] = row.text
            else:
                passage = str(row.passage_id)
                near[session, row.ordinal] = Candidate(passage, session, row.exchange, row.ordinal, row.text, row.late, tokens=row.tokens)
        return Surroundings(near, asked)

    async def _read(
        self, statements: Mapping[bool, TextualSelect], scope: Scope, period: Period | None, values: Mapping[str, object]
    ) -> Sequence[AnyRow]:
        given: dict[str, object] = {"team": scope.team_id, "project": scope.project_id, **values}
        if period is not None:
            given |= {"since": period.since, "until": period.until}
        return await self._database.read(rows_of(statements[period is not None], given))


_TYPES: dict[str, TypeEngine[Any]] = {
    "team": Uuid(),
    "project": Uuid(),
    "ids": ARRAY(Uuid),
    "terms": ARRAY(Integer),
    "limit": Integer(),
    "since": TIMESTAMP(timezone=True),
    "until": TIMESTAMP(timezone=True),
    "sessions": ARRAY(Uuid),
    "exchanges": ARRAY(Integer),
    "ordinals": ARRAY(Integer),
    "near_sessions": ARRAY(Uuid),
    "near_ordinals": ARRAY(Integer),
}
"""Of parameters; each is sent with its type, so that PostgreSQL never has to guess it."""
_COLUMNS: dict[str, TypeEngine[Any]] = {
    "id": Uuid(),
    "project_id": Uuid(),
    "heading": Text(),
    "text": Text(),
    "tokens": Integer(),
    "late": LargeBinary(),
    "session_id": Uuid(),
    "ordinal": Integer(),
    "exchange": Integer(),
    "locator": Text(),
    "at": TIMESTAMP(timezone=True),
    "role": Text(),
    "kind": Text(),
    "sidechain": Boolean(),
    "files": ARRAY(Text),
    "places": Integer(),
}
_SHOWN = """p.id, p.project_id, p.heading, p.text, p.tokens, p.late, newest.*,
  (select count(*) from passage_places where passage_id = p.id) as places"""
_OURS = "p.team_id = :team and (:project is null or p.project_id = :project)"
_WITHIN = "and at >= coalesce(:since, '-infinity') and at < coalesce(:until, 'infinity')"
_NEWEST = """join lateral (
    select session_id, ordinal, exchange, locator, at, role, kind, sidechain, files from passage_places where passage_id = p.id {within}
    order by at desc nulls last, session_id, ordinal limit 1
  ) newest on true"""


def _typed(written: str, columns: Mapping[str, TypeEngine[Any]]) -> TextualSelect:
    given = [bindparam(name, type_=type_) for name, type_ in _TYPES.items() if f":{name}" in written]
    return text(written).bindparams(*given).columns(**columns)


def _with_and_without_period(written: str, columns: Mapping[str, TypeEngine[Any]]) -> dict[bool, TextualSelect]:
    return {within: _typed(written.replace("{within}", _WITHIN if within else ""), columns) for within in (False, True)}


_BY_ID = _with_and_without_period(f"select {_SHOWN} from passages p {_NEWEST} where {_OURS} and p.id = any(:ids)", _COLUMNS)  # noqa: S608
_BY_TERMS = _with_and_without_period(
    f"""
with matching as (
  select id, (select count(*) from unnest(terms) as term where term = any(:terms)) as overlap
  from (select p.id, p.terms from passages p where {_OURS} and p.terms && :terms limit {MAX_MATCHING}) bounded
  order by overlap desc, id limit :limit
)
select {_SHOWN}, p.embedding
from matching join passages p using (id) {_NEWEST}
order by matching.overlap desc, p.id
""",  # noqa: S608 - constants
    _COLUMNS | {"embedding": LargeBinary()},
)
_AROUND = _typed(
    f"""
select place.session_id, place.exchange, place.ordinal, p.id as passage_id,
  case when p.heading = '' then p.text else p.heading || E'\\n' || p.text end as text, p.tokens, p.late
from unnest(:near_sessions, :near_ordinals) as near (session_id, ordinal)
join passage_places place using (session_id, ordinal)
join passages p on p.id = place.passage_id
union all
select matched.session_id, matched.exchange, null, null, left(p.text, {MAX_ASKED_CHARS}), null, null
from unnest(:sessions, :exchanges, :ordinals) as matched (session_id, exchange, ordinal)
join lateral (
  select seq from passage_places place
  where place.session_id = matched.session_id and place.exchange = matched.exchange
    and place.ordinal between matched.ordinal - {MAX_BACK} and matched.ordinal
    and place.role = 'user' and place.kind = 'said' and not place.sidechain
  order by place.ordinal desc limit 1
) prompt on true
join lateral (
  select passage_id from passage_places place where place.session_id = matched.session_id and place.seq = prompt.seq
  order by place.number limit 1
) opening on true
join passages p on p.id = opening.passage_id
""",  # noqa: S608 - constants
    {
        "session_id": Uuid(),
        "exchange": Integer(),
        "ordinal": Integer(),
        "passage_id": Uuid(),
        "text": Text(),
        "tokens": Integer(),
        "late": LargeBinary(),
    },
)
