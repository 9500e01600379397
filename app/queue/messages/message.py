"""The data model of messages: channels, drafts, messages, dead letters, and checks of their names. Knows neither bus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.errors import InvalidInput
from app.redaction.labels import check_label

CHANNEL = re.compile(r"[a-z0-9._-]{1,100}")
NAME = re.compile(r"[A-Za-z0-9._@:-]{1,100}")
"""Pattern for the names of groups, consumers, recipients and types."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of one team; channels of the same name in other teams are separate."""

    team_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message to publish. `payload`: JSON text. `to`: the only group that receives it; None: every group."""

    sender: str
    type: str
    payload: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A delivered message. `deliveries`: its count so far; above 1, an earlier one was not acknowledged. `payload`: redacted JSON."""

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
    """A message delivered `message.deliveries` times to a group without an acknowledgement, last to `consumer`."""

    message: Message
    group: str
    consumer: str
    died_at: datetime


def foreign_place() -> InvalidInput:
    """Return the error for a place in the dead letters that isn't one of this bus, which was changed since."""
    return InvalidInput("This cursor is of another store of messages than the present one: leave it out to begin anew.", param="cursor")


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of one take. `more`: further messages may be available. `dead`: messages moved to the dead letters."""

    messages: list[Message]
    more: bool
    dead: int = 0


def check_channel(name: str) -> None:
    """Raise InvalidInput unless this is a valid channel name."""
    if not CHANNEL.fullmatch(name) or not name.strip("."):  # `.` and `..` are folders in an address
        raise InvalidInput("channel must be 1 to 100 characters of a–z, 0–9, dot, underscore and hyphen, not dots alone.", param="channel")
    check_label(name, param="channel")


def check_name(name: str, *, param: str) -> None:
    """Raise InvalidInput unless this is a valid name of a group, consumer, recipient or type."""
    if not NAME.fullmatch(name):
        raise InvalidInput(f"{param} must be 1 to 100 characters of A–Z, a–z, 0–9 and . _ @ : -", param=param)
    check_label(name, param=param)
