"""A message, where it is put and who takes it. Knows neither bus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.errors import InvalidInput
from app.redaction.labels import check_label

CHANNEL = re.compile(r"[a-z0-9._-]{1,100}")
NAME = re.compile(r"[A-Za-z0-9._@:-]{1,100}")
"""Of groups, consumers, recipients and types."""


@dataclass(frozen=True, slots=True)
class Place:
    """A team's channel. Another team's of the same name is another place."""

    team_id: UUID
    channel: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is put. `payload`: JSON's text. `to`: only the group of this name gets it; None: every group."""

    sender: str
    type: str
    payload: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """`deliveries` counts this one: above 1, somebody took it before and didn't acknowledge it. `payload`: JSON's text, redacted."""

    id: str
    channel: str
    sender: str
    type: str
    to: str | None
    payload: str
    at: datetime
    deliveries: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a group took `message.deliveries` times and never acknowledged; `consumer` had it last."""

    message: Message
    group: str
    consumer: str
    died_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """`more`: there may be others to take at once. `dead`: how many were found to have been delivered too often."""

    messages: list[Message]
    more: bool
    dead: int = 0


def check_channel(name: str) -> None:
    """InvalidInput for a name that can't be used."""
    if not CHANNEL.fullmatch(name):
        raise InvalidInput("channel takes 1 to 100 of a–z, 0–9, dot, underscore and hyphen.", param="channel")
    check_label(name, param="channel")


def check_name(name: str, *, param: str) -> None:
    """The same of a group, a consumer, a recipient or a type."""
    if not NAME.fullmatch(name):
        raise InvalidInput(f"{param} takes 1 to 100 of A–Z, a–z, 0–9 and . _ @ : -", param=param)
    check_label(name, param=param)
