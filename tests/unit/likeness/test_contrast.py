"""Texts that differ in one word stay apart, in any language; texts that say the same in other words don't."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from app.likeness import differing, differs, restates
from app.likeness.contrast import MAX_CHARS
from tests.contrast_pairs import contrast_pairs, held_out_pairs
from tests.minimal_pairs import minimal_pairs
from tests.paraphrases import HELD_OUT, KNOWN, LATEST, UNSEEN

MADE, WRITTEN = list(contrast_pairs()), list(held_out_pairs())


def test_there_are_hundreds_of_contrast_pairs_and_of_paraphrases() -> None:
    assert len({(one, other) for _, one, other in MADE}) >= 300
    assert len({*KNOWN, *HELD_OUT, *UNSEEN, *LATEST}) >= 150


@pytest.mark.parametrize(("kind", "one", "other"), [*MADE, *WRITTEN, *minimal_pairs()])
def test_one_thing_that_changes_what_is_said_keeps_two_apart(kind: str, one: str, other: str) -> None:
    assert differing(one, other), kind
    assert differing(other, one), kind


@pytest.mark.parametrize("pairs", [KNOWN, HELD_OUT, UNSEEN, LATEST], ids=["known", "held out", "unseen", "latest"])
def test_nine_of_ten_paraphrases_may_be_merged(pairs: Sequence[tuple[str, str]]) -> None:
    refused = [pair for pair in pairs if differing(*pair)]
    assert len(refused) <= len(pairs) / 10, refused


def test_the_quick_answer_is_whether_there_is_a_reason() -> None:
    pairs = [pair[1:] for pair in (*MADE, *WRITTEN, *minimal_pairs())] + [*KNOWN, *HELD_OUT, *UNSEEN, *LATEST]
    crossed = [(one, other) for (one, _), (_, other) in pairwise(pairs)]
    titled = [(f"- Lesson\n{one}", f"1. Lesson\n`{one}`".upper()) for one, _ in pairs]
    long = [("word " * MAX_CHARS, "word  " * MAX_CHARS), ("word " * MAX_CHARS, "other " * MAX_CHARS)]
    for one, other in (*pairs, *crossed, *titled, *long):
        assert differs(one, other) == bool(differing(one, other)), (one, other)


@pytest.mark.parametrize("word", ["zorblat", "quux", "ŝlosilo", "ключ", "鑰"])
def test_a_word_that_no_list_knows_differs_from_every_other(word: str) -> None:
    assert differing("Rotate the signing key before the audit.", f"Rotate the signing {word} before the audit.")
    assert differing("Rotate the signing key before the audit.", f"Rotate the {word} signing key before the audit.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Retry 3 times, then wait 5 s, then retry 3 times.", "Retry 3 times, then wait 5 s, then retry 5 times."),
        ("Don't lint and don't format.", "Don't lint, and format."),
        ("Shard 3 has 5 replicas; shard 7 has 9.", "Shard 3 has 9 replicas; shard 7 has 5."),
        ("Plan A is cheaper.", "Plan is cheaper."),
        ("Ship it to IT.", "Ship it."),
    ],
)
def test_a_number_a_negation_or_a_name_counts_each_time(one: str, other: str) -> None:
    assert differing(one, other)


def test_a_text_without_a_word_of_its_own_restates_the_other() -> None:
    assert restates("Before each deployment, run the migrations.", "Run the migrations before every deploy.")
    assert restates("The worker times out after ten minutes.", "After 10 min the worker has a timeout.")
    assert not restates("Set the timeout to 30 s in `app/db.py`.", "Set the timeout to 30 s.")
    assert not restates("Yes.", "It is.")


def test_a_title_that_only_repeats_its_text_is_not_compared() -> None:
    assert (
        restates(
            "Run migrations before each deploy\nRun the migrations before each deploy.", "Lesson\nBefore each deploy, run the migrations."
        )
        is False
    )
    assert restates("Run migrations\nRun the migrations before each deploy.", "Before each deploy\nBefore each deploy, run the migrations.")


def test_a_titles_subject_and_an_opening_no_are_not_part_of_what_is_said() -> None:
    one = "json: Never edit `map.json` by hand\nNo, never edit `map.json` by hand."
    other = "map.json: `map.json` must never be edited by hand\nRemember: `map.json` must never be edited by hand."
    assert restates(one, other)
    assert not differing(one, other)
    assert differing("Do we cache pages? No.", "Do we cache pages? Yes.")
    assert differing("No retries on failure.", "Retries on failure.")
    assert differing("Never restart\nRestart the worker.", "Restart\nRestart the worker.")


def test_a_very_long_text_must_be_equal() -> None:
    text = "The archive keeps a copy of each report for ten years. " * (MAX_CHARS // 50)
    assert not differing(text, text.replace("  ", " ") + "\n")
    assert differing(text, text + "Except in spring.")
    assert not restates(text, text + "Except in spring.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The worker retries each upload twice. The gateway drops idle clients.", "The gateway drops idle clients. The worker retries each upload twice."),
        ("The gateway answers 503 if the pool is empty.", "If the pool is empty, the gateway answers 503."),
        ("Because the lexer is lazy, the linter starts late.", "The linter starts late because the lexer is lazy."),
    ],
)  # fmt: skip
def test_long_sentences_and_a_subordinate_clause_may_change_places(one: str, other: str) -> None:
    assert restates(one, other)
    assert not differing(one, other)
