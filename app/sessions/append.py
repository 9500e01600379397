"""Appends batches of redacted events to many sessions, in the caller's transaction. Knows no transcript format.

Each changed session gets a new `revision` and an `event_count` equal to its last seq. An event that is filled in later is stamped with the
revision of that change, so a projection can see both new events and changed ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, and_, bindparam, column, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.late import RESULT, brings_result, brings_usage, result
from app.sessions.provisional import ADOPT, LINK, Twins, adoption, find_twins, link
from app.sessions.redacted import Storable
from app.sessions.served_ids import write_served
from app.sessions.tables import EventRow, SessionRow
from app.storage.tables import AnyRow


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events to append to one session: redacted, each event id once, all provisional or none.

    `from_file`: the file may have ended within its last turn.
    """

    session_id: UUID
    rows: Sequence[Storable]
    from_file: bool = False


@dataclass(slots=True)
class Appended:
    """Counts of one append. `known`: events that were there already; `redactions`: secrets removed, by kind.

    `updated`: events that received a late result or usage, provisional events that were adopted, and a last turn completed after a growing
    file had cut it off.
    """

    new: int = 0
    updated: int = 0
    known: int = 0
    redactions: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class ReachedPosition:
    """A session's position after this transaction: its last seq and its revision."""

    session_id: UUID
    team_id: UUID
    developer_id: UUID | None
    seq: int
    revision: int


@dataclass(slots=True)
class _LockedSession:
    """A locked session while a batch is added to it. `revision`: the one that this transaction creates."""

    team_id: UUID
    developer_id: UUID | None
    last: int
    revision: int
    redactions: Counter[str]
    dates: list[Any]
    model: str | None = None
    changed: bool = False

    def take(self, row: dict[str, Any]) -> None:
        """Take an event's time, and the session's first model."""
        self.dates += [row["at"]] if row["at"] is not None else []
        self.model = self.model or (None if row["sidechain"] else row["model"])


@dataclass(slots=True)
class _Batch:
    """One append: the events known before, new rows, late results, adoptions, links of records to what a hook told, and what was served."""

    known: dict[tuple[UUID, str], AnyRow]
    twins: Twins
    new: list[dict[str, Any]] = field(default_factory=list)
    late: list[dict[str, Any]] = field(default_factory=list)
    adopted: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    served: dict[tuple[UUID, UUID], int] = field(default_factory=dict)

    def serve(self, session_id: UUID, seq: int, each: Storable) -> None:
        """Note what was served with the event of this seq."""
        for knowledge_id in each.served:
            self.served.setdefault((session_id, knowledge_id), seq)

    async def write(self, connection: AsyncConnection) -> None:
        if self.new:
            await connection.execute(insert(EventRow), self.new)
        for statement, rows in ((RESULT, self.late), (ADOPT, self.adopted), (LINK, self.links)):
            if rows:
                await connection.execute(statement, rows)
        await write_served(connection, self.served)


async def append(
    connection: AsyncConnection, additions: Sequence[EventBatch], *, wait: bool
) -> tuple[list[Appended | None], list[ReachedPosition]]:
    """Append each addition; return its counts, and the sessions that changed. Runs in the caller's transaction.

    An addition's result is None if nothing of it was written: the session is gone, an earlier addition of the batch holds one of its
    events (or, with hooks, the same words), or, unless `wait`, another transaction has the session locked.
    """
    sessions = await _lock_sessions(connection, {each.session_id for each in additions}, wait=wait)
    there = [each for each in additions if each.session_id in sessions]
    grown = [(each.session_id, each.rows) for each in there if sessions[each.session_id].last > 0]
    batch = _Batch(await _known(connection, there), await find_twins(connection, grown))
    names = ["event_id", "text_hash"] if any(row.row["provisional"] for each in there for row in each.rows) else ["event_id"]
    seen: set[tuple[UUID, Any]] = set()
    answers: list[Appended | None] = []
    for each in additions:
        keys = {(each.session_id, row.row[name]) for row in each.rows for name in names if row.row[name] is not None}
        if each.session_id not in sessions or keys & seen:
            answers.append(None)
            continue
        seen |= keys
        whole = await _completed(connection, sessions[each.session_id], each, batch.known) if each.from_file else None
        answers.append(_add(sessions[each.session_id], each, batch, whole))
    await batch.write(connection)
    changed = {session_id: session for session_id, session in sessions.items() if session.changed}
    if changed:
        await connection.execute(_TOUCH, [_update_values(session_id, session) for session_id, session in changed.items()])
    return answers, [
        ReachedPosition(session_id, each.team_id, each.developer_id, each.last, each.revision) for session_id, each in changed.items()
    ]


