"""One text says less of the same than another one only if it has all its words in the same relations, and no word of the rest turns them."""

from __future__ import annotations

import pytest

from app.knowledge.near_copies import is_near_copy, says_less
from tests.contrast_pairs import contrast_pairs, held_out_pairs
from tests.minimal_pairs import minimal_pairs

POORER = "The export fails because the connection pool is exhausted."


def test_none_of_the_guards_pairs_says_less_of_the_other() -> None:
    pairs = [pair[1:] for pair in (*contrast_pairs(), *held_out_pairs(), *minimal_pairs())]
    assert len(pairs) > 700
    assert [pair for pair in pairs if says_less(*pair) or says_less(*pair[::-1])] == []


@pytest.mark.parametrize(
    ("poorer", "richer"),
    [
        (POORER, "The stock export fails because the connection pool is exhausted."),
        (POORER, "The export fails because the connection pool is exhausted by open transactions."),
        (POORER, "The export of the archive fails because the connection pool that it shares is exhausted."),
        (POORER, "Because the connection pool of the archive is exhausted, the export fails."),
        (POORER, "The export fails because the connection pool in `app/pool.py` is exhausted."),
        (
            "Der Export bricht ab, weil der Pool erschöpft ist.",
            "Der nächtliche Export bricht ab, weil der Pool der Datenbank erschöpft ist.",
        ),
        (
            "L'export échoue parce que le pool de connexions est épuisé.",
            "L'export nocturne échoue parce que le pool de connexions partagé est épuisé.",
        ),
    ],
)
def test_an_explanation_with_fewer_words_is_a_near_copy(poorer: str, richer: str) -> None:
    assert is_near_copy(poorer, richer)
    assert not is_near_copy(richer, poorer)


@pytest.mark.parametrize(
    "richer",
    [
        "The export never fails because the connection pool is exhausted.",
        "The export fails because the connection pool is not exhausted.",
        "The export fails only because the connection pool is exhausted.",
        "The export on staging fails because the connection pool is exhausted.",
        "The export fails on Windows because the connection pool is exhausted.",
        "The export fails because the connection pool of 20 is exhausted.",
        "The export fails because the connection pool is almost exhausted if nobody looks.",
        "The import fails because the connection pool of the export is exhausted.",
        "Because the connection pool of the export is exhausted, the import fails.",
        "The export fails because the connection pool is exhausted except on Sundays.",
        "The connection pool is exhausted because the export fails at night.",
        POORER,
    ],
)
def test_another_claim_is_none(richer: str) -> None:
    assert not is_near_copy(POORER, richer)


@pytest.mark.parametrize(
    ("poorer", "richer"),
    [
        (POORER, "The export of all but the reports fails because the shared connection pool is exhausted."),
        (POORER, "The export nearly fails because the shared connection pool is exhausted."),
        (POORER, "The test of the export fails because the connection pool is exhausted."),
        (POORER, "The export supposedly fails because the connection pool is exhausted."),
        ("The leak was caused by the proxy.", "The leak was caused by the client behind the proxy."),
        ("The fix is the restart of the worker.", "The fix is the opposite of the restart of the idle worker."),
        ("Der Fehler liegt am Proxy, weil er puffert.", "Der Fehler liegt am Client hinter dem Proxy, weil er puffert."),
        ("L'export échoue parce que le pool est plein.", "L'export échoue parce que le client du pool partagé est plein."),
        ("Scale the workers because the queue grows.", "Scale down the workers because the idle queue grows."),
    ],
)
def test_words_that_turn_the_rest_in_one_place_are_seen_whatever_is_added_in_another(poorer: str, richer: str) -> None:
    assert not is_near_copy(poorer, richer)


@pytest.mark.parametrize(
    ("poorer", "richer"),
    [
        ("Editors may publish drafts.", "Editors of the newsroom may publish drafts."),
        ("Never force-push.", "Never force-push release branches."),
        ("Run the linter before each commit.", "Run the strict linter before each commit."),
    ],
)
def test_a_rule_with_fewer_words_holds_for_more_and_stays(poorer: str, richer: str) -> None:
    assert not is_near_copy(poorer, richer)


def test_long_texts_are_none() -> None:
    assert not says_less("word " * 300, "word " * 300 + "more")
