"""Holds the shapes of teams in memory between searches, so that a search reads from PostgreSQL only which sessions there are and what changed.

Which sessions may be compared, and in which version, PostgreSQL says each time: what another server stored, what was purged or merged, and
which projects are closed to whoever asks counts from the next search on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from time import monotonic
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.trajectory.embedding import DIMENSIONS
from app.trajectory.similar.ranking import ID_BYTES, MIN_PHASES, ComparedShapes

MAX_HELD: Final = 40_000
"""Shapes held, of all teams together: about 30 MB, or 45 MB where each team's last search saw a part. The team asked about longest ago goes first."""
UNSEEN_SECONDS: Final = 600.0
"""A shape that no search of its team was allowed to see for as long is dropped: its session was purged, or its project is closed to all who ask."""


@dataclass(frozen=True, slots=True)
class ListedShapes:
    """The sessions that a search may compare: bytes of their ids one after another, and of the versions of their shapes."""

    ids: bytes = b""
    versions: bytes = b""

    def split_ids(self) -> list[bytes]:
        return [self.ids[place : place + ID_BYTES] for place in range(0, len(self.ids), ID_BYTES)]

    def numbers(self) -> NDArray[np.int64]:
        return np.frombuffer(self.versions, ">i8").astype(np.int64)


@dataclass(frozen=True, slots=True)
class ReadShapes:
    """Shapes as they were read."""

    ids: Sequence[bytes] = ()
    versions: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    symbols: Sequence[str] = ()
    vectors: NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, DIMENSIONS), np.int8))


@dataclass(frozen=True, slots=True)
class _Answer:
    """The shapes that a search compared, and where they are held: the next one of somebody who may see the same compares the same, as long as nothing changes."""

    listed: ListedShapes
    places: NDArray[np.intp]
    compared: ComparedShapes


class TeamShapes:
    """The shapes of one team, side by side. Their values never change: a search may still be reading them."""

    def __init__(self, shapes: ReadShapes, seen: NDArray[np.float64]) -> None:
        self._shapes = shapes
        self._seen = seen
        self._places = {each: place for place, each in enumerate(shapes.ids)}
        self._last: _Answer | None = None

    def __len__(self) -> int:
        return len(self._places)

    def missing(self, listed: ListedShapes) -> Sequence[bytes]:
        """Return the ids of those listed that are not held in this version."""
        if self._last is not None and self._last.listed == listed:
            return ()
        ids = listed.split_ids()
        places = self._find(ids)
        known = places >= 0
        known[known] = self._shapes.versions[places[known]] == listed.numbers()[known]
        return list(compress(ids, ~known))

    def is_outdated(self) -> bool:
        """Tell whether it holds shapes that nobody was allowed to see for long."""
        return bool((self._seen < monotonic() - UNSEEN_SECONDS).any())

    def updated(self, missing: Sequence[bytes], read: ReadShapes) -> TeamShapes:
        """Return these shapes with those read in place of the missing ones, without those that nobody saw for long.

        A missing one that wasn't read is gone, and its earlier version with it.
        """
        mine, now = self._shapes, monotonic()
        kept = self._seen >= now - UNSEEN_SECONDS
        kept[[self._places[each] for each in missing if each in self._places]] = False
        together = ReadShapes(
            [*compress(mine.ids, kept), *read.ids],
            np.concatenate([mine.versions[kept], read.versions]),
            [*compress(mine.symbols, kept), *read.symbols],
            np.concatenate([mine.vectors[kept], read.vectors]),
        )
        return TeamShapes(together, np.concatenate([self._seen[kept], np.full(len(read.ids), now)]))

    def compared(self, listed: ListedShapes) -> ComparedShapes:
        """Return the shapes of those listed that are held and long enough to be compared, in their order."""
        last = self._last
        if last is None or last.listed != listed:
            self._last = last = self._answer(listed)
        self._seen[last.places] = monotonic()
        return last.compared

    def _answer(self, listed: ListedShapes) -> _Answer:
        places = self._find(listed.split_ids())
        places = places[places >= 0]
        ids, symbols = self._shapes.ids, self._shapes.symbols
        long_enough = [place for place in places.tolist() if len(symbols[place]) >= MIN_PHASES]
        vectors = self._shapes.vectors[np.array(long_enough, dtype=np.intp)]
        compared = ComparedShapes(b"".join([ids[place] for place in long_enough]), [symbols[place] for place in long_enough], vectors)
        return _Answer(listed, places, compared)

    def _find(self, ids: Sequence[bytes]) -> NDArray[np.intp]:
        return np.array([self._places.get(each, -1) for each in ids], dtype=np.intp)


class HeldShapes:
    """The shapes of the teams that were asked about last, MAX_HELD at most."""

    def __init__(self) -> None:
        self._teams: OrderedDict[UUID, TeamShapes] = OrderedDict()

    def of(self, team_id: UUID) -> TeamShapes:
        """Return what is held of a team; nothing at first."""
        found = self._teams.get(team_id)
        if found is None:
            return TeamShapes(ReadShapes(), np.zeros(0))
        self._teams.move_to_end(team_id)
        return found

    def hold(self, team_id: UUID, shapes: TeamShapes) -> None:
        """Hold a team's shapes instead of its earlier ones."""
        self._teams[team_id] = shapes
        self._teams.move_to_end(team_id)
        while len(self._teams) > 1 and sum(map(len, self._teams.values())) > MAX_HELD:
            self._teams.popitem(last=False)
