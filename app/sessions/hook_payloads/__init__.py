"""Events out of what an IDE's hooks tell, by the rules that read a transcript of the same session. Pure.

A tool's call has the id that the transcript gives it. Prompts, replies and notices have none in common: their events are provisional.
An unknown event is no error: it has no moment and no events.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from app.errors import InvalidInput
from app.sessions.hook_payloads import agents, cursor
from app.sessions.hook_payloads.payload import Hook, Ide, Moment, Payload, is_command

__all__ = ["IDES", "Hook", "Ide", "Moment", "is_command", "read"]

IDES: tuple[Ide, ...] = get_args(Ide)
_READERS = {"claude-code": agents.read, "codex": agents.read, "cursor": cursor.read}


def read(ide: Ide, body: object, at: datetime) -> Hook:
    """Read the JSON that an IDE gives its hook. InvalidInput names what no hook can be without: an object, a session, an event."""
    if not isinstance(body, Mapping):
        raise InvalidInput("The body is not a JSON object: send the hook's input as the IDE gave it.", param="body")
    return _READERS[ide](Payload(ide, body, at))
