"""Budgets, their movements and their spending, as they are shown. Amounts are nano-dollars; a limit of None: no limit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from operator import add, attrgetter, sub
from typing import Any, Literal
from uuid import UUID

from app.budget.periods import BudgetPeriod as BudgetPeriod  # noqa: PLC0414 - for other rooms, which import views alone
from app.storage.revisions import revision_from

MovementKind = Literal["settle", "unreconciled", "reconcile", "limit", "top_up", "correction"]
SpendDimension = Literal["model", "provider", "project", "purpose", "developer", "session", "day"]
SessionOrder = Literal["recent", "cost"]
"""Sessions in a list: those with the latest calls first, or the dearest."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A developer's or a team's month: dollars, and the same in tokens. `added`: one-off top-ups.

    `unreconciled` is part of `spent`: charged at its estimate, its outcome unknown. `forecast`: the spending at the month's end, at
    the pace since `began`: the month's start, or the midnight before the first call; only what is spent while it is `too_early_to_tell`.
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
    began: datetime
    too_early_to_tell: bool

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit + self.added - self.spent - self.held)

    @property
    def revision(self) -> str:
        """Return the revision of what admins set: the limits and this month's top-ups, not what is spent."""
        return limits_revision(limit=self.limit, added=self.added, limit_tokens=self.limit_tokens)


def limits_revision(*, limit: int | None, added: int, limit_tokens: int | None) -> str:
    """Return the revision of a month's limits."""
    return revision_from(limit, added, limit_tokens)


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
class Forecast:
    """The spending at the month's end: the middle, and the range that four months of five lie within. None: no range is known.

    `early`: it is too early to tell; then the middle is only what is spent.
    """

    middle: int
    low: int | None = None
    high: int | None = None
    early: bool = False


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
class MovementFilter:
    """Conditions on the movements to list. `since`, `until`: half-open. `oldest_first`: the order, else newest first."""

    kind: MovementKind | None = None
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False


ALL_MOVEMENTS = MovementFilter()


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
class SpendingPlace:
    """The end of a page of sessions, in the order by time (`last_id`) and in that by cost (`nanousd`, then `last_id`)."""

    nanousd: int
    last_id: int


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


@dataclass(frozen=True, slots=True)
class ReportDays:
    """Days of the ledger's calendar, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> ReportDays:
        """The range of the same length that ends the day before this one begins."""
        return ReportDays(self.first - timedelta(days=self.days), self.first - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class SpendQuery:
    """The spending to break down. None: any; an empty text: calls that don't name one. `team`: None for the requester's own."""

    days: ReportDays
    by: SpendDimension = "model"
    team: str | None = None
    developer: str | None = None
    provider: str | None = None
    model: str | None = None
    project: str | None = None
    purpose: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class SpendTotals:
    """Sums over charged attempts. `nanousd` includes what was corrected or reconciled since."""

    attempts: int = 0
    nanousd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0

    def __add__(self, other: SpendTotals) -> SpendTotals:
        return SpendTotals(*map(add, _spent(self), _spent(other)))

    def __sub__(self, other: SpendTotals) -> SpendTotals:
        return SpendTotals(*map(sub, _spent(self), _spent(other)))


_spent = attrgetter(*(each.name for each in fields(SpendTotals)))


@dataclass(frozen=True, slots=True)
class SpendPart:
    """A part of a range's spending. `key`: the value to filter by, empty where calls name none, None for all parts beyond a list's end.

    `name`: None for a removed developer. `provider`: of a model, else empty. `before`: nano-dollars of the range before.
    """

    key: str | None
    name: str | None
    provider: str
    totals: SpendTotals
    before: int


@dataclass(frozen=True, slots=True)
class SpendReport:
    """A range's spending in parts, the dearest first, which add up to `totals`; `before`: the same of the range before it.

    `by_day`: nano-dollars by name and day, or by name and month of a long range; of sessions all under one name.
    """

    query: SpendQuery
    team: str
    parts: Sequence[SpendPart]
    totals: SpendTotals
    before: SpendTotals
    by_day: Mapping[str, Mapping[date, int]]
    monthly: bool
