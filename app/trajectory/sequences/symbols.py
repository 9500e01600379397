"""Compares two sequences of symbols: longest common subsequence and edit distance, by rapidfuzz (bit-parallel). Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel, LCSseq, Levenshtein
from rapidfuzz.process import cdist

MAX_SYMBOLS = 4_096
"""Symbols of a sequence that is compared. A longer one is refused: a sample of symbols would be another sequence."""


@dataclass(frozen=True, slots=True)
class CommonRun:
    """A stretch of a longest common subsequence: `length` symbols from `first` on in one sequence equal those from `second` on in the other."""

    first: int
    second: int
    length: int


def common_length(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence. Raises ValueError above MAX_SYMBOLS."""
    return int(LCSseq.similarity(*_comparable(one, other)))


def common_shares(one: str, others: Sequence[str]) -> NDArray[np.float32]:
    """Return, for each of the others, the length of its longest common subsequence with `one` as a share of the longer of the two.

    In one call of C, for many. Raises ValueError above MAX_SYMBOLS.
    """
    _check(one, *others)
    shares: NDArray[np.float32] = cdist([one], others, scorer=LCSseq.normalized_similarity, dtype=np.float32)[0]
    return shares


def common_ratios(one: str, others: Sequence[str]) -> NDArray[np.float32]:
    """Return, for each of the others, twice the length of its longest common subsequence with `one` as a share of both lengths.

    Unlike `common_shares` it lets a short sequence be like a long one that holds it. Raises ValueError above MAX_SYMBOLS.
    """
    _check(one, *others)
    ratios: NDArray[np.float32] = cdist([one], others, scorer=Indel.normalized_similarity, dtype=np.float32)[0]
    return ratios


def common_runs(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[CommonRun]:
    """Return the stretches of a longest common subsequence, in order. Raises ValueError above MAX_SYMBOLS."""
    found = LCSseq.opcodes(*_comparable(one, other))
    return [CommonRun(each.src_start, each.dest_start, each.src_end - each.src_start) for each in found if each.tag == "equal"]


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Return the least number of insertions, deletions and substitutions between two sequences; a metric. ValueError above MAX_SYMBOLS."""
    return int(Levenshtein.distance(*_comparable(one, other)))


def _comparable(one: Sequence[Hashable], other: Sequence[Hashable]) -> tuple[Sequence[Hashable], Sequence[Hashable]]:
    """Number the symbols of both, unless they are texts: rapidfuzz takes symbols whose hashes are equal (0 and 2^61 - 1) for the same."""
    _check(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return one, other
    numbers: dict[Hashable, int] = {}
    first, second = ([numbers.setdefault(each, len(numbers)) for each in given] for given in (one, other))
    return first, second


def _check(*given: Sequence[Hashable]) -> None:
    for each in given:
        if len(each) > MAX_SYMBOLS:
            raise ValueError(f"The sequence has {len(each)} symbols; at most {MAX_SYMBOLS} are compared. Give a part of it.")
