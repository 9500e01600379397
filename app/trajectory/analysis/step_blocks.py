"""Packs a session's steps into blocks, a letter and a number each: what its picture shows and its recurrence is computed from. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import byteorder

from app.trajectory.events.steps import Phase, Result, SessionStep

BLOCK_STEPS = 256
LETTERS: Mapping[Phase, str] = {
    "explore": "x",
    "edit": "e",
    "test": "t",
    "run": "r",
    "commit": "c",
    "plan": "p",
    "ask": "a",
    "say": "s",
}
"""A phase's letter; the capital: the call failed, was rejected, or what it asked for was away."""
PHASES: Mapping[str, Phase] = {letter: phase for phase, letter in LETTERS.items()}
_RESULTS: Mapping[Result, int] = {"ok": 1, "failed": 2, "rejected": 3, "unavailable": 4, "unknown": 5}
_BITS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class StepBlock:
    """The steps of the seqs from `number` × BLOCK_STEPS + 1. `symbols`: 8 bytes each, the least significant first."""

    number: int
    phases: str
    symbols: bytes


class StepPacker:
    """Packs steps as they come. Its state is the last block, up to the last step."""

    def __init__(self) -> None:
        self._number = 0
        self._phases: list[str] = []
        self._symbols: list[int] = []
        self._full: list[StepBlock] = []

    def add(self, step: SessionStep) -> None:
        """Take the next step."""
        letter = LETTERS[step.phase]
        self._phases.append(letter.upper() if step.result in {"failed", "rejected", "unavailable"} else letter)
        self._symbols.append(symbol(step))
        if len(self._phases) == BLOCK_STEPS:
            self._full.append(self._current())
            self._number, self._phases, self._symbols = self._number + 1, [], []

    def take(self) -> list[StepBlock]:
        """Return the blocks that came to be since the last call, and the one that is being filled."""
        blocks, self._full = self._full, []
        return [*blocks, self._current()] if self._phases else blocks

    def resume(self, block: StepBlock | None, seq: int) -> None:
        """Go on after this seq. `block`: the stored one that this seq's steps are in, if it is within one."""
        self._number, kept = divmod(seq, BLOCK_STEPS)
        self._phases = list(block.phases[:kept]) if block is not None else []
        self._symbols = list(unpack(block.symbols))[:kept] if block is not None else []

    def _current(self) -> StepBlock:
        return StepBlock(self._number, "".join(self._phases), _pack(self._symbols))


def symbol(step: SessionStep) -> int:
    """Return a number that is equal for equal steps: a call with the same normalised arguments, result and output; else the phase's."""
    if not step.call:
        return ord(LETTERS[step.phase])
    return (step.call * 31 + step.output * 7 + _RESULTS[step.result]) & _BITS


def unpack(symbols: bytes) -> Iterator[int]:
    """Yield the symbols of a block."""
    numbers = array("Q", symbols)
    if byteorder == "big":
        numbers.byteswap()
    yield from numbers


def _pack(symbols: list[int]) -> bytes:
    numbers = array("Q", symbols)
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
