"""Passages in PostgreSQL: each stored once a project, with its places. Every change is written to the index's outbox.

Knows no model and no transcript: the projection supplies the passages and their vectors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, LargeBinary, Uuid, and_, any_, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.item import Quote
from app.knowledge.locks import lock_project
from app.knowledge.passage_tables import PassageCutRow, PassagePlaceRow, PassageRow
from app.knowledge.passages.cut import CutState
from app.knowledge.passages.passage import Passage
from app.knowledge.tables import OutboxRow
from app.knowledge.use_counts import UseCounts, count_passage_uses
from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed
from app.sessions.session import Session
from app.storage.database import Database
from app.storage.tables import AnyRow

CUT_EVERY = 32
"""Events between two saved states of the cutting: at most so many are cut again when one of them changes."""
ROWS = 500
"""Rows of one INSERT."""
PLACES = 100
"""Places of a passage that are returned: `ok` may be in every session."""


@dataclass(frozen=True, slots=True)
class EmbeddedPassage:
    """The computed columns of a passage's row: see `tables.PassageRow`."""

    tokens: int
    terms: list[int]
    embedding: bytes
    late: bytes
    made_by: str


@dataclass(frozen=True, slots=True)
class CutPart:
    """The passages of a session's events in (`after`, `upto`]. `last`: no event beyond `upto` has passages.

    `placed`: (index within its event, passage). `states`: the cutting's states to save, by seq, for resuming there.
    """

    after: int
    upto: int
    last: bool
    placed: Sequence[tuple[int, Passage]]
    states: Mapping[int, CutState]

    @property
    def passages(self) -> dict[bytes, Passage]:
        """The passages by key, each as it was said first."""
        return {key_of(passage): passage for _, passage in reversed(self.placed)}


@dataclass(frozen=True, slots=True)
class StoredPassages:
    """The outcome of storing a part. `new`: passages that the project didn't have; `withdrawn`: those that it has no longer.

    Once the outbox is drained up to `mark`, all of it is searchable.
    """

    new: int = 0
    withdrawn: int = 0
    mark: int = 0


class MissingPassages(Exception):
    """Some passages have no vectors, neither stored nor given: embed those with these `keys`, and store the part again."""

    def __init__(self, keys: Collection[bytes]) -> None:
        super().__init__(f"{len(keys)} passages have no vectors yet.")
        self.keys = frozenset(keys)


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its PLACES newest places. `places`: the number of all its places; `uses`: by sessions that didn't say it."""

    id: UUID
    project_id: UUID
    heading: str
    text: str
    places: int
    quotes: tuple[Quote, ...]
    uses: UseCounts


