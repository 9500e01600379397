"""The readers of the transcripts that grow now, by owner and file: bounded in number, and in the text that waits in them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from app.errors import Unavailable
from app.sessions.event import SessionHeader
from app.sessions.formats.growing import GrowingTranscript

MAX_READERS, MAX_OWN_READERS = 256, 64
MAX_WHOLE = 32 * 2**20
"""Bytes of a file that is read whole each time, because its format can't be resumed."""
MAX_WAITING, MAX_OWN_WAITING = 8, 2
"""Such files whose pieces wait in memory for the last one: at most MAX_WAITING times MAX_WHOLE bytes."""
WAITING_SECONDS = 120.0
"""A file whose next piece has not come for this long gives its place to another."""
UNUSED_SECONDS = 3600.0


@dataclass(slots=True)
class Following:
    """The reader of one file, and the session whose events come next (None: they must not be added), with its agent."""

    transcript: GrowingTranscript
    session_id: UUID | None = None
    agent: str | None = None
    header: SessionHeader | None = None
    used: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ReadingFiles:
    """Keeps readers between pieces. One that had to go costs its client a new beginning of the file."""

    def __init__(self) -> None:
        self._readers: dict[tuple[UUID, str], Following] = {}
        """The least recently used first."""

    def get(self, owner: UUID, source: str) -> Following | None:
        """Return the reader of a file, as used now."""
        found = self._readers.pop((owner, source), None)
        if found is not None:
            self._readers[owner, source] = found
            found.used = time.monotonic()
        return found

    def add(self, owner: UUID, source: str, following: Following, *, whole: bool) -> None:
        """Keep a new reader in place of the file's former one. `whole`: its pieces are all there, so none of them waits.

        Raises Unavailable where the pieces of MAX_WAITING files wait.
        """
        self._readers.pop((owner, source), None)
        self._drop_unused()
        if not following.transcript.resumed and not whole:
            self._make_room(owner, MAX_OWN_WAITING, waiting=True)
            if len(self._oldest(None, waiting=True)) >= MAX_WAITING:
                raise Unavailable(f"{MAX_WAITING} large uploads are running on this server, the maximum: try again in a minute.")
        self._make_room(owner, MAX_OWN_READERS, waiting=False)
        self._make_room(None, MAX_READERS, waiting=False)
        self._readers[owner, source] = following

    def forget(self, owner: UUID, source: str, following: Following) -> None:
        """Drop a reader, where it is still the file's."""
        if self._readers.get((owner, source)) is following:
            del self._readers[owner, source]

    def _drop_unused(self) -> None:
        now = time.monotonic()
        for key, each in list(self._readers.items()):
            kept = UNUSED_SECONDS if each.transcript.resumed else WAITING_SECONDS
            if now - each.used > kept and not each.lock.locked():
                del self._readers[key]

    def _make_room(self, owner: UUID | None, places: int, *, waiting: bool) -> None:
        """Drop the least recently used of an owner's (None: of all) beyond what leaves a place free."""
        keys = self._oldest(owner, waiting=waiting)
        for key in keys[: max(0, len(keys) - places + 1)]:
            del self._readers[key]

    def _oldest(self, owner: UUID | None, *, waiting: bool) -> list[tuple[UUID, str]]:
        return [
            key for key, each in self._readers.items() if (owner is None or key[0] == owner) and not (waiting and each.transcript.resumed)
        ]
