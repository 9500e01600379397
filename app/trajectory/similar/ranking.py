"""Ranks sessions by the phases they share, and says in words which those are. Pure.

Candidates are those with the likest temporal embedding and those with the longest common subsequence of phases. They are then ranked by the
weight of what they share: a look and an edit are in all sessions, a failed migration is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.trajectory.sequences import common_runs, common_shares
from app.trajectory.shapes.phases import PhaseSymbol, every_symbol, symbol_of

MIN_PHASES: Final = 3
"""Phases of a session that is compared: any two prompts without deeds would be alike."""
CANDIDATES: Final = 50
"""Sessions taken by the embedding, and as many by the phases, to be compared closely."""
MIN_SCORE: Final = 0.2
"""Less than a fifth in common is what any two sessions have: a prompt, a look, an edit."""
MAX_SAID: Final = 6
"""Phases that an explanation names."""
MAX_NEXT: Final = 4
ID_BYTES: Final = 16
BLOCK: Final = 512
"""Vectors whose cosines are computed at a time: as floats they fit a processor's cache, four times as fast as all at once."""
TROUBLE_WEIGHT: Final = 4
NAMED_WEIGHT: Final = 2
_COMMON_DEEDS: Final = frozenset({"explore", "edit", "test", "commit", "ask", "plan", "run"})


@dataclass(frozen=True, slots=True)
class PhaseLikeness:
    """Likeness of two sessions by their phases. `score`: the share of their weight that they have in common in the same order, 0 to 1.

    `common`: the places of the shared phases in both, in order.
    """

    score: float
    common: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ShapeMatch:
    """A session like the one asked about. `course`: cosine of the temporal embeddings, -1 to 1."""

    session_id: UUID
    symbols: str
    likeness: PhaseLikeness
    course: float


@dataclass(frozen=True, slots=True)
class ComparedShapes:
    """The shapes of sessions, side by side. `ids`: the bytes of their ids, one after another: few are looked at.

    `vectors`: a row of int8 a session; each has a length of its own, only its direction counts.
    """

    ids: bytes
    symbols: Sequence[str]
    vectors: NDArray[np.int8]

    def id(self, place: int) -> UUID:
        """Return the id of the session at this place."""
        return UUID(bytes=self.ids[place * ID_BYTES : (place + 1) * ID_BYTES])

    def place_of(self, session_id: UUID) -> int | None:
        """Return the place of a session; None: it isn't there."""
        found = self.ids.find(session_id.bytes)
        while found % ID_BYTES and found >= 0:  # the end of one id and the beginning of the next
            found = self.ids.find(session_id.bytes, found + 1)
        return None if found < 0 else found // ID_BYTES


def likeness(one: str, other: str) -> PhaseLikeness:
    """Compare the phases of two sessions, given as symbols (`phases.symbol_of`). Symmetric."""
    if one > other:  # of several longest common subsequences the same is taken, whoever asks
        found = likeness(other, one)
        return PhaseLikeness(found.score, tuple((here, there) for there, here in found.common))
    runs = common_runs(one, other)
    common = tuple((run.first + step, run.second + step) for run in runs for step in range(run.length))
    total = _weight(one) + _weight(other)
    return PhaseLikeness(2 * _weight(one[place] for place, _ in common) / total if total else 0.0, common)


def rank(symbols: str, vector: NDArray[np.int8], compared: ComparedShapes, *, limit: int, without: int | None = None) -> list[ShapeMatch]:
    """Return the sessions likest to this one, the likest first, but the one at the place `without`; those that share less than MIN_SCORE are left out."""
    if not compared.symbols:
        return []
    courses = cosines(vector, compared.vectors)
    shares = common_shares(symbols, compared.symbols)
    if without is not None:
        courses[without] = shares[without] = -np.inf
    chosen = np.union1d(_largest(courses), _largest(shares))
    found = [
        ShapeMatch(compared.id(place), compared.symbols[place], likeness(symbols, compared.symbols[place]), float(courses[place]))
        for place in chosen.tolist()
        if place != without
    ]
    found = [each for each in found if each.likeness.score >= MIN_SCORE]
    return sorted(found, key=lambda each: (-each.likeness.score, -each.course, each.session_id))[:limit]


def shared_words(symbols: str, match: ShapeMatch) -> tuple[str, ...]:
    """Name the shared phases, each once, in the order in which they came first: at most MAX_SAID, trouble before what all sessions have."""
    shared = list(dict.fromkeys(symbols[place] for place, _ in match.likeness.common))
    telling = sorted(range(len(shared)), key=lambda place: (-_WEIGHTS[shared[place]], place))[:MAX_SAID]
    return tuple(symbol_of(shared[place]).words for place in sorted(telling))


def next_words(symbols: str, match: ShapeMatch) -> tuple[str, ...]:
    """Name what the other session did after the last trouble that both had; empty where they share none, or it ended there."""
    troubles = [there for here, there in match.likeness.common if symbol_of(symbols[here]).troubled]
    if not troubles:
        return ()
    return tuple(symbol_of(char).words for char in match.symbols[troubles[-1] + 1 :][:MAX_NEXT])


def quantised(vector: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return a vector's direction in int8: a quarter of the bytes, and cosines that differ by less than 0.01."""
    largest = float(np.abs(vector).max())
    rounded: NDArray[np.int8] = np.rint(vector * (127 / largest if largest else 0)).astype(np.int8)
    return rounded


def cosines(vector: NDArray[np.int8], vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the cosine of a vector with each of the others; 0 where either is empty."""
    one, found = vector.astype(np.float32), np.zeros(len(vectors), np.float32)
    for start in range(0, len(vectors), BLOCK):
        others = vectors[start : start + BLOCK].astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", others, others)) * float(np.linalg.norm(one))
        np.divide(others @ one, lengths, out=found[start : start + BLOCK], where=lengths > 0)
    return found


def _largest(values: NDArray[np.float32]) -> NDArray[np.intp]:
    if len(values) <= CANDIDATES:
        return np.arange(len(values))
    return np.argpartition(-values, CANDIDATES)[:CANDIDATES]


def _weight_of(symbol: PhaseSymbol) -> int:
    """Return a phase's weight: trouble counts most, then what its command tells apart."""
    if symbol.troubled:
        return TROUBLE_WEIGHT
    return 1 if symbol.deed in _COMMON_DEEDS else NAMED_WEIGHT


_WEIGHTS: Final = {symbol.char: _weight_of(symbol) for symbol in every_symbol()}


def _weight(symbols: Iterable[str]) -> int:
    return sum(map(_WEIGHTS.__getitem__, symbols))