class PassageStore:
    """Reads and writes a project's passages and their places."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def resume(self, session_id: UUID, after: int) -> tuple[int, CutState]:
        """Return the last seq at or before `after` with a saved state, and that state; (0, a new state) if there is none."""
        state = select(PassageCutRow.seq, PassageCutRow.state).where(PassageCutRow.session_id == session_id, PassageCutRow.seq <= after)
        async with self._database.begin() as connection:
            row = (await connection.execute(state.order_by(PassageCutRow.seq.desc()).limit(1))).one_or_none()
        return (0, CutState()) if row is None else (row.seq, CutState.from_json(row.state))

    async def get(self, team_id: UUID, passage_id: UUID, *, closed: Collection[UUID] = ()) -> StoredPassage:
        """Return a passage and its places. NotFound if it doesn't exist, is another team's or of one of the projects `closed`."""

        async def read(connection: AsyncConnection) -> tuple[AnyRow, Sequence[AnyRow], UseCounts]:
            row = (await connection.execute(_ONE.where(PassageRow.id == passage_id, PassageRow.team_id == team_id))).one_or_none()
            if row is None or row.project_id in closed:  # raised inside `read`, so that a lagging replica's miss is retried at the primary
                raise NotFound(f"There is no item or passage {passage_id}. Find its id with `cairn query` or POST /v1/knowledge/query.")
            places = (await connection.execute(_PLACES.where(PassagePlaceRow.passage_id == passage_id))).all()
            return row, places, await count_passage_uses(connection, passage_id)

        row, places, uses = await self._database.read(read)
        cited = await self._journal.cited(team_id, {place.session_id for place in places})
        quotes = [
            Quote(each.id, each.transcript, place.locator, row.text, place.at, each.branch, each.commit)
            for place in places
            if (each := cited.get(place.session_id)) is not None
        ]
        return StoredPassage(row.id, row.project_id, row.heading, row.text, row.places, tuple(quotes), uses)

    async def known(self, project_id: UUID, keys: Collection[bytes], *, made_by: str) -> set[bytes]:
        """Return the keys of those passages that the project holds with columns computed by `made_by`."""
        async with self._database.begin() as connection:
            return {bytes(row.key) for row in await connection.execute(_by_key(project_id, keys)) if row.made_by == made_by}

    async def replace(
        self, session: Session, part: CutPart, embedded: Mapping[bytes, EmbeddedPassage], checkpointed: Checkpointed
    ) -> StoredPassages:
        """Make the places of a part's events exactly those of `part`, and move the checkpoint, in one transaction.

        `embedded`: by key, at least the passages that the project lacks. MissingPassages when a concurrent purge removed one; NotFound and
        Overtaken as `checkpointed` raises them.
        """
        async with self._database.begin() as connection:
            await self._journal.lock_against_deletion(connection, session.id)  # before the project, as a purge does: no deadlock
            await lock_project(connection, session.project_id)
            ids, stored, renewed = await self._passages(connection, session, part, embedded)
            wanted = {(passage.seq, number): _place(session, number, passage, ids) for number, passage in part.placed}
            before = {(row.seq, row.number): row for row in await connection.execute(select(*_PLACE).where(_within(session.id, part)))}
            gone = [row for key, row in before.items() if key not in wanted or _differs(row, wanted[key])]
            new = [each for key, each in wanted.items() if key not in before or _differs(before[key], each)]
            await _delete_places(connection, session.id, gone)
            for start in range(0, len(new), ROWS):
                await connection.execute(insert(PassagePlaceRow), new[start : start + ROWS])
            left = {row.passage_id for row in gone} - {place["passage_id"] for place in new}
            withdrawn = await _delete_orphans(connection, left)
            changed = stored | renewed | left | {place["passage_id"] for place in new}
            await _keep_states(connection, session.id, part)
            await checkpointed(connection, None if part.last else part.upto)
            await record_changes(connection, [ChangedPoint(each, session.project_id, session.team_id) for each in sorted(changed)])
            mark = await connection.scalar(select(func.coalesce(func.max(OutboxRow.id), 0))) if changed else 0
        return StoredPassages(len(stored), withdrawn, mark or 0)

    async def withdraw_session(self, connection: AsyncConnection, session: Session) -> int:
        """Withdraw a session's places, in the caller's transaction, which must hold the session. Returns the number of passages deleted.

        A passage that is also in another session stays, with its places there.
        """
        await lock_project(connection, session.project_id)
        places = delete(PassagePlaceRow).where(PassagePlaceRow.session_id == session.id).returning(PassagePlaceRow.passage_id)
        passages = set(await connection.scalars(places))
        await connection.execute(delete(PassageCutRow).where(PassageCutRow.session_id == session.id))
        gone = await _delete_orphans(connection, passages)
        await record_changes(connection, [ChangedPoint(each, session.project_id, session.team_id) for each in sorted(passages)])
        return gone

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move a project's passages to another one, in the caller's transaction, which must hold its sessions. Duplicates are merged."""
        for each in sorted((project_id, into)):
            await lock_project(connection, each)
        theirs = PassageRow.__table__.alias("theirs")
        both = and_(PassageRow.project_id == project_id, theirs.c.project_id == into, theirs.c.key == PassageRow.key)
        twins = (await connection.execute(select(PassageRow.id, theirs.c.id.label("into")).where(both))).all()
        same = and_(PassagePlaceRow.passage_id == PassageRow.id, both)
        await connection.execute(update(PassagePlaceRow).where(same).values(passage_id=theirs.c.id))
        gone = [twin.id for twin in twins]
        await connection.execute(delete(PassageRow).where(PassageRow.id == any_(literal(gone, ARRAY(Uuid)))))
        moved = update(PassageRow).where(PassageRow.project_id == project_id).values(project_id=into).returning(PassageRow.id)
        ids = (await connection.scalars(moved)).all()
        changed = [*gone, *(twin.into for twin in twins), *ids]
        await record_changes(connection, [ChangedPoint(each, project, team_id) for each in changed for project in (project_id, into)])

    async def _passages(
        self, connection: AsyncConnection, session: Session, part: CutPart, embedded: Mapping[bytes, EmbeddedPassage]
    ) -> tuple[dict[bytes, UUID], set[UUID], set[UUID]]:
        """Insert or update the part's passages. Returns (key → id of all, ids of those inserted, ids of those recomputed)."""
        passages = part.passages
        ids = {bytes(row.key): row.id for row in await connection.execute(_by_key(session.project_id, passages))}
        if missing := passages.keys() - ids.keys() - embedded.keys():
            raise MissingPassages(missing)
        rows = [_row(session, passages[key], key, embedded[key]) for key in passages if key not in ids]
        for start in range(0, len(rows), ROWS):
            await connection.execute(insert(PassageRow), rows[start : start + ROWS])
        renewed = {ids[key]: embedded[key] for key in ids if key in embedded}
        if renewed:
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _EMBEDDED}
            again = [{"row_id": row, **{f"new_{name}": getattr(each, name) for name in _EMBEDDED}} for row, each in renewed.items()]
            await connection.execute(update(PassageRow).where(PassageRow.id == bindparam("row_id")).values(values), again)
        made = {row["key"]: row["id"] for row in rows}
        return ids | made, set(made.values()), set(renewed)


