"""A tool call as the loop ladder compares it, and the words of what was said. Plain values, so that a state can be stored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from zlib import crc32

from app.trajectory.events.normal import digest
from app.trajectory.events.steps import SessionStep

MAX_LABEL_CHARS = 80
MAX_WORDS = 32
"""Distinct words kept of a text: enough to tell two near copies from two texts."""
MAX_WORDS_READ_CHARS = 400
_WORD = re.compile(r"[^\s\"'`,:;(){}\[\]<>=.!?]+(?:\.[^\s\"'`,:;(){}\[\]<>=.!?]+)*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FOLDED = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call. `same` is equal for calls with equal arguments, class of result and result. `telling`: the result says more than that it is done.

    `folded`: the call without case and signs, by which spellings of one word are equal. `place`: the files that it names, 0 for none. `label`: the call as a person recognises it.
    """

    seq: int
    tool: str
    call: int
    output: int
    same: int
    folded: int
    place: int
    telling: bool
    looks: bool
    long: bool
    label: str

    def row(self) -> list[object]:
        """Return the record as a list of plain values."""
        return list(astuple(self))


def record_of(step: SessionStep) -> CallRecord:
    """Read a step of a tool as a record."""
    looks = step.phase == "explore"
    return CallRecord(
        step.seq,
        step.tool,
        step.call,
        step.output,
        digest(f"{step.call}.{step.result}.{step.output}"),
        digest(_FOLDED.sub("", step.text[:200]).casefold()) if looks else 0,
        digest("\0".join(step.files)) if step.files else 0,
        step.result == "failed" or looks or not step.acknowledges,
        looks,
        not step.acknowledges and step.output_chars > 0,
        label_of(step),
    )


def label_of(step: SessionStep) -> str:
    """Return a call's tool and the first line of its arguments, cut."""
    line = step.text.strip().split("\n", 1)[0] if step.call else ""
    label = f"{step.tool}: {line}" if line else step.tool
    return label if len(label) <= MAX_LABEL_CHARS else f"{label[: MAX_LABEL_CHARS - 1]}…"


def words_of(text: str) -> tuple[int, ...]:
    """Hash the distinct words of a text's beginning; of a script without spaces its pairs of characters."""
    text = text[:MAX_WORDS_READ_CHARS].casefold()
    words = set(_WORD.findall(text))
    if _CJK.search(text):
        words |= {text[place : place + 2] for place in range(len(text) - 1) if _CJK.match(text[place])}
    return tuple(sorted(map(_hash, sorted(words)[:MAX_WORDS])))


@lru_cache(maxsize=8_192)
def _hash(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


def likeness(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the share of words that two texts have in common, of all that they have (Jaccard's index)."""
    first, second = set(one), set(other)
    both = len(first & second)
    return both / (len(first) + len(second) - both) if both else 0.0
