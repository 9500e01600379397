"""The judge on hand-labelled pairs: those that it was made with, and those that were written after it was frozen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from app.knowledge.supersession.judge import replaced_by
from app.knowledge.supersession.statements import read
from tests.unit.knowledge.labelled import read_pairs

HERE = Path(__file__).parent
KNOWN, UNSEEN = HERE / "pairs.tsv", HERE / "unseen.tsv"
MIN_PRECISION, MIN_RECALL = 0.95, 0.60


class Pair(NamedTuple):
    """`kind`: `replaced`, or why it is none although it looks like one."""

    language: str
    kind: str
    older: str
    newer: str


def pairs(file: Path) -> list[Pair]:
    return read_pairs(file, Pair)


def measured(labelled: list[Pair]) -> tuple[float, float]:
    """(precision, recall) of the links."""
    linked = [each for each in labelled if replaced_by(read(each.older), read(each.newer)) is not None]
    right = sum(each.kind == "replaced" for each in linked)
    return right / len(linked), right / sum(each.kind == "replaced" for each in labelled)


def test_there_are_enough_pairs_of_both_kinds_in_six_languages() -> None:
    known, unseen = pairs(KNOWN), pairs(UNSEEN)
    assert len(known) >= 150
    assert len(unseen) >= 60
    assert not {each[2:] for each in known} & {each[2:] for each in unseen}
    for labelled in (known, unseen):
        kinds = Counter(each.kind for each in labelled)
        assert 0.3 <= kinds["replaced"] / len(labelled) <= 0.6
        assert len(kinds) >= 10
        assert {each.language for each in labelled} == {"en", "de", "fr", "es", "pt", "zh"}


@pytest.mark.parametrize("file", [KNOWN, UNSEEN], ids=["known", "unseen"])
def test_links_are_right_before_they_are_many(file: Path) -> None:
    precision, recall = measured(pairs(file))
    assert precision >= MIN_PRECISION, precision
    assert recall >= MIN_RECALL, recall


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "zh"])
def test_explicit_changes_are_understood_in_each_language(language: str) -> None:
    own = [each for each in pairs(KNOWN) if each.language == language and each.kind == "replaced"]
    found = sum(replaced_by(read(each.older), read(each.newer)) is not None for each in own)
    assert found >= 0.6 * len(own)
