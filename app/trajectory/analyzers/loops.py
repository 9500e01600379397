"""Finds loops by a ladder of rungs, each its own rule; progress resets them, and a streak is told once. Bounded state, microseconds a step.

No loop: asking how far something is (`waits`), a service that is away (`unavailable`), writes that only say that they are done, one test after
each edit while its failure changes, a person who asks again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.analyzers.records import CallRecord, record_of
from app.trajectory.analyzers.rungs import MAX_RECENT, RUNGS
from app.trajectory.analyzers.streaks import ErrorStreak, Monologue, RepeatedErrors, Staleness
from app.trajectory.events.steps import SessionStep

LoopRung = Literal["exact", "error", "period", "stagnation", "histogram", "drift", "monologue"]
MAX_EVIDENCE = 12
MAX_DIFFS = 64
"""Edits remembered: one that was made before is a flip, not progress."""
MAX_QUIET = 6
"""Calls after which a loop that didn't go on is over."""
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth")


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """A loop that goes on. `count`: times, calls or messages, as the rung counts; `quiet`: calls since it last showed."""

    rung: LoopRung
    first: int
    last: int
    count: int
    evidence: tuple[int, ...]
    because: str
    quiet: int = 0

    def finding(self, *, is_open: bool = True) -> SessionFinding:
        """Return the loop as it is told."""
        return SessionFinding("loop", self.rung, self.first, self.last, self.evidence, self.because, is_open)


class LoopLadder:
    """One line of work's rungs: the agent's own, or its subagents'."""

    def __init__(self) -> None:
        self.recent: deque[CallRecord] = deque(maxlen=MAX_RECENT)
        self.diffs: deque[int] = deque(maxlen=MAX_DIFFS)
        self.errors = RepeatedErrors()
        self.stale = Staleness()
        self.said = Monologue()
        self.open: OpenLoop | None = None

    def add(self, step: SessionStep) -> Iterator[SessionFinding]:
        """Take a step; yield the loop that begins, goes on or ends with it."""
        if step.kind == "prompt":
            yield from self._reset()
            self.errors.streaks.clear()
        elif step.kind in {"reply", "thinking"}:
            if self.said.add(step):
                yield from self._found("monologue", self.said.seqs, self.said.count, _monologue_words)
        elif step.kind == "tool" and not step.waits and step.result not in {"unavailable", "rejected"}:
            self.said.reset()
            yield from self._call(step)

    def _call(self, step: SessionStep) -> Iterator[SessionFinding]:
        new_diff = self._is_new_diff(step)
        error = self.errors.add(step, new_diff=new_diff)
        if new_diff or (step.checks and step.result == "ok"):
            yield from self._reset(keep_error=new_diff)
            return
        record = record_of(step)
        self.recent.append(record)
        stale = self.stale.add(record)
        if error is not None:
            yield from self._found("error", error.seqs, error.count, lambda _: _error_words(error))
        elif found := self._by_rung():
            name, records, count = found
            yield from self._found(name, [each.seq for each in records], count, lambda count: _repeat_words(name, records, count))
        elif stale:
            yield from self._found("drift", [self.stale.first, step.seq], self.stale.count, _drift_words)
        else:
            yield from self._quiet()

    def _is_new_diff(self, step: SessionStep) -> bool:
        if step.result != "ok" or step.phase not in {"edit", "commit"}:
            return False
        change = step.call or step.output
        if change in self.diffs:
            return False
        self.diffs.append(change)
        return True

    def _by_rung(self) -> tuple[LoopRung, Sequence[CallRecord], int] | None:
        recent = tuple(self.recent)
        for name, rung in RUNGS.items():
            if found := rung(recent):
                distinct = len({each.same for each in found})
                return cast("LoopRung", name), found, len(found) // distinct if name == "period" else len(found)
        return None

    def _found(self, rung: LoopRung, seqs: Sequence[int], count: int, words: Callable[[int], str]) -> Iterator[SessionFinding]:
        """Open a loop, or go on with the one that is open: while it lasts, no other rung is told."""
        if self.open is None:
            self.open = OpenLoop(rung, seqs[0], seqs[-1], count, tuple(seqs)[-MAX_EVIDENCE:], words(count))
        elif self.open.rung == rung:
            count = max(count, self.open.count + (rung in {"exact", "stagnation"} and seqs[-1] > self.open.last))
            evidence = (*self.open.evidence, *(each for each in seqs if each > self.open.last))[-MAX_EVIDENCE:]
            self.open = replace(self.open, last=seqs[-1], count=count, evidence=evidence, because=words(count), quiet=0)
        else:
            self.open = replace(self.open, last=max(self.open.last, seqs[-1]), quiet=0)
        yield self.open.finding()

    def _quiet(self) -> Iterator[SessionFinding]:
        if self.open is not None:
            self.open = replace(self.open, quiet=self.open.quiet + 1)
            if self.open.quiet >= MAX_QUIET:
                yield self.open.finding(is_open=False)
                self.open = None

    def _reset(self, *, keep_error: bool = False) -> Iterator[SessionFinding]:
        """Begin anew after progress. A new diff doesn't end a streak of one error: whether it helped, the next try tells."""
        self.recent.clear()
        self.stale.count = 0
        self.said.reset()
        if self.open is not None and not (keep_error and self.open.rung == "error"):
            yield self.open.finding(is_open=False)
            self.open = None

    def snapshot(self) -> Snapshot:
        return {
            "recent": [each.row() for each in self.recent],
            "diffs": list(self.diffs),
            "errors": self.errors.snapshot(),
            "stale": self.stale.snapshot(),
            "said": self.said.snapshot(),
            "open": None if self.open is None else asdict(self.open) | {"evidence": list(self.open.evidence)},
        }

    def restore(self, given: Mapping[str, Any]) -> None:
        self.recent = deque((CallRecord(*row) for row in given["recent"]), maxlen=MAX_RECENT)
        self.diffs = deque(given["diffs"], maxlen=MAX_DIFFS)
        self.errors = RepeatedErrors.restored(given["errors"])
        self.stale = Staleness.restored(given["stale"])
        self.said = Monologue.restored(given["said"])
        held = given["open"]
        self.open = None if held is None else OpenLoop(**held | {"evidence": tuple(held["evidence"])})


