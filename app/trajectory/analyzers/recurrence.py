"""Describes a session as a sequence of symbols: where it has settled, and how much of it recurs. Incremental counts; nothing of the past is read again.

A symbol is a call with its result. From recurrence analysis: the recurrence rate is the share of all pairs of places with equal symbols; the
determinism the share of these pairs that stand in a run of at least two such pairs, so that a stretch comes again, not a symbol by chance.
No Lyapunov exponents: forty symbols say nothing about them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.events.normal import digest
from app.trajectory.events.steps import SessionStep

AttractorKind = Literal["fixed_point", "limit_cycle", "drift", "mixed", "short"]
"""fixed_point: the same symbol at the end · limit_cycle: a few symbols in turn at the end · drift: hardly a symbol comes again · mixed:
none of these · short: too few symbols to say."""
RecurrenceMode = Literal["fast", "normal", "deep"]
WINDOWS = {"fast": 200, "normal": 2_000}
"""Symbols at the end that a mode looks at; `deep` looks at all."""
MAX_PERIOD = 12
MIN_FIXED, MIN_CYCLES, MIN_SYMBOLS = 4, 3, 8
MIN_DRIFT_NOVELTY = 0.95
MAX_CACHED, MAX_STEPS_BACK = 64, 256
_Gram = TypeVar("_Gram", int, tuple[int, int], tuple[int, int, int])
_PRIME, _BASE = (1 << 61) - 1, 1_000_003


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A description of how a sequence recurs. `period`: symbols of the cycle at its end, 1 for a fixed point, 0 for none. `settled`: symbols at the end that follow it.

    `novelty_rate`: distinct symbols by all symbols.
    """

    symbols: int
    attractor: AttractorKind
    period: int
    settled: int
    recurrence_rate: float
    determinism: float
    novelty_rate: float


