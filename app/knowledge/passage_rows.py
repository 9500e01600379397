"""Reads passages from PostgreSQL for search: candidates by id or by terms, and the passages around those that matched.

Filters by team and closed projects again: the index is not the source of truth. Statements are fixed, so PostgreSQL plans each once for
all questions.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import TIMESTAMP, Boolean, Float, Integer, LargeBinary, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import TypeEngine

from app.knowledge.intent_rows import place_intent
from app.knowledge.passages import PassageCandidate, Place
from app.knowledge.passages.passage import indexed
from app.knowledge.reads import Reads
from app.knowledge.versions import Scope
from app.storage.tables import AnyRow

MAX_TERMS = 64
"""Terms of a question that PostgreSQL is searched for."""
MAX_MATCHING = 2_000
"""Passages with a rare term of the question whose matching terms are counted; bounds the work of one search."""
MAX_SHARE = 0.02
"""Share of all passages that the terms used for the lookup may occur in together; the rarest term is always used."""
SHARES_SECONDS = 300.0
"""The terms' frequencies are read again after this time."""


@dataclass(frozen=True, slots=True)
class PlaceFilter:
    """The places that count of a passage: said in a half-open period, since ≤ time < until (None: open at that end; one without a time is
    in no period), in an exchange of one of these intents (none: of any).
    """

    since: datetime | None = None
    until: datetime | None = None
    intents: tuple[str, ...] = ()

    @property
    def kind(self) -> tuple[bool, bool]:
        """Return whether it has a period, and whether it has intents: each pair has statements of its own."""
        return self.since is not None or self.until is not None, bool(self.intents)

    @property
    def values(self) -> dict[str, object]:
        """Return the values of its statements' parameters."""
        dated, labelled = self.kind
        period = {"since": self.since, "until": self.until} if dated else {}
        return period | ({"intents": list(self.intents)} if labelled else {})


class PassageRows:
    """Runs the fixed statements that read passages; caches the terms' shares for SHARES_SECONDS."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._shares: dict[int, float] = {}
        self._shares_read = -math.inf

    async def by_id(self, scope: Scope, ids: Collection[UUID], places: PlaceFilter) -> Sequence[AnyRow]:
        """Read passages by id, each with its newest place that counts and the number of all its places."""
        return await self._read(_BY_ID, scope, places, {"ids": list(ids)}) if ids else []

    async def by_terms(self, scope: Scope, terms: Sequence[int], places: PlaceFilter, *, limit: int) -> Sequence[AnyRow]:
        """Read passages with the most of the terms, like `by_id`, and their vectors. `terms`: see `passages.terms.hashed`."""
        if not terms:
            return []
        asked = list(terms)[:MAX_TERMS]
        rare = rarest(asked, await self._common())
        return await self._read(_BY_TERMS, scope, places, {"terms": asked, "rare": rare, "bound": MAX_MATCHING, "limit": limit})

    async def at(self, places: Sequence[Place]) -> dict[Place, PassageCandidate]:
        """Read the passages at these places, where they exist."""
        if not places:
            return {}
        values = {"sessions": [UUID(session) for session, _ in places], "ordinals": [ordinal for _, ordinal in places]}
        found: dict[Place, PassageCandidate] = {}
        for row in await self._reads.rows(_AT_PLACES, values):
            session, text = str(row.session_id), indexed(row.heading, row.text)
            one = PassageCandidate(str(row.id), session, row.exchange, row.ordinal, text, row.late, tokens=row.tokens, locator=row.locator)
            found[session, row.ordinal] = one
        return found

    async def _common(self) -> dict[int, float]:
        """Read each common term's share of the passages, from the statistics that PostgreSQL keeps for its planner."""
        if time.monotonic() - self._shares_read > SHARES_SECONDS:
            self._shares = {row.term: row.share for row in await self._reads.rows(_COMMON)}
            self._shares_read = time.monotonic()
        return self._shares

    async def _read(self, statements: _Statements, scope: Scope, places: PlaceFilter, values: Mapping[str, object]) -> Sequence[AnyRow]:
        given: dict[str, object] = {"team": scope.team_id, "project": scope.project_id, "closed": list(scope.closed), **values}
        return await self._reads.rows(statements[places.kind], given | places.values)