def key_of(passage: Passage) -> bytes:
    return bytes.fromhex(passage.key)


def _by_key(project_id: UUID, keys: Collection[bytes]):  # type: ignore[no-untyped-def]
    wanted = any_(literal(list(keys), ARRAY(LargeBinary)))
    return select(PassageRow.id, PassageRow.key, PassageRow.made_by).where(PassageRow.project_id == project_id, PassageRow.key == wanted)


def _within(session_id: UUID, part: CutPart) -> ColumnElement[bool]:
    """Select the places of the part's events; for the last part also those beyond it, as their events no longer have passages."""
    upper = literal(value=True) if part.last else PassagePlaceRow.seq <= part.upto
    return and_(PassagePlaceRow.session_id == session_id, PassagePlaceRow.seq > part.after, upper)


def _row(session: Session, passage: Passage, key: bytes, embedded: EmbeddedPassage) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "team_id": session.team_id,
        "project_id": session.project_id,
        "key": key,
        "text": passage.text,
        "heading": passage.heading,
        **{name: getattr(embedded, name) for name in _EMBEDDED},
    }


def _place(session: Session, number: int, passage: Passage, ids: Mapping[bytes, UUID]) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "seq": passage.seq,
        "number": number,
        "ordinal": passage.ordinal,
        "passage_id": ids[key_of(passage)],
        "exchange": passage.exchange,
        "locator": passage.locator,
        "at": passage.at or session.began_at,
        "role": passage.role,
        "kind": passage.kind,
        "sidechain": passage.sidechain,
        "prompt": passage.prompt,
        "files": list(passage.files),
    }


def _differs(row: AnyRow, place: Mapping[str, Any]) -> bool:
    return any(getattr(row, name) != place[name] for name in _COMPARED)


async def _delete_places(connection: AsyncConnection, session_id: UUID, rows: Sequence[AnyRow]) -> None:
    if rows:
        places = select(
            func.unnest(literal([row.seq for row in rows], ARRAY(PassagePlaceRow.seq.type))).label("seq"),
            func.unnest(literal([row.number for row in rows], ARRAY(PassagePlaceRow.number.type))).label("number"),
        ).subquery()
        same = and_(PassagePlaceRow.seq == places.c.seq, PassagePlaceRow.number == places.c.number)
        await connection.execute(delete(PassagePlaceRow).where(PassagePlaceRow.session_id == session_id, same))


async def _delete_orphans(connection: AsyncConnection, passages: Collection[UUID]) -> int:
    """Delete those of the passages that have no place left. Returns their number."""
    if not passages:
        return 0
    placed = select(PassagePlaceRow.passage_id).where(PassagePlaceRow.passage_id == PassageRow.id).exists()
    gone = await connection.execute(delete(PassageRow).where(PassageRow.id == any_(literal(list(passages), ARRAY(Uuid))), ~placed))
    return gone.rowcount


async def _keep_states(connection: AsyncConnection, session_id: UUID, part: CutPart) -> None:
    """Save a state every CUT_EVERY events, and the last one; delete the states that this cutting supersedes."""
    earlier_last = and_(PassageCutRow.seq <= part.after, PassageCutRow.seq % CUT_EVERY != 0)
    await connection.execute(
        delete(PassageCutRow).where(PassageCutRow.session_id == session_id, (PassageCutRow.seq > part.after) | earlier_last)
    )
    rows = [{"session_id": session_id, "seq": seq, "state": state.as_json()} for seq, state in sorted(part.states.items())]
    if rows:
        await connection.execute(upsert(PassageCutRow).on_conflict_do_nothing(), rows)


_COUNT = select(func.count()).where(PassagePlaceRow.passage_id == PassageRow.id).scalar_subquery()
_ONE = select(PassageRow.id, PassageRow.project_id, PassageRow.heading, PassageRow.text, _COUNT.label("places"))
_NEWEST = (PassagePlaceRow.at.desc().nulls_last(), PassagePlaceRow.session_id, PassagePlaceRow.ordinal)
_PLACES = select(PassagePlaceRow.session_id, PassagePlaceRow.locator, PassagePlaceRow.at).order_by(*_NEWEST).limit(PLACES)
_EMBEDDED = tuple(each.name for each in fields(EmbeddedPassage))
_COMPARED = ("ordinal", "passage_id", "exchange", "locator", "at", "role", "kind", "sidechain", "prompt", "files")
_PLACE = [column for column in PassagePlaceRow.__table__.c if column.name != "session_id"]
