"""Stores intents of prompts: what the classifier told, what people corrected, and teams' heads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Integer, Select, any_, delete, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.sessions.projections import Checkpointed
from app.sessions.session import Session
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.trajectory.intent.classifier import Numbers, shipped
from app.trajectory.intent.features import feature_names
from app.trajectory.intent.kinds import INTENTS, Intent, IntentPosition, IntentReading, PromptIntent
from app.trajectory.intent.labels import LabelFollower
from app.trajectory.intent.tables import IntentCorrectionRow, IntentHeadRow, PromptIntentRow
from app.trajectory.intent.team_head import MAX_CORRECTIONS, HeadTrial


@dataclass(frozen=True, slots=True)
class StoredCorrection:
    """The correction that holds for a prompt."""

    session_id: UUID
    seq: int
    intent: Intent
    developer_id: UUID | None


@dataclass(frozen=True, slots=True)
class ToldPart:
    """The intents told of a session's prompts above `after`, by seq. `upto`: the last seq read; None: the session's end.

    `sidechains`: those of them that an agent said to a sub-agent.
    """

    after: int
    upto: int | None
    readings: Mapping[int, IntentReading]
    sidechains: Collection[int] = field(default_factory=frozenset)


class IntentStore:
    """Reads and writes the room's rows. `follow` it to be told where intents change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: list[LabelFollower] = []

    def follow(self, follower: LabelFollower) -> None:
        """Have a follower told of every change of an exchange's intent from now on."""
        self._followers.append(follower)

    async def replace(self, session: Session, part: ToldPart, at: Checkpointed) -> None:
        """Make the told intents of a part's prompts exactly these."""
        async with self._database.begin() as connection:
            await at(connection, part.upto)
            old = delete(PromptIntentRow).where(PromptIntentRow.session_id == session.id, PromptIntentRow.seq > part.after)
            old = old if part.upto is None else old.where(PromptIntentRow.seq <= part.upto)
            gone = await connection.execute(old.returning(PromptIntentRow.seq, PromptIntentRow.intent, PromptIntentRow.sidechain))
            before = {row.seq: row.intent for row in gone if not row.sidechain}
            rows = [_row(session.id, seq, each, sidechain=seq in part.sidechains) for seq, each in part.readings.items()]
            if rows:
                await connection.execute(upsert(PromptIntentRow), rows)
            now = {seq: each.intent for seq, each in part.readings.items() if seq not in part.sidechains}
            changed = {seq for seq in before.keys() | now.keys() if before.get(seq) != now.get(seq)}
            await self._tell(connection, session, changed)

    async def get(self, session_id: UUID, seq: int) -> PromptIntent | None:
        """Return a prompt's intent; None: not told yet, nor corrected."""
        return (await self.of_prompts(session_id, [seq])).get(seq)

    async def of_prompts(self, session_id: UUID, seqs: Collection[int]) -> dict[int, PromptIntent]:
        """Return the intents of a session's prompts at these seqs, by seq, in order; a correction goes before what was told."""
        if not seqs:
            return {}
        async with self._database.begin() as connection:
            return await _intents(connection, session_id, literal(sorted(seqs), ARRAY(Integer)))

    async def told_since(self, session_id: UUID, since: IntentPosition, *, limit: int) -> list[tuple[IntentPosition, PromptIntent]]:
        """Return what was corrected of prompts up to a position, then what was told of those above, each with the position after it."""
        told = select(PromptIntentRow.seq).where(PromptIntentRow.session_id == session_id, PromptIntentRow.seq > since.seq)
        held = select(IntentCorrectionRow.id, IntentCorrectionRow.seq).where(
            IntentCorrectionRow.session_id == session_id, IntentCorrectionRow.id > since.correction
        )
        async with self._database.begin() as connection:
            corrected = (await connection.execute(held.order_by(IntentCorrectionRow.id).limit(limit))).all()
            new = (await connection.scalars(told.order_by(PromptIntentRow.seq).limit(limit))).all()
            wanted = literal([*new, *(row.seq for row in corrected)], ARRAY(Integer))
            intents = await _intents(connection, session_id, wanted) if new or corrected else {}
        latest = {row.seq: row.id for row in corrected if row.seq <= since.seq}  # of the others the correction is told with the prompt
        again = [(IntentPosition(since.seq, number), intents[seq]) for seq, number in sorted(latest.items(), key=lambda each: each[1])]
        reached = corrected[-1].id if corrected else since.correction
        return again + [(IntentPosition(seq, reached), intents[seq]) for seq in new]

    async def correct(self, connection: AsyncConnection, session: Session, seq: int, intent: Intent, *, by: UUID | None, name: str) -> None:
        """Record a correction, in the caller's transaction."""
        told = select(PromptIntentRow.intent).where(PromptIntentRow.session_id == session.id, PromptIntentRow.seq == seq)
        before = select(IntentCorrectionRow.intent).where(IntentCorrectionRow.session_id == session.id, IntentCorrectionRow.seq == seq)
        before = before.order_by(IntentCorrectionRow.id.desc()).limit(1)
        values = {
            "team_id": session.team_id,
            "session_id": session.id,
            "seq": seq,
            "intent": intent,
            "developer_id": by,
            "corrected_by": name,
        }
        stood = func.coalesce(before.scalar_subquery(), told.scalar_subquery())
        await connection.execute(upsert(IntentCorrectionRow).values(**values, told=stood))

    async def announce(self, connection: AsyncConnection, session: Session, seq: int) -> None:
        """Tell the followers that a prompt was corrected: the last statements of the caller's transaction, which `correct` is in."""
        await self._tell(connection, session, {seq})

    async def withdraw(self, connection: AsyncConnection, session_id: UUID) -> tuple[int, int]:
        """Delete a session's intents and corrections, in the caller's transaction. Returns how many of each."""
        told = await connection.execute(delete(PromptIntentRow).where(PromptIntentRow.session_id == session_id))
        corrected = await connection.execute(delete(IntentCorrectionRow).where(IntentCorrectionRow.session_id == session_id))
        return told.rowcount, corrected.rowcount

    async def _tell(self, connection: AsyncConnection, session: Session, changed: Collection[int]) -> None:
        """Tell the followers of the exchanges whose prompts these are; one that is a prompt no more belongs to the exchange before it."""
        if not changed or not self._followers:
            return
        ours = (PromptIntentRow.session_id == session.id, ~PromptIntentRow.sidechain)
        wanted = select(func.unnest(literal(sorted(changed), ARRAY(Integer))).label("seq")).subquery()
        following = select(func.min(PromptIntentRow.seq)).where(*ours, PromptIntentRow.seq > wanted.c.seq).scalar_subquery()
        stretches = [(row.seq, row.following) for row in await connection.execute(select(wanted.c.seq, following.label("following")))]
        for follower in self._followers:
            await follower(connection, session, stretches)

    async def corrections(self, team_id: UUID) -> list[StoredCorrection]:
        """Return the team's latest corrections that hold, MAX_CORRECTIONS at most."""
        held = _held(IntentCorrectionRow.team_id == team_id).subquery()
        query = select(held.c.session_id, held.c.seq, held.c.intent, held.c.developer_id).order_by(held.c.id.desc()).limit(MAX_CORRECTIONS)
        async with self._database.begin() as connection:
            return [StoredCorrection(*row) for row in await connection.execute(query)]

    async def save_trial(self, team_id: UUID, trial: HeadTrial) -> None:
        """Store a trial of a team's head in place of the one before."""
        values: dict[str, object] = {
            "head": None if trial.head is None else trial.head.astype(np.float32).tobytes(),
            "base": shipped().digest,
            **{name: getattr(trial, name) for name in ("corrections", "members", "before", "after", "harm", "reason")},
            "tried_at": clock.now(),
        }
        row = upsert(IntentHeadRow).values(team_id=team_id, **values)
        async with self._database.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["team_id"], set_=values))

    async def load_head(self, team_id: UUID) -> Numbers | None:
        """Return a team's head; None: it has none for the shipped classifier, or one of code that read other features."""
        query = select(IntentHeadRow.head).where(IntentHeadRow.team_id == team_id, IntentHeadRow.base == shipped().digest)
        async with self._database.begin() as connection:
            found = await connection.scalar(query)
        shape = (shipped().vectors.shape[1] + len(feature_names()) + 1, len(INTENTS))
        if found is None or len(found) != shape[0] * shape[1] * np.dtype(np.float32).itemsize:
            return None
        return np.frombuffer(found, np.float32).reshape(shape).astype(np.float64)