def _add(session: _LockedSession, addition: EventBatch, batch: _Batch, whole: Storable | None) -> Appended:
    """Sort an addition's events into new, updated and known. `whole`: the event that already completed the session's last one."""
    done = Appended()
    for each in addition.rows:
        before = batch.known.get((addition.session_id, each.row["event_id"]))
        if each is whole:
            batch.serve(addition.session_id, session.last, each)
            done.updated += 1
            done.redactions.update(each.secrets)
        elif _told_before(session, addition, each, batch, done):
            continue
        elif before is None:
            session.last += 1
            batch.new.append(each.row | {"session_id": addition.session_id, "seq": session.last})
            batch.serve(addition.session_id, session.last, each)
            session.take(each.row)
            done.new += 1
            done.redactions.update(each.secrets)
        elif (of_call := brings_result(before, each.row)) or brings_usage(before, each.row):
            batch.late.append(result(addition.session_id, each.row, session.revision, of_call=of_call))
            batch.serve(addition.session_id, before.seq, each)
            done.updated += 1
            done.redactions.update(each.result_secrets if of_call else Counter())
        else:
            done.known += 1
    session.redactions.update(done.redactions)
    session.changed = session.changed or bool(done.new or done.updated)
    return done


def _told_before(session: _LockedSession, addition: EventBatch, each: Storable, batch: _Batch, done: Appended) -> bool:
    """Match an event with what a hook told, or with the record of what a hook tells now; tell whether that settled it."""
    row, twins = each.row, batch.twins
    key = (addition.session_id, row["event_id"])
    if row["provisional"] is not None:
        if row["tool_name"] is not None:
            return False
        if key in twins.by_hook:
            done.known += 1
        elif (record := twins.record_of(addition.session_id, row)) is not None:
            batch.links.append(link(record, row))
            done.known += 1
        else:
            return False
        return True
    before = twins.by_hook.get(key)
    if before is None and key not in batch.known:
        before = twins.adopted_by(addition.session_id, row)
    if before is None:
        return False
    changed = adoption(before, row, session.revision)
    if changed is None:
        done.known += 1
    else:
        batch.adopted.append(changed)
        batch.serve(addition.session_id, before.seq, each)
        session.take(row)
        done.updated += 1
        done.redactions.update(Counter() if before.tool_output else each.result_secrets)
    return True


async def _completed(
    connection: AsyncConnection, session: _LockedSession, addition: EventBatch, known: dict[tuple[UUID, str], AnyRow]
) -> Storable | None:
    """Complete the session's last event if a growing file had cut it off; return the event that completed it, if any.

    The stored event takes the text and the id of the complete one. Applies only to ids hashed from the text: a given id would not change.
    """
    ids = {row.row["event_id"] for row in addition.rows if (addition.session_id, row.row["event_id"]) in known}
    first = next((row for row in addition.rows if row.row["event_id"] not in ids), None)
    if first is None or first.row["provisional"] is not None or session.last == 0:
        return None
    ours = and_(EventRow.session_id == addition.session_id, EventRow.seq == session.last)
    last = (await connection.execute(select(EventRow.__table__).where(ours))).one()
    if last.event_id in ids or last.provisional is not None:  # the file still holds it unchanged, or a hook told it whole
        return None
    parts = ("text", "tool_input", "tool_output")
    same_place = all(getattr(last, name) == first.row[name] for name in ("kind", "role", "locator", "tool_name"))
    if not same_place or not all((first.row[part] or "").startswith(getattr(last, part) or "") for part in parts):
        return None
    filled = {name: first.row[name] for name in ("event_id", "exit_code", "outcome", *parts)}
    await connection.execute(update(EventRow).where(ours).values(filled | {"changed": session.revision}))
    return first


