"""Events of many live requests, appended in one transaction: a few statements for all of them. Knows no transcript.

Only what is plain: a session that somebody else holds at this moment, or that is gone, and an event that comes twice in one batch are
left to `Journal.append`, which waits, and says what is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, column, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.journal import Appended
from app.sessions.late import RESULT, brings_result, result
from app.sessions.redacted import Storable
from app.sessions.tables import EventRow
from app.sessions.tables import Session as SessionRow
from app.storage.tables import AnyRow


@dataclass(frozen=True, slots=True)
class Addition:
    """What one request adds to one session, redacted."""

    session_id: UUID
    rows: Sequence[Storable]


@dataclass(slots=True)
class _Growing:
    """A session while a batch is added to it."""

    last: int
    count: int
    redactions: Counter[str]
    dates: list[Any]
    changed: bool = False


async def append_together(connection: AsyncConnection, additions: Sequence[Addition]) -> list[Appended | None]:
    """What became of each, in the caller's transaction. None: nothing was done; `Journal.append` is to do it."""
    sessions = await _held(connection, {each.session_id for each in additions})
    known = await _known(connection, [each for each in additions if each.session_id in sessions])
    seen: set[tuple[UUID, str]] = set()
    new: list[dict[str, Any]] = []
    late: list[dict[str, Any]] = []
    answers: list[Appended | None] = []
    for each in additions:
        keys = {(each.session_id, row.row["event_id"]) for row in each.rows}
        if each.session_id not in sessions or keys & seen:
            answers.append(None)
            continue
        seen |= keys
        answers.append(_add(sessions[each.session_id], each, known, new, late))
    if new:
        await connection.execute(insert(EventRow), new)
    if late:
        await connection.execute(RESULT, late)
    if touched := [_touched(session_id, session) for session_id, session in sessions.items() if session.changed]:
        await connection.execute(_TOUCH, touched)
    return answers


def _add(
    session: _Growing,
    addition: Addition,
    known: dict[tuple[UUID, str], AnyRow],
    new: list[dict[str, Any]],
    late: list[dict[str, Any]],
) -> Appended:
    done = Appended()
    for each in addition.rows:
        before = known.get((addition.session_id, each.row["event_id"]))
        if before is None:
            session.last += 1
            session.count += 1
            new.append(each.row | {"session_id": addition.session_id, "seq": session.last})
            session.dates += [each.row["at"]] if each.row["at"] is not None else []
            done.new += 1
            done.redactions.update(each.secrets)
        elif brings_result(before, each.row):
            late.append(result(addition.session_id, each.row))
            done.updated += 1
            done.redactions.update(each.result_secrets)
        else:
            done.known += 1
    session.redactions.update(done.redactions)
    session.changed = session.changed or bool(done.new or done.updated)
    return done


async def _held(connection: AsyncConnection, ids: set[UUID]) -> dict[UUID, _Growing]:
    """The sessions that nobody holds, held by us: a batch waits for no one, and no two can wait for each other."""
    rows = (await connection.execute(_HOLD, {"ids": sorted(ids)})).all()
    lasts = {row.id: row.last for row in await connection.execute(_LAST, {"ids": [row.id for row in rows]})}
    return {row.id: _Growing(lasts[row.id], row.event_count, Counter(row.redactions), []) for row in rows}


async def _known(connection: AsyncConnection, additions: Sequence[Addition]) -> dict[tuple[UUID, str], AnyRow]:
    keys = [(each.session_id, row.row["event_id"]) for each in additions for row in each.rows]
    rows = await connection.execute(_KNOWN, {"of_sessions": [key[0] for key in keys], "of_events": [key[1] for key in keys]})
    return {(row.session_id, row.event_id): row for row in rows}


def _touched(session_id: UUID, session: _Growing) -> dict[str, Any]:
    return {
        "session": session_id,
        "count": session.count,
        "secrets": dict(session.redactions),
        "first": min(session.dates, default=None),
        "final": max(session.dates, default=None),
    }


_IDS = bindparam("ids", type_=ARRAY(Uuid))
_HOLD = (
    select(SessionRow.id, SessionRow.event_count, SessionRow.redactions)
    .where(SessionRow.id == func.any(_IDS))
    .with_for_update(skip_locked=True)
)
_each = func.unnest(_IDS).table_valued(column("id", Uuid)).render_derived(name="each")
_LAST = select(
    _each.c.id,
    func.coalesce(
        select(EventRow.seq).where(EventRow.session_id == _each.c.id).order_by(EventRow.seq.desc()).limit(1).scalar_subquery(), 0
    ).label("last"),
)
"""Asked only once the sessions are held: a number that was read before would be another's."""
_pairs = (
    func.unnest(bindparam("of_sessions", type_=ARRAY(Uuid)), bindparam("of_events", type_=ARRAY(Text)))
    .table_valued(column("session_id", Uuid), column("event_id", Text))
    .render_derived(name="pairs")
)
_KNOWN = select(
    EventRow.session_id,
    EventRow.event_id,
    EventRow.tool_name,
    EventRow.outcome,
    (func.coalesce(EventRow.tool_output, "") == "").label("no_output"),
).where(tuple_(EventRow.session_id, EventRow.event_id).in_(select(_pairs.c.session_id, _pairs.c.event_id)))
_TOUCH = (
    update(SessionRow)
    .where(SessionRow.id == bindparam("session"))
    .values(
        event_count=bindparam("count"),
        redactions=bindparam("secrets"),
        updated_at=func.clock_timestamp(),
        started_at=func.least(SessionRow.started_at, bindparam("first", type_=SessionRow.started_at.type)),
        ended_at=func.greatest(SessionRow.ended_at, bindparam("final", type_=SessionRow.ended_at.type)),
    )
)