def _held(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Build the query of the corrections that hold: each prompt's latest."""
    key = (IntentCorrectionRow.session_id, IntentCorrectionRow.seq)
    query = select(*IntentCorrectionRow.__table__.columns).where(*conditions)
    return query.ext(distinct_on(*key)).order_by(*key, IntentCorrectionRow.id.desc())


async def _intents(connection: AsyncConnection, session_id: UUID, seqs: ColumnElement[Any]) -> dict[int, PromptIntent]:
    told = select(*PromptIntentRow.__table__.columns).where(PromptIntentRow.session_id == session_id, PromptIntentRow.seq == any_(seqs))
    held = _held(IntentCorrectionRow.session_id == session_id, IntentCorrectionRow.seq == any_(seqs))
    rows = {row.seq: row for row in await connection.execute(told)}
    corrected = {row.seq: row for row in await connection.execute(held)}
    return {seq: _intent_of(seq, rows.get(seq), corrected.get(seq)) for seq in sorted(rows.keys() | corrected.keys())}


def _intent_of(seq: int, told: AnyRow | None, corrected: AnyRow | None) -> PromptIntent:
    name = None if told is None else cast("Intent", told.intent)
    held = name if corrected is None else cast("Intent", corrected.intent)
    assert held is not None  # one of the two rows is there
    return PromptIntent(
        seq=seq,
        intent=held,
        told=name,
        confidence=None if told is None else told.confidence,
        second=None if told is None else told.second,
        second_confidence=None if told is None else told.second_confidence,
        corrected_by=None if corrected is None else corrected.corrected_by,
        corrected_at=None if corrected is None else corrected.corrected_at,
    )


def _row(session_id: UUID, seq: int, reading: IntentReading, *, sidechain: bool) -> dict[str, object]:
    (best, confidence), (second, other) = reading.likeliest
    return {
        "session_id": session_id,
        "seq": seq,
        "intent": best,
        "confidence": confidence,
        "second": second,
        "second_confidence": other,
        "made_by": shipped().digest[:12],
        "sidechain": sidechain,
    }