class LoopAnalyzer:
    """Watches a session for loops; its subagents' calls by a ladder of their own, since they run beside it."""

    name = "loops"
    version = "1"

    def __init__(self) -> None:
        self.main, self.sidechain = LoopLadder(), LoopLadder()

    def add(self, step: SessionStep) -> Iterable[SessionFinding]:
        """Take the next step; return the loop that begins, goes on or ends with it."""
        return list((self.sidechain if step.sidechain else self.main).add(step))

    def snapshot(self) -> Snapshot:
        """Return the state of both ladders."""
        return {"main": self.main.snapshot(), "sidechain": self.sidechain.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self.main.restore(cast("Mapping[str, Any]", snapshot["main"]))
        self.sidechain.restore(cast("Mapping[str, Any]", snapshot["sidechain"]))


def _times(count: int) -> str:
    return f"{_ORDINALS[count]} time" if count < len(_ORDINALS) else f"{count}th time"


def _error_words(streak: ErrorStreak) -> str:
    between = f" {streak.edits} edit{'s' if streak.edits > 1 else ''} in between did not change it." if streak.edits else ""
    return f"This is the {_times(streak.count)} with the same error: {streak.error.rstrip('.')}.{between} Find out what causes it before the next try."


def _repeat_words(rung: LoopRung, records: Sequence[CallRecord], count: int) -> str:
    label = records[-1].label
    match rung:
        case "exact":
            return f"This is the {_times(count)} with the same result: {label}. Nothing changed in between."
        case "period":
            labels = " → ".join(dict.fromkeys(each.label for each in records))
            return f"The same steps for the {_times(count)}, with the same results: {labels}."
        case "stagnation":
            return f"{count} calls of {records[-1].tool} in a row, in other words each time, brought the same result. The last: {label}."
        case _:
            return f"{count} of the last calls were the same with the same result: {label}."


def _drift_words(count: int) -> str:
    return f"{count} calls in a row brought nothing new: each of them was made before, with the same result."


def _monologue_words(count: int) -> str:
    return f"{count} messages in a row say the same, and nothing was done in between."
