"""The rungs of the loop ladder that need a memory of their own: one error again, nothing new for long, words without deeds. Bounded state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from app.trajectory.analyzers.records import CallRecord, likeness, words_of
from app.trajectory.events.normal import digest
from app.trajectory.events.steps import SessionStep

MIN_SAME_ERROR, MIN_DESPITE_EDITS = 3, 4
"""Equal failures that make a streak: of the same attempt, and where edits came between and the rest of the result changed."""
MAX_GAP = 12
"""Calls between two equal failures of one streak."""
MAX_ERRORS, MAX_SEQS = 8, 16
MIN_ERROR_WORDS = 4
"""A shorter error is too common to connect two calls with other arguments."""
MIN_ATTEMPT_LIKENESS = 0.5
MIN_DRIFT, MAX_KEYS = 25, 512
MIN_MONOLOGUE, MIN_SAID_LIKENESS, MIN_SAID_WORDS = 3, 0.7, 4


@dataclass(slots=True)
class ErrorStreak:
    """Equal failures of like calls. `edits`: new diffs since the first of them; `at`: the number of the last one's call."""

    call: int
    words: tuple[int, ...]
    output: int
    at: int
    error: str
    checks: bool
    count: int = 1
    edits: int = 0
    seqs: list[int] = field(default_factory=list)
    varied: bool = False

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> ErrorStreak:
        """Read a streak from its plain values."""
        call, words, output, at, error, checks, count, edits, seqs, varied = row
        return cls(call, tuple(words), output, at, error, checks, count, edits, list(seqs), varied)

    @property
    def is_loop(self) -> bool:
        """Tell whether there are enough failures: with edits between, equal whole results count for more than an equal line."""
        return self.count >= (MIN_DESPITE_EDITS if self.edits and self.varied else MIN_SAME_ERROR)


@dataclass(slots=True)
class RepeatedErrors:
    """The last few errors, each with how often it came again. A passing check forgets those of checks; a success those of its call."""

    streaks: OrderedDict[int, ErrorStreak] = field(default_factory=OrderedDict)
    calls: int = 0

    def add(self, step: SessionStep, *, new_diff: bool) -> ErrorStreak | None:
        """Take a call. Return the streak of its error once that is a loop."""
        self.calls += 1
        if step.result != "failed" or not step.error:
            self._succeed(step, new_diff=new_diff)
            return None
        key, words = digest(f"{step.tool}\0{step.error}"), words_of(step.text) if step.call else ()
        before = self.streaks.pop(key, None)
        if before is None or self.calls - before.at > MAX_GAP or not _alike(before, step, words):
            before = ErrorStreak(step.call, words, step.output, self.calls, step.error, step.checks, seqs=[step.seq])
        else:
            before.varied = before.varied or before.output != step.output
            before.call, before.words, before.output, before.at, before.count = step.call, words, step.output, self.calls, before.count + 1
            before.seqs = [*before.seqs[-MAX_SEQS + 1 :], step.seq]
        self.streaks[key] = before
        if len(self.streaks) > MAX_ERRORS:
            self.streaks.popitem(last=False)
        return before if before.is_loop else None

    def longest(self) -> ErrorStreak | None:
        """Return the streak with the most failures, the latest of equals."""
        return max(reversed(self.streaks.values()), key=lambda each: each.count, default=None)

    def _succeed(self, step: SessionStep, *, new_diff: bool) -> None:
        for key, streak in list(self.streaks.items()):
            if step.result == "ok" and ((step.checks and streak.checks) or (step.call and step.call == streak.call)):
                del self.streaks[key]
            elif new_diff:
                streak.edits += 1

    def snapshot(self) -> dict[str, object]:
        return {"calls": self.calls, "streaks": [[key, *astuple(streak)] for key, streak in self.streaks.items()]}

    @classmethod
    def restored(cls, given: Mapping[str, Any]) -> RepeatedErrors:
        found = OrderedDict((row[0], ErrorStreak.of_row(row[1:])) for row in given["streaks"])
        return cls(found, given["calls"])


@dataclass(slots=True)
class Staleness:
    """Calls since the last one that was new: another call, or another result of a known one."""

    keys: OrderedDict[int, None] = field(default_factory=OrderedDict)
    count: int = 0
    first: int = 0

    def add(self, record: CallRecord) -> bool:
        """Take a call. Return True while there is nothing new for too long."""
        known = record.same in self.keys
        self.keys[record.same] = None
        self.keys.move_to_end(record.same)
        if len(self.keys) > MAX_KEYS:
            self.keys.popitem(last=False)
        if not known or not record.call:
            self.count = 0
            return False
        self.count += 1
        if self.count == 1:
            self.first = record.seq
        return self.count >= MIN_DRIFT

    def snapshot(self) -> list[object]:
        return [list(self.keys), self.count, self.first]

    @classmethod
    def restored(cls, given: Sequence[Any]) -> Staleness:
        return cls(OrderedDict.fromkeys(given[0]), given[1], given[2])


@dataclass(slots=True)
class Monologue:
    """Words of the agent in a row that say nearly the same, without a deed between."""

    words: tuple[int, ...] = ()
    seqs: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, step: SessionStep) -> bool:
        """Take what the agent said. Return True once it said it too often."""
        words = words_of(step.text)
        if len(words) < MIN_SAID_WORDS:
            return False
        again = likeness(words, self.words) >= MIN_SAID_LIKENESS
        self.count = self.count + 1 if again else 1
        self.seqs = [*self.seqs[-MAX_SEQS + 1 :], step.seq] if again else [step.seq]
        self.words = words
        return self.count >= MIN_MONOLOGUE

    def reset(self) -> None:
        self.words, self.seqs, self.count = (), [], 0

    def snapshot(self) -> list[object]:
        return [list(self.words), list(self.seqs), self.count]

    @classmethod
    def restored(cls, given: Sequence[Any]) -> Monologue:
        return cls(tuple(given[0]), list(given[1]), given[2])


def _alike(before: ErrorStreak, step: SessionStep, words: tuple[int, ...]) -> bool:
    """Tell whether two calls with the same error try the same: equal, or nearly so where the error says enough by itself."""
    if step.call == before.call:
        return True
    if len(step.error.split()) < MIN_ERROR_WORDS:
        return False
    return (step.checks and before.checks) or likeness(words, before.words) >= MIN_ATTEMPT_LIKENESS
