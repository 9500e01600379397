"""Stores which of what a session was served it used. Never evidence of an item: only its rank follows (`weighing`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Integer, TableValuedAlias, Uuid, any_, column, delete, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.neighbours import item_text
from app.knowledge.passage_tables import PassagePlaceRow, PassageRow
from app.knowledge.tables import EvidenceRow, ItemRow, UseRow
from app.knowledge.use_counts import UseCounts
from app.knowledge.uses.noticing import NoticedUse, ServedText
from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed
from app.sessions.session import Session
from app.storage.database import Database

MAX_TEXTS = 200
"""Served texts of one session that are looked for: its transcript may name any number of ids."""


class UseRecords:
    """Reads what sessions were served, and writes what they used."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def served_texts(self, session: Session) -> list[ServedText]:
        """Return what a session was served of its own team's knowledge, the latest MAX_TEXTS, without what it says or teaches itself."""
        async with self._database.begin() as connection:
            served = await self._journal.read_served(connection, session.id)
            if not served:
                return []
            given = _given(served)
            taught = exists().where(EvidenceRow.knowledge_id == ItemRow.id, EvidenceRow.session_id == session.id)
            said = exists().where(PassagePlaceRow.passage_id == PassageRow.id, PassagePlaceRow.session_id == session.id)
            items = (
                select(ItemRow.id, ItemRow.title, ItemRow.text)
                .join(given, given.c.id == ItemRow.id)
                .where(ItemRow.team_id == session.team_id, ~taught)
            )
            passages = (
                select(PassageRow.id, PassageRow.heading, PassageRow.text)
                .join(given, given.c.id == PassageRow.id)
                .where(PassageRow.team_id == session.team_id, ~said)
            )
            latest = [each.order_by(given.c.seq.desc(), given.c.id).limit(MAX_TEXTS) for each in (items, passages)]
            rows = [row for each in latest for row in await connection.execute(each)]
        texts = [ServedText(found, served[found], item_text(title, text)) for found, title, text in rows]
        return sorted(texts, key=lambda each: (-each.seq, each.id))[:MAX_TEXTS]

    async def replace(self, session: Session, uses: Sequence[NoticedUse], checkpointed: Checkpointed) -> None:
        """Make the session's uses exactly these, and announce the items whose rank changes."""
        async with self._database.begin() as connection:
            await checkpointed(connection)
            stored = await connection.execute(_OF_SESSION.where(UseRow.session_id == session.id))
            before = {row.knowledge_id: row.accepted for row in stored}
            now = {each.id: each.accepted for each in uses}
            gone = UseRow.knowledge_id == any_(literal([*before.keys() - now.keys()], ARRAY(Uuid)))
            await connection.execute(delete(UseRow).where(UseRow.session_id == session.id, gone))
            if uses:
                await connection.execute(_WRITE, [_row(session, each) for each in uses])
            changed = [each for each in before.keys() | now.keys() if before.get(each) != now.get(each)]
            await record_changes(connection, await _items(connection, session, changed))

    async def counts(self, session_id: UUID) -> UseCounts:
        """Return how many items and passages a session used and the person accepted, and how many they refused."""
        async with self._database.begin() as connection:
            found = [row.accepted for row in await connection.execute(_OF_SESSION.where(UseRow.session_id == session_id))]
        return UseCounts(sum(found), len(found) - sum(found))

    async def withdraw_session(self, connection: AsyncConnection, session: Session) -> int:
        """Withdraw a session's uses, in the caller's transaction, which must hold the session. Returns their number.

        Only its own project's items are announced: a purge holds that project's version already, and waiting for others' could deadlock.
        """
        gone = (await connection.scalars(delete(UseRow).where(UseRow.session_id == session.id).returning(UseRow.knowledge_id))).all()
        changed = [each for each in await _items(connection, session, gone) if each.project_id == session.project_id]
        await record_changes(connection, changed)
        return len(gone)


async def _items(connection: AsyncConnection, session: Session, ids: Collection[UUID]) -> list[ChangedPoint]:
    """Return those of the ids that are items of the session's team."""
    if not ids:
        return []
    known = ItemRow.id == any_(literal([*ids], ARRAY(Uuid)))
    query = select(ItemRow.id, ItemRow.project_id, ItemRow.team_id).where(known, ItemRow.team_id == session.team_id)
    return [ChangedPoint(*row) for row in await connection.execute(query)]


def _given(served: Mapping[UUID, int]) -> TableValuedAlias:
    """Return ids and seqs as a table: two parameters, however many there are."""
    ids, seqs = literal([*served], ARRAY(Uuid)), literal([*served.values()], ARRAY(Integer))
    return func.unnest(ids, seqs).table_valued(column("id", Uuid), column("seq", Integer)).render_derived(name="given")


def _row(session: Session, use: NoticedUse) -> dict[str, object]:
    return {
        "knowledge_id": use.id,
        "session_id": session.id,
        "accepted": use.accepted,
        "act": use.act,
        "transcript": session.transcript,
        "locator": use.locator,
        "at": use.at,
    }


_OF_SESSION = select(UseRow.knowledge_id, UseRow.accepted)
_insert = upsert(UseRow)
_WRITE = _insert.on_conflict_do_update(
    index_elements=["knowledge_id", "session_id"],
    set_={name: _insert.excluded[name] for name in ("accepted", "act", "transcript", "locator", "at")},
)
