"""Pairs of statements that people labelled, in files of tab-separated values with a heading."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Pair = TypeVar("Pair")


def read_pairs(file: Path, pair: Callable[..., Pair]) -> list[Pair]:
    """Read a file's pairs. `pair`: makes one of its columns."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [pair(**row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
