"""Claims idempotency keys: of several requests with one key, one is carried out, and the others get its reply.

A claim is a row in a transaction of its own, so that other servers see it. An operation that must never be repeated calls
`is_first_effect` in the transaction of its effect: a process that dies between effect and reply leaves a row that says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, InvalidInput
from app.idempotency.tables import IdempotencyKeyRow as Row
from app.storage.database import Database

KEPT: Final = text("interval '24 hours'")
LEASE: Final = text("interval '30 seconds'")
"""A claim without a reply for this long is of a process that died: no request of these routes takes half as long."""
OTHER_REQUEST: Final = (
    "This idempotency-key was used for a different request within the last 24 hours. A retry must have the same body and address; a "
    "new request needs a new key."
)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with an idempotency key: whose it is, and digests of its key and of all that it asks."""

    team_id: UUID
    owner: str
    key_digest: bytes
    request_digest: bytes

    @classmethod
    def of(cls, team_id: UUID, owner: str, key: str, *parts: bytes) -> KeyedRequest:
        """`parts`: method, address and body. The key itself is not stored."""
        whole = hashlib.sha256()
        for part in parts:
            whole.update(len(part).to_bytes(8, "big") + part)
        return cls(team_id, owner, hashlib.sha256(key.encode()).digest(), whole.digest())


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry a request out now. `resumed`: an earlier attempt had its effect, and died before its reply was stored;
    `made`: the id of what that made, where it was recorded.
    """

    sent: KeyedRequest
    id: UUID
    resumed: bool = False
    made: str | None = None


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The reply to the first request with the key. `body` None: it held a secret, which isn't stored; `made` is the id of what it made."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    made: str | None


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The first request with the key isn't answered yet."""


_current: ContextVar[Claim | None] = ContextVar("idempotency_claim", default=None)


@contextmanager
def carrying_out(claim: Claim) -> Iterator[None]:
    """Bind a claim to what happens within: `is_first_effect` then speaks of it."""
    token = _current.set(claim)
    try:
        yield
    finally:
        _current.reset(token)


async def is_first_effect(connection: AsyncConnection, *, made: str | None = None) -> bool:
    """Record, in the caller's transaction, that the request has its effect. False: an earlier attempt had it, so it must not be repeated.

    True for a request without a key. `made`: the id of what is made, where the reply can't be stored. Conflict if the key is no longer
    claimed: this request stood still for so long that a later one with the key took it over, and failed.
    """
    claim = _current.get()
    if claim is None:
        return True
    row = update(Row).where(_same(claim.sent), Row.effect_at.is_(None)).values(effect_at=func.now(), made=made)
    if (await connection.execute(row)).rowcount == 1:
        return True
    if await connection.scalar(select(Row.effect_at).where(_same(claim.sent))) is None:
        raise Conflict("This request waited too long, so nothing was done. Send it again with the same idempotency-key.")
    return False


class IdempotencyKeys:
    """Claims keys, and stores and finds replies. Kept for 24 hours."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, sent: KeyedRequest) -> Claim | StoredReply | UnderWay:
        """Claim a request, or return what became of the first one. InvalidInput if that was another request."""
        made = uuid4()
        values = {
            "team_id": sent.team_id,
            "owner": sent.owner,
            "key_digest": sent.key_digest,
            "request_digest": sent.request_digest,
            "claim": made,
            "claimed_at": func.now(),
        }
        async with self._database.begin() as connection:
            await connection.execute(delete(Row).where(_same(sent), Row.created_at <= func.now() - KEPT))
            if (await connection.execute(upsert(Row).values(values).on_conflict_do_nothing())).rowcount == 1:
                return Claim(sent, made)
            dead = (Row.claimed_at <= func.now() - LEASE).label("dead")
            query = select(Row.request_digest, Row.status, Row.headers, Row.body, Row.made, Row.effect_at, dead)
            found = (await connection.execute(query.where(_same(sent)).with_for_update())).one_or_none()
            if found is None:
                return UnderWay()  # released in this moment: the next attempt claims it
            if found.request_digest != sent.request_digest:
                raise InvalidInput(OTHER_REQUEST, param="idempotency-key", code="idempotency_key_reused")
            if found.status is not None:
                return StoredReply(found.status, found.headers or {}, found.body, found.made)
            if not found.dead:
                return UnderWay()
            await connection.execute(update(Row).where(_same(sent)).values(claim=made, claimed_at=func.now()))
            return Claim(sent, made, resumed=found.effect_at is not None, made=found.made)

    async def complete(self, claim: Claim, *, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
        """Store the reply. `body` None: it holds a secret."""
        row = update(Row).where(_mine(claim)).values(status=status, headers=dict(headers), body=body)
        async with self._database.begin() as connection:
            await connection.execute(row)

    async def release(self, claim: Claim) -> None:
        """Give the key free after a failure: it may be sent again at once. What had its effect already is not forgotten."""
        async with self._database.begin() as connection:
            await connection.execute(delete(Row).where(_mine(claim), Row.effect_at.is_(None)))
            await connection.execute(update(Row).where(_mine(claim), Row.status.is_(None)).values(claimed_at=func.now() - LEASE))

    async def sweep(self) -> int:
        """Delete keys older than 24 hours; return their number."""
        async with self._database.begin() as connection:
            return (await connection.execute(delete(Row).where(Row.created_at <= func.now() - KEPT))).rowcount


def _same(sent: KeyedRequest) -> ColumnElement[bool]:
    return and_(Row.team_id == sent.team_id, Row.owner == sent.owner, Row.key_digest == sent.key_digest)


def _mine(claim: Claim) -> ColumnElement[bool]:
    return and_(_same(claim.sent), Row.claim == claim.id)
