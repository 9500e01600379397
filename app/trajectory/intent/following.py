"""Follows the intents of a session's prompts, for a reader's stream: each as it is found, and again when a person corrects it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.errors import InvalidInput
from app.trajectory.intent.kinds import IntentPosition, PromptIntent
from app.trajectory.intent.store import IntentStore

INTENTS_PAGE: Final = 100
_POSITION = re.compile(r"(\d{1,9})\.(\d{1,18})", re.ASCII)


class FollowedIntents:
    """The intents of one session's prompts since a position, for a reader who may see the session: none says what was said."""

    def __init__(self, store: IntentStore, session_id: UUID, position: IntentPosition) -> None:
        self._store = store
        self._session_id = session_id
        self._position = position

    @property
    def position(self) -> str:
        """Return the place after what was told last, as `parse_intent_position` reads it."""
        return _text(self._position)

    async def since(self) -> Sequence[tuple[str, PromptIntent]]:
        """Return up to a page of what is new or corrected, each with the position after it."""
        found = await self._store.told_since(self._session_id, self._position, limit=INTENTS_PAGE)
        if found:
            self._position = found[-1][0]
        return [(_text(position), each) for position, each in found]


def _text(position: IntentPosition) -> str:
    return f"{position.seq}.{position.correction}"


def parse_intent_position(given: str) -> IntentPosition:
    """Read a position as `FollowedIntents.position` gives it; empty: the beginning. Raises InvalidInput."""
    if not given:
        return IntentPosition()
    found = _POSITION.fullmatch(given)
    if found is None:
        raise InvalidInput(
            "last-event-id must be an id from this stream, such as 12.4~3.9~7.0. Leave it out to start from the beginning.",
            param="last-event-id",
        )
    return IntentPosition(int(found[1]), int(found[2]))