async def _lock_sessions(connection: AsyncConnection, ids: set[UUID], *, wait: bool) -> dict[UUID, _LockedSession]:
    """Lock the sessions until the commit, so that `seq` has neither gaps nor duplicates.

    Without `wait`, skip sessions that are locked: a batch must not wait. Rows are locked in order of id, so two batches cannot deadlock.
    """
    rows = await connection.execute(_HOLD if wait else _HOLD_FREE, {"ids": sorted(ids)})
    return {
        row.id: _LockedSession(row.team_id, row.developer_id, row.event_count, row.revision + 1, Counter(row.redactions), [])
        for row in rows
    }


async def _known(connection: AsyncConnection, additions: Sequence[EventBatch]) -> dict[tuple[UUID, str], AnyRow]:
    keys = [(each.session_id, row.row["event_id"]) for each in additions for row in each.rows]
    rows = await connection.execute(_KNOWN, {"of_sessions": [key[0] for key in keys], "of_events": [key[1] for key in keys]})
    return {(row.session_id, row.event_id): row for row in rows}


def _update_values(session_id: UUID, session: _LockedSession) -> dict[str, Any]:
    return {
        "session": session_id,
        "count": session.last,
        "reached": session.revision,
        "secrets": dict(session.redactions),
        "first_model": session.model,
        "first": min(session.dates, default=None),
        "final": max(session.dates, default=None),
    }


_IDS = bindparam("ids", type_=ARRAY(Uuid))
_SESSIONS = (
    select(SessionRow.id, SessionRow.team_id, SessionRow.developer_id, SessionRow.event_count, SessionRow.revision, SessionRow.redactions)
    .where(SessionRow.id == func.any(_IDS))
    .order_by(SessionRow.id)
)
# FOR NO KEY UPDATE: appending must not conflict with `Journal.lock_against_deletion` (FOR KEY SHARE).
_HOLD = _SESSIONS.with_for_update(key_share=True)
_HOLD_FREE = _SESSIONS.with_for_update(key_share=True, skip_locked=True)
_pairs = (
    func.unnest(bindparam("of_sessions", type_=ARRAY(Uuid)), bindparam("of_events", type_=ARRAY(Text)))
    .table_valued(column("session_id", Uuid), column("event_id", Text))
    .render_derived(name="pairs")
)
_KNOWN = select(
    EventRow.session_id,
    EventRow.seq,
    EventRow.event_id,
    EventRow.tool_name,
    EventRow.outcome,
    EventRow.input_tokens,
    (func.coalesce(EventRow.tool_output, "") == "").label("no_output"),
).where(tuple_(EventRow.session_id, EventRow.event_id).in_(select(_pairs.c.session_id, _pairs.c.event_id)))
_TOUCH = (
    update(SessionRow)
    .where(SessionRow.id == bindparam("session"))
    .values(
        event_count=bindparam("count"),
        revision=bindparam("reached"),
        redactions=bindparam("secrets"),
        model=func.coalesce(SessionRow.model, bindparam("first_model", type_=SessionRow.model.type)),
        updated_at=func.clock_timestamp(),
        started_at=func.least(SessionRow.started_at, bindparam("first", type_=SessionRow.started_at.type)),
        ended_at=func.greatest(SessionRow.ended_at, bindparam("final", type_=SessionRow.ended_at.type)),
    )
)
