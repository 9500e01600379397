"""The request log: one row a request, also where no hold was taken (a cache hit). Written behind; never in the way of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert as upsert

from app.budget.tables import RequestRow
from app.errors import Unavailable
from app.storage.database import Database
from app.storage.grouped import GroupCommit

log = structlog.get_logger()

CacheTier = Literal["miss", "memory", "redis", "database", "semantic"]
MAX_IN_A_STATEMENT, MAX_WAITING = 1000, 10_000
GATHERED_SECONDS = 0.05
"""Nobody waits for it, so one statement serves all of this time: it halves what logging a request costs."""


class RequestOutcome(IntEnum):
    """The outcome of a request. The numbers are stored (`requests.status`): the HTTP status that a caller gets, or would have got."""

    ANSWERED = 200
    REFUSED = 400
    OVER_BUDGET = 402
    NOT_FOUND = 404
    CONFLICT = 409
    INVALID = 422
    RATE_LIMITED = 429
    CALLER_LEFT = 499
    FAILED = 500
    PROVIDERS_FAILED = 502
    UNAVAILABLE = 503
    TIMED_OUT = 504


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """The record of one request. `nanousd`: its cost; `saved_nanousd`: what a cache saved."""

    request_id: str
    developer_id: UUID
    team_id: UUID
    purpose: str
    model_asked: str
    attempts: int
    cache: CacheTier
    nanousd: int
    saved_nanousd: int
    milliseconds: int
    status: RequestOutcome
    project: str | None = None
    provider: str | None = None
    model_answered: str | None = None


FIELDS = tuple(each.name for each in fields(RequestRecord))


class RequestLog:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = GroupCommit(self._write, max_weight=MAX_IN_A_STATEMENT, name="request log")
        self._unwritten: list[RequestRecord] = []

    def add(self, request: RequestRecord) -> None:
        """Returns at once. Said twice, a request is one row."""
        self._writing.submit(request)

    async def close(self) -> None:
        await self._writing.finish()
        if self._unwritten:
            await self._write(())

    async def _write(self, requests: Sequence[RequestRecord]) -> Sequence[None]:
        """While PostgreSQL is away they wait for the next ones; past a bound the oldest are lost, and counted."""
        await asyncio.sleep(GATHERED_SECONDS)
        rows = [*self._unwritten, *requests]
        try:
            async with self._database.begin() as connection:
                await connection.execute(
                    upsert(RequestRow).on_conflict_do_nothing(), [{name: getattr(each, name) for name in FIELDS} for each in rows]
                )
            self._unwritten = []
        except Unavailable as error:
            self._unwritten = rows[-MAX_WAITING:]
            log.warning("requests.wait", count=len(self._unwritten), lost=len(rows) - len(self._unwritten), code=error.code)
        return [None] * len(requests)
