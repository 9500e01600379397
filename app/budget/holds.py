"""The words of the ledger: what is asked for, what is granted, how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from app.budget.prices import Price, TokenUsage

Unit = Literal["nanousd", "tokens"]
UNITS: tuple[Unit, ...] = ("nanousd", "tokens")
Subject = Literal["developer", "team"]
Mark = Literal["usage", "counted", "partial", "disputed"]
"""Whose figures a settlement rests on: the provider's, our own count, our count of what was produced until the caller left; or
nobody's: what the provider made or reported can't be true, and the hold was charged."""


@dataclass(frozen=True, slots=True)
class Payer:
    """The developer and the team that are charged: both, or none."""

    developer_id: UUID
    team_id: UUID


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one provider: it has one hold at most."""

    request_id: str
    number: int
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Durable. `nanousd` and `tokens` are the worst case that was reserved; it is settled into the period it was taken in."""

    id: UUID
    payer: Payer
    attempt: Attempt
    nanousd: int
    tokens: int
    period_start: datetime
    day: date
    left: int | None = None
    """Of the developer's limit once it was granted, in nano-dollars; None: no limit."""


@dataclass(frozen=True, slots=True)
class Room:
    """The room left in a payer's budgets: the smaller of the developer's and the team's. None: no limit."""

    nanousd: int | None
    tokens: int | None

    def covers(self, nanousd: int, tokens: int) -> bool:
        return (self.nanousd is None or nanousd <= self.nanousd) and (self.tokens is None or tokens <= self.tokens)


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