class RecurrenceCounter:
    """The counts of a window of symbols: of each, of each pair in a row and of each three in a row. One symbol costs the same at any length.

    Pairs of equal places come from the counts: c symbols make c(c-1)/2. A run of n such pairs has n-1 pairs of pairs and n-2 of threes, so
    that twice the former less the latter is the number of pairs in runs of two or more.
    """

    def __init__(self, window: int | None = None) -> None:
        self.window = window
        self.symbols: deque[int] = deque()
        self.singles: dict[int, int] = {}
        self.twos: dict[tuple[int, int], int] = {}
        self.threes: dict[tuple[int, int, int], int] = {}
        self.pairs = [0, 0, 0]
        self.distinct = 0
        self.tail: deque[int | None] = deque([None] * MAX_PERIOD, MAX_PERIOD)
        self.matched = [0] * MAX_PERIOD
        """For each period how many symbols at the end equal the one a period before."""

    def add(self, symbol: int) -> None:
        """Take the next symbol, and let go of the oldest where the window is full."""
        tail = self.tail
        self.matched = [count + 1 if before == symbol else 0 for count, before in zip(self.matched, tail, strict=True)]
        count = self.singles.get(symbol, 0)
        self.singles[symbol] = count + 1
        self.pairs[0] += count
        self.distinct += not count
        length = len(self.symbols)
        if length > 0:
            two = (cast("int", tail[0]), symbol)
            count = self.twos.get(two, 0)
            self.twos[two] = count + 1
            self.pairs[1] += count
        if length > 1:
            three = (cast("int", tail[1]), cast("int", tail[0]), symbol)
            count = self.threes.get(three, 0)
            self.threes[three] = count + 1
            self.pairs[2] += count
        tail.appendleft(symbol)
        self.symbols.append(symbol)
        if length == self.window:
            self._drop()

    @classmethod
    def whole(cls, symbols: Sequence[int]) -> RecurrenceCounter:
        """Count a whole sequence at once, with arrays: for measuring only, nothing can be added to it."""
        import numpy as np

        counter, ending = cls(), cls()
        for symbol in symbols[-MAX_PERIOD * (MIN_CYCLES + 1) :]:
            ending.add(symbol)
        codes = np.unique(np.asarray(symbols, dtype=np.int64), return_inverse=True)[1].astype(np.int64)
        kinds = int(codes.max(initial=-1)) + 1
        grams = [codes]
        for size in (1, 2):
            before = np.unique(grams[-1][:-1], return_inverse=True)[1].astype(np.int64) if len(codes) > size else codes[:0]
            grams.append(before * kinds + codes[size:])
        counter.symbols, counter.distinct, counter.matched = deque(symbols), kinds, ending.matched
        counter.pairs = [int((found * (found - 1) // 2).sum()) for found in (np.unique(each, return_counts=True)[1] for each in grams)]
        return counter

    def measure(self) -> Recurrence:
        """Return how the window recurs."""
        length = len(self.symbols)
        recurring, runs = self.pairs[0], 2 * self.pairs[1] - self.pairs[2]
        period, settled = self._settled()
        novelty = self.distinct / length if length else 0.0
        return Recurrence(
            length,
            self._kind(period, novelty),
            period,
            settled,
            recurring / (length * (length - 1) / 2) if length > 1 else 0.0,
            runs / recurring if recurring else 0.0,
            novelty,
        )

    def _settled(self) -> tuple[int, int]:
        for period, matched in enumerate(self.matched, 1):
            if matched + period >= (MIN_FIXED if period == 1 else MIN_CYCLES * period):
                return period, matched + period
        return 0, 0

    def _kind(self, period: int, novelty: float) -> AttractorKind:
        if period:
            return "fixed_point" if period == 1 else "limit_cycle"
        if len(self.symbols) < MIN_SYMBOLS:
            return "short"
        return "drift" if novelty >= MIN_DRIFT_NOVELTY else "mixed"

    def _drop(self) -> None:
        one = self.symbols.popleft()
        self.pairs[0] -= _decrement(self.singles, one)
        self.distinct -= one not in self.singles
        if self.symbols:
            self.pairs[1] -= _decrement(self.twos, (one, self.symbols[0]))
        if len(self.symbols) > 1:
            self.pairs[2] -= _decrement(self.threes, (one, self.symbols[0], self.symbols[1]))
        longest = len(self.symbols)
        self.matched = [min(count, max(longest - period, 0)) for period, count in enumerate(self.matched, 1)]


class RecurrenceCache:
    """Counters by the rolling hash of the symbols that they have seen: a sequence that goes on reuses the count of its beginning. Bounded."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[RecurrenceMode, int, int], RecurrenceCounter] = OrderedDict()
        self.reused = 0

    def measure(self, symbols: Sequence[int], mode: RecurrenceMode) -> Recurrence:
        """Return how a sequence recurs, by the window of a mode."""
        if mode == "deep":
            return RecurrenceCounter.whole(symbols).measure()
        hashes = rolling_hashes(symbols)
        counter, known = self._known(mode, hashes)
        for symbol in symbols[known:]:
            counter.add(symbol)
        self._held[mode, len(symbols), hashes[-1] if hashes else 0] = counter
        if len(self._held) > MAX_CACHED:
            self._held.popitem(last=False)
        return counter.measure()

    def _known(self, mode: RecurrenceMode, hashes: Sequence[int]) -> tuple[RecurrenceCounter, int]:
        """Take the counter of the longest known beginning; an empty one, and where to begin, where none is known."""
        for length in range(len(hashes), max(0, len(hashes) - MAX_STEPS_BACK), -1):
            if counter := self._held.pop((mode, length, hashes[length - 1]), None):
                self.reused += 1
                return counter, length
        window = WINDOWS[mode]
        # What has left the window changes nothing: only that it was seen would.
        return RecurrenceCounter(window), max(0, len(hashes) - window)


class RecurrenceAnalyzer:
    """Keeps a session's recurrence at hand: the fast window, step by step. It tells no findings; `measure` says how things stand."""

    name = "recurrence"
    version = "1"

    def __init__(self) -> None:
        self.counter = RecurrenceCounter(WINDOWS["fast"])

    def add(self, step: SessionStep) -> Iterable[SessionFinding]:
        """Take the next step."""
        if step.call and not step.sidechain:
            self.counter.add(symbol_of(step))
        return ()

    def measure(self) -> Recurrence:
        """Return how the session's last calls recur."""
        return self.counter.measure()

    def snapshot(self) -> Snapshot:
        """Return the window's symbols: all counts follow from them."""
        return {"symbols": list(self.counter.symbols)}

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self.counter = RecurrenceCounter(WINDOWS["fast"])
        for symbol in cast("Sequence[int]", snapshot["symbols"]):
            self.counter.add(symbol)


def _decrement(counts: dict[_Gram, int], gram: _Gram) -> int:
    """Count one less of a gram; return how many are left."""
    left = counts[gram] - 1
    if left:
        counts[gram] = left
    else:
        del counts[gram]
    return left


def symbols_of(steps: Iterable[SessionStep]) -> list[int]:
    """Return the symbols of a session's own calls, in order."""
    return [symbol_of(step) for step in steps if step.call and not step.sidechain]


def symbol_of(step: SessionStep) -> int:
    """Return a call's symbol: equal for calls with equal arguments and results."""
    return digest(f"{step.call}.{step.result}.{step.output}")


def rolling_hashes(symbols: Iterable[int]) -> list[int]:
    """Return the hash of each beginning of a sequence, by Horner's rule modulo a Mersenne prime."""
    found, value = [], 0
    for symbol in symbols:
        value = (value * _BASE + symbol + 1) % _PRIME
        found.append(value)
    return found
