"""Builds a session's shape step by step. Its state is bounded and can be stored, so an appended event costs only itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from app.trajectory.events.steps import SessionStep
from app.trajectory.shapes.course import SessionCourse, point_of
from app.trajectory.shapes.phases import phase_of

SHAPE_VERSION: Final = "2"
"""Raise it whenever the same steps would give another shape."""
MAX_PHASES: Final = 512
"""Phases kept, the last ones: how a session ended tells more than how it began."""
MAX_KNOWN: Final = 2_048
"""Hashes remembered of calls and results, the latest, to tell what is new."""
_MIXING: Final = 0x9E3779B97F4A7C15
_HASH_BITS: Final = 63


@dataclass(slots=True)
class SessionShape:
    """The phases of a session, equal neighbours as one, and its course; and what is needed to go on with them.

    `symbols`: a character a phase (`phases.symbol_of`). `firsts`: the seq of each phase's first step. `dropped`: phases before those kept.
    `deeds`: steps that were a deed. `known`: hashes of calls, results and pairs of them, the oldest first. `at`: time of the last step.
    """

    symbols: str = ""
    firsts: list[int] = field(default_factory=list)
    dropped: int = 0
    deeds: int = 0
    course: SessionCourse = field(default_factory=SessionCourse)
    known: dict[int, None] = field(default_factory=dict)
    at: datetime | None = None

    def add(self, step: SessionStep) -> None:
        """Take the next step."""
        gap = 0.0 if self.at is None or step.at is None else (step.at - self.at).total_seconds()
        self.at = step.at or self.at
        seen = self._remember(step) if step.kind == "tool" else 0
        phase = phase_of(step, again=seen == 3)
        if phase is None:
            return
        self.deeds += 1
        self.course.add(point_of(step, gap_seconds=gap, novelty=1 - seen / 3))
        if self.symbols[-1:] != phase.char:
            self.symbols += phase.char
            self.firsts.append(step.seq)
        if len(self.symbols) > MAX_PHASES:
            self.symbols, self.firsts, self.dropped = self.symbols[1:], self.firsts[1:], self.dropped + 1

    def _remember(self, step: SessionStep) -> int:
        """Remember a call and its result; return how much of it was known: the call, the result, the call with this result."""
        pair = (step.call * _MIXING + step.output) % (1 << _HASH_BITS)
        hashes = (step.call, step.output, pair)
        seen = sum(each in self.known for each in hashes)
        for each in hashes:
            self.known.pop(each, None)
            self.known[each] = None
        while len(self.known) > MAX_KNOWN:
            del self.known[next(iter(self.known))]
        return seen


def shape_of(steps: Iterable[SessionStep]) -> SessionShape:
    """Return the shape of these steps."""
    shape = SessionShape()
    for step in steps:
        shape.add(step)
    return shape


def packed(shape: SessionShape) -> bytes:
    """Return a shape as bytes that `unpacked` reads."""
    return msgspec.msgpack.encode(shape)


def unpacked(data: bytes) -> SessionShape:
    """Return the shape that `packed` gave."""
    return msgspec.msgpack.decode(data, type=SessionShape)