def rarest(terms: Sequence[int], shares: Mapping[int, float], *, max_share: float = MAX_SHARE) -> list[int]:
    """Choose the rarest terms, at least one, that together occur in at most a share of `max_share` of all passages.

    Looking up a common term would hit most of a project, and with MAX_MATCHING reached, miss the one passage that has the rare term.
    """
    kept: list[int] = []
    total = 0.0
    for term in sorted(terms, key=lambda term: shares.get(term, 0.0)):
        total += shares.get(term, 0.0)
        if kept and total > max_share:
            break
        kept.append(term)
    return kept


_Statements: TypeAlias = Mapping[tuple[bool, bool], TextualSelect]
"""By `PlaceFilter.kind`."""
_TYPES: dict[str, TypeEngine[Any]] = {
    "team": Uuid(),
    "project": Uuid(),
    "closed": ARRAY(Uuid),
    "ids": ARRAY(Uuid),
    "terms": ARRAY(Integer),
    "rare": ARRAY(Integer),
    "bound": Integer(),
    "limit": Integer(),
    "since": TIMESTAMP(timezone=True),
    "until": TIMESTAMP(timezone=True),
    "intents": ARRAY(Text),
    "sessions": ARRAY(Uuid),
    "ordinals": ARRAY(Integer),
}
"""Types of the parameters, sent with each, so that PostgreSQL never infers one."""
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
    "prompt": Text(),
    "files": ARRAY(Text),
    "places": Integer(),
}
_SHOWN = """p.id, p.project_id, p.heading, p.text, p.tokens, p.late, newest.*,
  (select count(*) from passage_places where passage_id = p.id) as places"""
_OURS = "p.team_id = :team and (:project is null or p.project_id = :project) and p.project_id <> all(:closed)"
_WITHIN = "and at >= coalesce(:since, '-infinity') and at < coalesce(:until, 'infinity')"
_LABELLED = f"and {place_intent('passage_places')} = any(:intents)"
_NEWEST = """join lateral (
    select session_id, ordinal, exchange, locator, at, role, kind, sidechain, prompt, files
    from passage_places where passage_id = p.id {counts}
    order by at desc nulls last, session_id, ordinal limit 1
  ) newest on true"""


def _typed(written: str, columns: Mapping[str, TypeEngine[Any]]) -> TextualSelect:
    given = [bindparam(name, type_=type_) for name, type_ in _TYPES.items() if f":{name}" in written]
    return text(written).bindparams(*given).columns(**columns)


def _filtered(written: str, columns: Mapping[str, TypeEngine[Any]]) -> dict[tuple[bool, bool], TextualSelect]:
    """Write a statement for each kind of filter of places."""
    made = {}
    for dated, labelled in itertools.product((False, True), repeat=2):
        counts = f"{_WITHIN if dated else ''} {_LABELLED if labelled else ''}".strip()
        placed = f"where exists (select from passage_places where passage_id = bounded.id {counts})" if counts else ""
        made[dated, labelled] = _typed(written.replace("{counts}", counts).replace("{placed}", placed), columns)
    return made


_BY_ID = _filtered(f"select {_SHOWN} from passages p {_NEWEST} where {_OURS} and p.id = any(:ids)", _COLUMNS)  # noqa: S608
_BY_TERMS = _filtered(
    f"""
with matching as (
  select id, (select count(*) from unnest(terms) as term where term = any(:terms)) as overlap
  from (select p.id, p.terms from passages p where {_OURS} and p.terms && :rare limit :bound) bounded
  {{placed}}
  order by overlap desc, id limit :limit
)
select {_SHOWN}, p.embedding
from matching join passages p using (id) {_NEWEST}
order by matching.overlap desc, p.id
""",  # noqa: S608 - constants
    _COLUMNS | {"embedding": LargeBinary()},
)
_COMMON = text(
    """
select term, share
from pg_stats, unnest(cast(cast(most_common_elems as text) as int[]), most_common_elem_freqs) as common (term, share)
where schemaname = current_schema() and tablename = 'passages' and attname = 'terms' and term is not null
"""
).columns(term=Integer(), share=Float())
_AT_PLACES = _typed(
    """
select place.session_id, place.exchange, place.ordinal, place.locator, p.id, p.heading, p.text, p.tokens, p.late
from unnest(:sessions, :ordinals) as wanted (session_id, ordinal)
join passage_places place using (session_id, ordinal)
join passages p on p.id = place.passage_id
""",
    {name: _COLUMNS[name] for name in ("session_id", "exchange", "ordinal", "locator", "id", "heading", "text", "tokens", "late")},
)
