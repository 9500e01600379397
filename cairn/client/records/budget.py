"""Records of money. Amounts are dollars, exactly as the server tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A calendar month in the server's time zone of budgets."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A developer's budget in the current month. A limit that is None: there is none.

    `held_usd`: the worst case of calls under way. `unreconciled_usd`: the part of `spent_usd` whose real cost is unknown.
    `forecast_usd`: only what is spent while it is `too_early_to_tell`.
    """

    developer: str
    team: str
    period: Period
    limit_usd: Decimal | None
    added_usd: Decimal
    spent_usd: Decimal
    held_usd: Decimal
    remaining_usd: Decimal | None
    unreconciled_usd: Decimal
    forecast_usd: Decimal
    limit_tokens: int | None
    spent_tokens: int
    alerts: tuple[str, ...]
    too_early_to_tell: bool = False
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTotals:
    """Sums over calls, as they were charged. `cached`: requests that Cairn's cache answered; `saved_usd`: what they would have cost."""

    requests: int
    cached: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_usd: Decimal
    saved_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCost(CallTotals):
    """The cost of a developer's calls of one session. `session`: its id in its agent; `session_id`: in Cairn, if it was ingested."""

    session: str
    session_id: str | None
    title: str | None
    project: str | None
    developer: str | None
    team: str | None
    agents: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCostPage:
    """A page of sessions' costs. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    sessions: tuple[SessionCost, ...]
    next_cursor: str | None = None

    @property
    def items(self) -> tuple[SessionCost, ...]:
        """Return the costs of this page."""
        return self.sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCost(CallTotals):
    """The cost of one agent's calls. `agent` None: the session's main one."""

    agent: str | None
    parent_agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost(CallTotals):
    """The cost of one model's calls. `model` None: calls that nobody answered."""

    provider: str | None
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCostDetails(CallTotals):
    """The cost of a session in all, by agent and by model."""

    session: str
    session_id: str | None
    developers: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    agents: tuple[AgentCost, ...]
    models: tuple[ModelCost, ...]
