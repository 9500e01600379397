"""What search reads of passages in PostgreSQL: candidates by id or by their terms, and what stands around those that matched.

The team is checked here again: the index is not the truth. Statements are written once and planned once, whatever the question.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import TIMESTAMP, Boolean, Integer, LargeBinary, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import TypeEngine

from app.knowledge.passages import Candidate
from app.knowledge.passages.composing import REACH, Exchange
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


@dataclass(frozen=True, slots=True)
class Period:
    """When it was said, since ≤ time < until; None: open at that end. What has no time is in no period."""

    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around the passages that matched: passages by exchange.

    By the matched passage's id: the beginning of what its exchange's prompt asked, and in how many places it was said.
    """

    near: Mapping[Exchange, Sequence[Candidate]]
    asked: Mapping[str, str]
    places: Mapping[str, int]


class PassageRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_id(self, scope: Scope, ids: Collection[UUID], period: Period | None) -> Sequence[AnyRow]:
        """Read passages, each with its newest place (of the period)."""
        return await self._read(_BY_ID, scope, period, {"ids": list(ids)}) if ids else []

    async def by_terms(self, scope: Scope, terms: Sequence[int], period: Period | None, *, limit: int) -> Sequence[AnyRow]:
        """Read the same, and the vectors, of those that hold most of the terms. `terms`: see `passages.terms.hashed`."""
        if not terms:
            return []
        return await self._read(_BY_TERMS, scope, period, {"terms": list(terms)[:MAX_TERMS], "limit": limit})

    async def around(self, matched: Sequence[Candidate], known: Mapping[str, Candidate], *, near: int) -> Surroundings:
        """Read what `Surroundings` says; of the first `near`, what stands within REACH in the exchange.

        `known`: passages that were read already, by id.
        """
        if not matched:
            return Surroundings({}, {}, {})
        values = {
            "ids": [UUID(each.id) for each in matched],
            "sessions": [UUID(each.session) for each in matched],
            "exchanges": [each.exchange for each in matched],
            "ordinals": [each.ordinal for each in matched],
            "known": [UUID(each) for each in known],
            "near": near,
        }
        beside: dict[Exchange, dict[int, Candidate]] = {}
        asked: dict[str, str] = {}
        places: dict[str, int] = {}
        for row in await self._database.read(rows_of(_AROUND, values)):
            one = matched[row.n - 1]
            if row.ordinal is None:
                asked[one.id], places[one.id] = row.text or "", row.tokens
            else:
                exchange = (one.session, one.exchange)
                beside.setdefault(exchange, {})[row.ordinal] = _neighbour(exchange, row, known)
        return Surroundings({exchange: list(found.values()) for exchange, found in beside.items()}, asked, places)

    async def _read(
        self, statements: Mapping[bool, TextualSelect], scope: Scope, period: Period | None, values: Mapping[str, object]
    ) -> Sequence[AnyRow]:
        given: dict[str, object] = {"team": scope.team_id, "project": scope.project_id, **values}
        if period is not None:
            given |= {"since": period.since, "until": period.until}
        return await self._database.read(rows_of(statements[period is not None], given))


def _neighbour(exchange: Exchange, row: AnyRow, known: Mapping[str, Candidate]) -> Candidate:
    one = known.get(str(row.passage_id))
    if one is not None:
        return Candidate(one.id, *exchange, row.ordinal, one.text, one.packed, tokens=one.tokens)
    return Candidate(str(row.passage_id), *exchange, row.ordinal, row.text, row.late, tokens=row.tokens)


_TYPES: dict[str, TypeEngine[object]] = {
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
    "known": ARRAY(Uuid),
    "near": Integer(),
}
"""Of parameters; each is sent with its type, so that PostgreSQL never has to guess it."""
_COLUMNS: dict[str, TypeEngine[object]] = {
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
}
_SHOWN = "p.id, p.project_id, p.heading, p.text, p.tokens, p.late, newest.*"
_OURS = "p.team_id = :team and (:project is null or p.project_id = :project)"
_WITHIN = "and at >= coalesce(:since, '-infinity') and at < coalesce(:until, 'infinity')"
_NEWEST = """join lateral (
    select session_id, ordinal, exchange, locator, at, role, kind, sidechain, files from passage_places where passage_id = p.id {within}
    order by at desc nulls last, session_id, ordinal limit 1
  ) newest on true"""


def _typed(written: str, columns: Mapping[str, TypeEngine[object]]) -> TextualSelect:
    given = [bindparam(name, type_=type_) for name, type_ in _TYPES.items() if f":{name}" in written]
    return text(written).bindparams(*given).columns(**columns)


def _with_and_without_period(written: str, columns: Mapping[str, TypeEngine[object]]) -> dict[bool, TextualSelect]:
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
with matched as (
  select * from unnest(:ids, :sessions, :exchanges, :ordinals) with ordinality as matched (id, session_id, exchange, ordinal, n)
)
select matched.n, place.ordinal, p.id as passage_id, case when p.id = any(:known) then '' when p.heading = '' then p.text
  else p.heading || E'\\n' || p.text end as text, p.tokens, case when p.id = any(:known) then null else p.late end as late
from matched
join passage_places place on place.session_id = matched.session_id and place.exchange = matched.exchange
  and place.ordinal between matched.ordinal - {REACH} and matched.ordinal + {REACH}
join passages p on p.id = place.passage_id
where matched.n <= :near
union all
select matched.n, null, matched.id, left(p.text, {MAX_ASKED_CHARS}),
  (select count(*) from passage_places where passage_id = matched.id), null
from matched
left join lateral (
  select seq from passage_places place
  where place.session_id = matched.session_id and place.exchange = matched.exchange
    and place.ordinal between matched.ordinal - {MAX_BACK} and matched.ordinal
    and place.role = 'user' and place.kind = 'said' and not place.sidechain
  order by place.ordinal desc limit 1
) prompt on true
left join lateral (
  select passage_id from passage_places place where place.session_id = matched.session_id and place.seq = prompt.seq
  order by place.number limit 1
) opening on true
left join passages p on p.id = opening.passage_id
""",  # noqa: S608 - constants
    {"n": Integer(), "ordinal": Integer(), "passage_id": Uuid(), "text": Text(), "tokens": Integer(), "late": LargeBinary()},
)
