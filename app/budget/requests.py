"""The request log: one row a request, also where no hold was taken (a cache hit). Kept for ever. No answer waits for its write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import IntEnum
from typing import Literal
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import JSON, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.budget.tables import RequestRow
from app.budget.views import ReportDays, RequestSpending
from app.errors import Unavailable
from app.storage.database import Database
from app.storage.grouped import GroupCommit

log = structlog.get_logger()

CacheTier = Literal["miss", "memory", "redis", "database", "semantic"]
MAX_IN_A_STATEMENT, MAX_WAITING = 1000, 10_000
GATHERED_SECONDS = 0.05
"""Seconds of requests that one statement writes: no answer waits for it, and it halves the cost of logging a request."""


class RequestOutcome(IntEnum):
    """The outcome of a request, stored in `request_log.status`. Its number is the HTTP status that the caller gets, or would have got."""

    ANSWERED = 200
    BAD_REQUEST = 400
    NOT_AUTHENTICATED = 401
    OVER_BUDGET = 402
    NOT_PERMITTED = 403
    NOT_FOUND = 404
    CONFLICT = 409
    CHANGED_MEANWHILE = 412
    TOO_LARGE = 413
    INVALID = 422
    RATE_LIMITED = 429
    CALLER_LEFT = 499
    FAILED = 500
    PROVIDERS_FAILED = 502
    UNAVAILABLE = 503
    TIMED_OUT = 504


CallEnd = Literal["answered", "refused", "failed", "cancelled"]
"""The kinds of outcomes: refused before or by a provider, failed, or cancelled by the caller."""
CALL_ENDS: Mapping[CallEnd, tuple[RequestOutcome, ...]] = {
    "answered": (RequestOutcome.ANSWERED,),
    "refused": tuple(each for each in RequestOutcome if 400 <= each < RequestOutcome.CALLER_LEFT),
    "failed": tuple(each for each in RequestOutcome if each >= RequestOutcome.FAILED),
    "cancelled": (RequestOutcome.CALLER_LEFT,),
}
CallDimension = Literal["developer", "model", "provider", "project", "purpose"]


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Conditions on calls. None: any; an empty text: calls that name none. `text`: part of the id of the request, session or agent.

    `min_nanousd`: of the cost as the call ended. `team`: None for the requester's own.
    """

    days: ReportDays
    team: str | None = None
    developer: str | None = None
    provider: str | None = None
    model: str | None = None
    project: str | None = None
    purpose: str | None = None
    session: str | None = None
    end: CallEnd | None = None
    cached: bool | None = None
    min_nanousd: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class CallView:
    """One call, without its prompt, which isn't kept. `developer` None: removed. `changed_nanousd`: by corrections since it ended."""

    spending: RequestSpending
    developer: str | None
    session: str | None
    input_tokens: int | None
    output_tokens: int | None
    changed_nanousd: int

    @property
    def nanousd(self) -> int:
        """Return the charge of the call as it is now."""
        return self.spending.nanousd + self.changed_nanousd


@dataclass(frozen=True, slots=True)
class CallPage:
    """A page of calls, the latest first. `next`: the `before` of the following page; None: this is the last.

    `searched_to`: where the search paused before it filled the page; None: it didn't.
    """

    calls: Sequence[CallView]
    next: str | None
    searched_to: datetime | None


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """Figures of some calls. `key`: the value to filter by, empty where calls name none; None: of all calls.

    `name`: None for a removed developer. Milliseconds are of calls that a model answered; None: there are none.
    """

    key: str | None
    name: str | None
    calls: int
    answered: int
    refused: int
    failed: int
    cancelled: int
    cached: int
    nanousd: int
    milliseconds_p50: int | None
    milliseconds_p95: int | None


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A row of the request log. `nanousd`: the cost of the request; `saved_nanousd`: what a cache saved.

    The tokens are those charged, of all attempts. `session`, `agent`, `parent_agent`: the caller's own ids, where it told them.
    """

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
    session: str | None = None
    agent: str | None = None
    parent_agent: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0


FIELDS = tuple(each.name for each in fields(RequestRecord))
_GIVEN = func.json_populate_recordset(
    literal_column(f"null::{RequestRow.__tablename__}"), cast(bindparam("rows", type_=Text), JSON)
).table_valued(*FIELDS)
WRITE = upsert(RequestRow).from_select(FIELDS, select(_GIVEN), include_defaults=False).on_conflict_do_nothing()
"""Takes a batch as one JSON array, which PostgreSQL takes apart: twenty parameters a row, bound one by one, cost more than the row."""


class RequestLog:
    """Writes the request log, many requests to a statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = GroupCommit(self._write, max_weight=MAX_IN_A_STATEMENT, name="request log")
        self._unwritten: list[RequestRecord] = []

    def add(self, request: RequestRecord) -> None:
        """Add a request; return at once. A request that is added twice is one row."""
        self._writing.submit(request)

    async def close(self) -> None:
        """Write what waits."""
        await self._writing.finish()
        if self._unwritten:
            await self._write(())

    async def _write(self, requests: Sequence[RequestRecord]) -> Sequence[None]:
        """Write a batch. While PostgreSQL is away, rows wait for the next batch; past `MAX_WAITING` the oldest are lost, and counted."""
        await asyncio.sleep(GATHERED_SECONDS)
        rows = [*self._unwritten, *requests]
        try:
            async with self._database.begin() as connection:
                await connection.execute(WRITE, {"rows": msgspec.json.encode(rows).decode()})
            self._unwritten = []
        except Unavailable as error:
            self._unwritten = rows[-MAX_WAITING:]
            log.warning("requests.wait", count=len(self._unwritten), lost=len(rows) - len(self._unwritten), code=error.code)
        return [None] * len(requests)
