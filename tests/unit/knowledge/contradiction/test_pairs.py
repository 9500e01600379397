"""The judge on hand-labelled pairs: those that it was made and mended with, and those that were written after it was frozen last."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from app.knowledge.contradiction.judge import TitledText, contradiction_of
from tests.unit.knowledge.labelled import read_pairs

HERE = Path(__file__).parent
KNOWN, UNSEEN = HERE / "pairs.tsv", HERE / "unseen.tsv"
MIN_PRECISION, MIN_RECALL = 0.95, 0.75


class Pair(NamedTuple):
    """`kind`: `contradiction`, or why it is none although it looks like one. A text with ` => ` has a title before it."""

    language: str
    kind: str
    one: str
    other: str


def pairs(file: Path) -> list[Pair]:
    return read_pairs(file, Pair)


def item(written: str) -> TitledText:
    title, _, text = written.rpartition(" => ")
    return TitledText(title or text, text)


def found(pair: Pair) -> bool:
    return contradiction_of(item(pair.one), item(pair.other)) is not None


def test_there_are_enough_pairs_of_many_kinds() -> None:
    known, unseen = pairs(KNOWN), pairs(UNSEEN)
    assert len(known) >= 150
    assert len(unseen) >= 60
    assert not {each[2:] for each in known} & {each[2:] for each in unseen}
    for labelled in (known, unseen):
        kinds = Counter(each.kind for each in labelled)
        assert 0.3 <= kinds["contradiction"] / len(labelled) <= 0.6
        assert len(kinds) >= 10
        assert {each.language for each in labelled} == {"en", "de", "fr", "es", "pt", "zh"}


@pytest.mark.parametrize("file", [KNOWN, UNSEEN], ids=["known", "unseen"])
def test_contradictions_are_right_before_they_are_many(file: Path) -> None:
    labelled = pairs(file)
    shown = [each for each in labelled if found(each)]
    right = sum(each.kind == "contradiction" for each in shown)
    assert right / len(shown) >= MIN_PRECISION, [each for each in shown if each.kind != "contradiction"]
    assert right / sum(each.kind == "contradiction" for each in labelled) >= MIN_RECALL


def test_both_directions_say_the_same() -> None:
    for each in pairs(KNOWN):
        assert found(each) == found(each._replace(one=each.other, other=each.one)), each
