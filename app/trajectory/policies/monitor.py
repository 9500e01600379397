"""Watches one policy over one session: by itself, or once for each file. Says when it is broken, and by which events. Bounded; pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from app.errors import InvalidInput
from app.trajectory.policies.automaton import Automaton, PolicyState
from app.trajectory.policies.policy import compiled
from app.trajectory.policies.readings import StepReading
from app.trajectory.policies.residuals import dumped
from app.trajectory.policies.views import PolicyDefinition, PolicyVerdict

MAX_FILES = 256
"""Files that one policy watches at a time; past them the one that was named longest ago is dropped."""
MAX_TRAIL = 8
_WHOLE: Final = ("",)
"""The only part of a rule over the session."""
_RANK: Final[Mapping[PolicyVerdict, int]] = {"true": 0, "presumably_true": 1, "presumably_false": 2, "false": 3}


@dataclass(frozen=True, slots=True)
class PolicyViolation:
    """A rule that an event broke, or that is unkept at the session's end. `seqs`: the events that show it, the last one broke it.

    `file`: whose rule it is; empty for a rule over the session. `sure`: no later event mends it. `dropped`: files that the policy no
    longer watches; the history of this one may be among them.
    """

    seqs: tuple[int, ...]
    file: str = ""
    sure: bool = True
    dropped: int = 0


@dataclass(slots=True)
class _Slice:
    """The rule's state, for the session or one file. `trail`: events since it was last at its beginning that changed it."""

    state: PolicyState
    trail: list[int] = field(default_factory=list)
    late: bool = False


class PolicyMonitor:
    """One policy over one session."""

    def __init__(self, definition: PolicyDefinition) -> None:
        self.definition: Final = definition
        self._compiled: Final = compiled(definition.formula)
        self._automaton: Final[Automaton] = self._compiled.automaton
        self._mask: Final = self._automaton.mask
        self._by_file: Final = definition.for_each == "file"
        self._slices: OrderedDict[str, _Slice] = OrderedDict() if self._by_file else OrderedDict({_WHOLE[0]: self._new()})
        self.broken = 0
        """Violations so far."""
        self.dropped = 0
        self.too_large = 0
        """Size at which the rule was given up in this session; 0: it is watched."""

    def add(self, reading: StepReading) -> Sequence[PolicyViolation]:
        """Take the next step; return what it broke."""
        if self.too_large or (self._by_file and not reading.files):
            return ()
        letter = self._compiled.letter(reading) if self._compiled.own else reading.letter & self._mask
        found: Sequence[PolicyViolation] = ()
        for file in reading.files if self._by_file else _WHOLE:
            part = self._slice(file) if self._by_file else self._slices[file]
            after = part.state.after.get(letter) or self._step(part.state, letter)
            if after is not part.state:
                found = (*found, *self._changed(part, after, file, reading.step.seq, relevant=letter > 0))
        return found

    @property
    def verdict(self) -> PolicyVerdict:
        """The verdict on the session so far: once broken it stays false."""
        if self.broken:
            return "false"
        return max((part.state.verdict for part in self._slices.values()), key=_RANK.__getitem__, default=self._automaton.start.verdict)

    def unkept(self) -> Iterator[PolicyViolation]:
        """Yield what is demanded and hasn't come, as if the session ended here."""
        for file, part in self._slices.items():
            if part.state.verdict == "presumably_false":
                yield PolicyViolation(tuple(part.trail), file, sure=False, dropped=self.dropped if part.late else 0)

    def snapshot(self, files: dict[str, int]) -> dict[str, object]:
        """Return the state as plain values. States that slices share are told once. `files`: names → places, which it adds to."""
        states = list(dict.fromkeys(part.state for part in self._slices.values()))
        place = {state: number for number, state in enumerate(states)}
        return {
            "states": [[dumped(state.residual), state.past] for state in states],
            "slices": [
                [files.setdefault(file, len(files)), place[part.state], part.trail, part.late] for file, part in self._slices.items()
            ],
            "counts": [self.broken, self.dropped, self.too_large],
        }

    def restore(self, snapshot: Mapping[str, Any], files: Sequence[str]) -> None:
        """Go on from a snapshot of the same formula and its files. ValueError for anything else."""
        states = [self._automaton.restored(residual, int(past)) for residual, past in snapshot["states"]]
        self._slices = OrderedDict(
            (files[file], _Slice(states[place], list(trail), bool(late))) for file, place, trail, late in snapshot["slices"]
        )
        self.broken, self.dropped, self.too_large = cast("list[int]", snapshot["counts"])

    def _changed(self, part: _Slice, after: PolicyState, file: str, seq: int, *, relevant: bool) -> Iterator[PolicyViolation]:
        if after.verdict == "false" and part.state.verdict != "false":
            self.broken += 1
            yield PolicyViolation((*part.trail, seq), file, dropped=self.dropped if part.late else 0)
            if self._automaton.renews:
                after = self._automaton.renewed(after)
                if after is part.state:
                    return
        part.state = after
        if after is self._automaton.start:
            part.trail = []
        elif not relevant:
            return  # only time has passed
        elif len(part.trail) < MAX_TRAIL:
            part.trail.append(seq)
        else:
            part.trail[MAX_TRAIL // 2 :] = [*part.trail[MAX_TRAIL // 2 + 1 :], seq]

    def _step(self, state: PolicyState, letter: int) -> PolicyState:
        try:
            return self._automaton.step(state, letter)
        except InvalidInput as error:
            self.too_large = getattr(error, "size", 1)
            return state

    def _slice(self, file: str) -> _Slice:
        found = self._slices.get(file)
        if found is None:
            found = self._slices[file] = self._new(late=self.dropped > 0)
            if len(self._slices) > MAX_FILES:
                self._slices.popitem(last=False)
                self.dropped += 1
        else:
            self._slices.move_to_end(file)
        return found

    def _new(self, *, late: bool = False) -> _Slice:
        return _Slice(self._automaton.start, late=late)
