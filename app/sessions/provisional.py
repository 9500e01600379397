"""Provisional events: told by an IDE's hook before the transcript's own record exists, which adopts them when it comes.

Prompts, replies and notices have no id in common with their record: the oldest one with the same words is taken. Tool calls share their id.
Used under the session's lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Integer, Text, Uuid, and_, bindparam, column, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.redacted import Storable
from app.sessions.tables import EventRow
from app.storage.tables import AnyRow

RESULT = ("tool_output", "exit_code", "outcome")
_OF_PLACE = {"session_id", "seq", "provisional", "changed"}
"""Columns that an adopted event keeps."""
_ADOPTED = [each for each in EventRow.__table__.c if each.name not in _OF_PLACE]


@dataclass(slots=True)
class Twins:
    """Stored events that may be the same as given ones. `by_hook`: by the id that a hook gave; `waiting`, `unannounced`: by their words.

    `waiting`: provisional events that no record has adopted; `unannounced`: records that no hook has told. Each list is oldest first.
    """

    by_hook: dict[tuple[UUID, str], AnyRow] = field(default_factory=dict)
    waiting: defaultdict[tuple[UUID, int], list[AnyRow]] = field(default_factory=lambda: defaultdict(list))
    unannounced: defaultdict[tuple[UUID, int], list[AnyRow]] = field(default_factory=lambda: defaultdict(list))

    def adopted_by(self, session_id: UUID, row: dict[str, Any]) -> AnyRow | None:
        """Take the provisional event that this record of a transcript adopts; None: there is none."""
        return _first(self.waiting, session_id, row["text_hash"])

    def record_of(self, session_id: UUID, row: dict[str, Any]) -> AnyRow | None:
        """Take the record that came before this provisional event; None: there is none."""
        return _first(self.unannounced, session_id, row["text_hash"])


async def find_twins(connection: AsyncConnection, given: Iterable[tuple[UUID, Sequence[Storable]]]) -> Twins:
    """Find the stored events that may be the same as the given ones, by session."""
    rows = [(session_id, each.row) for session_id, several in given for each in several]
    twins = Twins()
    texts = [(session_id, row["text_hash"]) for session_id, row in rows if row["text_hash"] is not None]
    hooks = any(row["provisional"] is not None for _, row in rows)
    if texts:
        query = _WITH_WORDS if hooks else _WAITING
        for row in await connection.execute(query, {"of_sessions": [each[0] for each in texts], "of_texts": [each[1] for each in texts]}):
            if row.provisional is None:
                twins.unannounced[row.session_id, row.text_hash].append(row)
            elif row.provisional == row.event_id:
                twins.waiting[row.session_id, row.text_hash].append(row)
    named = [(session_id, row["provisional"] or row["event_id"]) for session_id, row in rows if row["provisional"] or row["tool_name"]]
    if named:
        found = await connection.execute(_TOLD, {"of_sessions": [each[0] for each in named], "of_hooks": [each[1] for each in named]})
        twins.by_hook = {(row.session_id, row.provisional): row for row in found}
    return twins


def adoption(before: AnyRow, row: dict[str, Any], revision: int) -> dict[str, Any] | None:
    """Return the parameters of ADOPT; None if it would change nothing. A record without a result keeps the one that the hook told."""
    row = dict(row)
    if row["outcome"] is None and not row["tool_output"]:
        row |= {name: getattr(before, name) for name in RESULT}
    if all(getattr(before, each.name) == row[each.name] for each in _ADOPTED):
        return None
    values = {f"new_{each.name}": row[each.name] for each in _ADOPTED}
    return values | {"in_session": before.session_id, "at_seq": before.seq, "at_revision": revision}


def link(record: AnyRow, row: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of LINK: the record is what the hook told."""
    return {"in_session": record.session_id, "at_seq": record.seq, "told_as": row["provisional"]}


ADOPT = (
    update(EventRow)
    .where(EventRow.session_id == bindparam("in_session"), EventRow.seq == bindparam("at_seq"))
    .values(
        {each.name: bindparam(f"new_{each.name}", type_=each.type) for each in _ADOPTED}
        | {"changed": bindparam("at_revision", type_=Integer)}
    )
)
LINK = (
    update(EventRow)
    .where(EventRow.session_id == bindparam("in_session"), EventRow.seq == bindparam("at_seq"))
    .values(provisional=bindparam("told_as", type_=Text))
)


def _first(found: dict[tuple[UUID, int], list[AnyRow]], session_id: UUID, text_hash: int | None) -> AnyRow | None:
    several = None if text_hash is None else found.get((session_id, text_hash))
    return several.pop(0) if several else None


_texts = (
    func.unnest(bindparam("of_sessions", type_=ARRAY(Uuid)), bindparam("of_texts", type_=ARRAY(BigInteger)))
    .table_valued(column("session_id", Uuid), column("text_hash", BigInteger))
    .render_derived(name="texts")
)
_hooks = (
    func.unnest(bindparam("of_sessions", type_=ARRAY(Uuid)), bindparam("of_hooks", type_=ARRAY(Text)))
    .table_valued(column("session_id", Uuid), column("provisional", Text))
    .render_derived(name="hooks")
)
_same_words = tuple_(EventRow.session_id, EventRow.text_hash).in_(select(_texts.c.session_id, _texts.c.text_hash))
_unadopted = and_(EventRow.provisional.is_not(None), EventRow.provisional == EventRow.event_id)
_whole = select(EventRow.__table__)
_WAITING = _whole.where(_same_words, _unadopted).order_by(EventRow.session_id, EventRow.seq)
_WITH_WORDS = _whole.where(_same_words, or_(EventRow.provisional.is_(None), _unadopted)).order_by(EventRow.session_id, EventRow.seq)
_TOLD = _whole.where(
    EventRow.provisional.is_not(None),
    tuple_(EventRow.session_id, EventRow.provisional).in_(select(_hooks.c.session_id, _hooks.c.provisional)),
)
