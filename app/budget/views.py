"""Budgets, their movements and their spending, as they are shown. Amounts are nano-dollars; a limit of None: no limit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from operator import add, attrgetter
from typing import Any, Literal
from uuid import UUID

from app.budget.holds import Subject
from app.budget.periods import BudgetPeriod

SessionOrder = Literal["recent", "cost"]
"""Sessions in a list: those with the latest calls first, or the dearest."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A developer's or a team's month: dollars, and the same in tokens. `added`: one-off top-ups.

    `unreconciled` is part of `spent`: charged at its estimate, its outcome unknown. `forecast`: the spending at the month's end, at
    the pace so far.
    """

    period: BudgetPeriod
    limit: int | None
    added: int
    spent: int
    held: int
    unreconciled: int
    forecast: int
    limit_tokens: int | None
    spent_tokens: int
    held_tokens: int
    alerts: tuple[str, ...]

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit + self.added - self.spent - self.held)


@dataclass(frozen=True, slots=True)
class NamedBudget:
    """A budget with the names of its developer and team."""

    developer: str
    team: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class MonthLimit:
    """A month's limit with its top-ups, in nano-dollars; None: no limit."""

    nanousd: int | None
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class DeveloperSpending:
    """A developer's month so far; the limit includes its top-ups. `ends`: the end of the month."""

    developer_id: UUID
    limit: int | None
    spent: int
    held: int
    ends: datetime


@dataclass(frozen=True, slots=True)
class Forecast:
    """The spending at the month's end: the middle, and the range that four months of five lie within. None: too early to say."""

    middle: int
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class MovementEntry:
    """One movement of the ledger. See `tables.MovementRow`."""

    id: int
    at: datetime
    kind: str
    mark: str | None
    developer_id: UUID | None
    team_id: UUID
    period_start: datetime
    hold_id: UUID | None
    request_id: str | None
    attempt: int | None
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    held_nanousd: int | None
    nanousd: int
    tokens: int
    price: dict[str, Any] | None
    unit: str | None
    amount: int | None
    actor: str | None
    note: str | None
    corrects: int | None


@dataclass(frozen=True, slots=True)
class MovementPage:
    """A page of movements. `next`: the `before` of the following page; None: this is the last."""

    movements: Sequence[MovementEntry]
    next: int | None


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A changed limit or a top-up, with its author. `developer_id` None: the team's own."""

    at: datetime
    kind: str
    developer_id: UUID | None
    unit: str | None
    amount: int | None
    actor: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A balance that differs from the sum of its rows: (stored, recomputed), in nano-dollars and in tokens."""

    subject: Subject
    subject_id: UUID
    period_start: datetime
    spent: tuple[int, int]
    held: tuple[int, int]
    spent_tokens: tuple[int, int]
    held_tokens: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SpendingSlice:
    """A part of a developer's month, by day, provider, model and purpose (None: unknown). A call with two paid attempts counts twice."""

    day: date
    provider: str
    model: str
    purpose: str | None
    attempts: int
    nanousd: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class CacheSavings:
    """The savings of one cache tier this month."""

    cache: str
    calls: int
    nanousd: int


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a call. `state`: held, settled, released (it failed and cost nothing) or unreconciled."""

    provider: str
    model: str
    state: str


@dataclass(frozen=True, slots=True)
class RequestSpending:
    """One request. `status`: its `RequestOutcome`, as stored. `mark`: how its last paid attempt was charged, where that is still known."""

    at: datetime
    request_id: str
    purpose: str
    project: str | None
    model_asked: str
    provider: str | None
    model_answered: str | None
    cache: str
    nanousd: int
    saved_nanousd: int
    milliseconds: int
    status: int
    attempts: tuple[AttemptView, ...] = ()
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class CallTotals:
    """Sums over calls. Tokens are those charged; `saved_nanousd`: what the `cached` ones, answered from a cache, would have cost."""

    requests: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    nanousd: int = 0
    saved_nanousd: int = 0

    def __add__(self, other: CallTotals) -> CallTotals:
        return CallTotals(*map(add, _amounts(self), _amounts(other)))


_amounts = attrgetter(*(each.name for each in fields(CallTotals)))


@dataclass(frozen=True, slots=True)
class SessionSpending:
    """A developer's calls of one session. `project`: as the calls name it. `last_id`: the place in the list that is ordered by time."""

    totals: CallTotals
    team_id: UUID
    developer_id: UUID
    session: str
    project: str | None
    agents: int
    first_at: datetime
    last_at: datetime
    last_id: int


@dataclass(frozen=True, slots=True)
class SessionShare:
    """A part of a session: one developer's calls by one agent (None: the main one) that one model answered (None: none did)."""

    totals: CallTotals
    developer_id: UUID
    agent: str | None
    parent_agent: str | None
    provider: str | None
    model: str | None
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class CallScope:
    """Conditions on the calls that are summed. None: any.

    `projects`: names, one by which the calls are labelled or, of calls without a label, the sessions of those projects.
    """

    team_ids: Collection[UUID] | None = None
    developer_id: UUID | None = None
    session: str | None = None
    agent: str | None = None
    project: str | None = None
    project_sessions: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
