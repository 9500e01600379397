"""Records of the ledger: an attempt and its estimate, the hold that is granted, the settlement that ends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from app.budget.prices import Price, TokenBounds, TokenUsage

Unit = Literal["nanousd", "tokens"]
UNITS: tuple[Unit, ...] = ("nanousd", "tokens")
Subject = Literal["developer", "team", "key"]
Mark = Literal["usage", "counted", "partial", "disputed"]
"""The source of a settlement's figures: the provider's usage, our own count, our count of what was produced until the caller left; or
none: what the provider produced or reported can't be true, and the hold was charged."""


@dataclass(frozen=True, slots=True)
class Payer:
    """The developer and the team that are charged: both, or none; and the key that the call came with, where it has a limit of its own.

    `key_id` None: the admin key, which has none.
    """

    developer_id: UUID
    team_id: UUID
    key_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one provider: it has one hold at most."""

    request_id: str
    number: int
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that one attempt can cost, in nano-dollars, within these bounds of its tokens."""

    bounds: TokenBounds
    nanousd: int

    @property
    def tokens(self) -> int:
        return self.bounds.total


def estimate_cost(bounds: TokenBounds, price: Price) -> Estimate:
    """Price the bounds of an attempt."""
    return Estimate(bounds, price.worst_case(bounds))


@dataclass(frozen=True, slots=True)
class Hold:
    """A durable reservation of an attempt's worst case, `nanousd` and `tokens`; settled into the period in which it was granted."""

    id: UUID
    payer: Payer
    attempt: Attempt
    nanousd: int
    tokens: int
    period_start: datetime
    day: date
    left: int | None = None
    """The developer's remaining budget after this hold, in nano-dollars; None: no limit."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """The amount left in a payer's budgets: the smallest of the developer's, the team's and the key's. None: no limit."""

    nanousd: int | None
    tokens: int | None

    def covers(self, nanousd: int, tokens: int) -> bool:
        return (self.nanousd is None or nanousd <= self.nanousd) and (self.tokens is None or tokens <= self.tokens)


@dataclass(frozen=True, slots=True)
class KeyMonth:
    """A key's limit, and what its calls have spent and hold this month, in nano-dollars. Without a limit nothing is counted: None."""

    limit: int | None
    spent: int | None
    held: int | None
    renews_at: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """The real cost of an attempt. `price`: in nano-dollars per million tokens, for the record; `note`: why it is disputed."""

    usage: TokenUsage
    nanousd: int
    mark: Mark
    price: Price | None = None
    provider: str | None = None
    model: str | None = None
    note: str | None = None
