"""Sums a long session's steps into a bounded number of strips, for its picture. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.trajectory.analysis.step_blocks import BLOCK_STEPS, PHASES, StepBlock
from app.trajectory.events.steps import Phase


@dataclass(frozen=True, slots=True)
class StepStrip:
    """Successive steps of a session, of the seqs `first` to `last`: how many of each phase, and how many calls of them failed."""

    first: int
    last: int
    phases: Mapping[Phase, int]
    failed: int


def strips_of(blocks: Sequence[StepBlock], *, first: int, last: int, most: int) -> list[StepStrip]:
    """Cut the steps of these seqs into at most `most` strips of equal length. `blocks`: in order, at least those that hold the seqs."""
    if not blocks or last < first:
        return []
    began = blocks[0].number * BLOCK_STEPS + 1
    letters = "".join(each.phases for each in blocks)[first - began : last - began + 1]
    length = max(1, -(-len(letters) // most))
    return [_strip(letters[start : start + length], first + start) for start in range(0, len(letters), length)]


def _strip(letters: str, first: int) -> StepStrip:
    counted = Counter(PHASES[letter] for letter in letters.lower())
    return StepStrip(first, first + len(letters) - 1, counted, sum(map(str.isupper, letters)))
