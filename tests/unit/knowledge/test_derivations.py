"""A candidate is told as what a person deleted or corrected by where it was taken from and what it says, not by its key."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.knowledge.derivations import PastDecisions, WordingOrigin, digest, numbers
from app.knowledge.item import ItemCandidate
from app.knowledge.neighbours import item_text

SESSION, OTHER, ITEM = uuid4(), uuid4(), uuid4()
COPIED = "7f0a1c9e-52f4-4c3a-9b1d-0c6f1e2d3a4b"


def unit(*numbers: float) -> np.ndarray:
    vector = np.zeros(384, dtype=np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def near(cosine: float) -> np.ndarray:
    """A vector of this cosine to `unit(1)`."""
    return unit(cosine, float(np.sqrt(1 - cosine**2)))


def candidate(text: str, event: str) -> ItemCandidate:
    return ItemCandidate("new key", "gotcha", "Lesson", text, 0.7, event, "L1", text)


def origin(text: str, event: str, item: UUID | None = None) -> WordingOrigin:
    words = item_text("Lesson", text)
    return WordingOrigin(SESSION, event, digest(words), frozenset(numbers(words)), unit(1), item)


@pytest.mark.parametrize(
    ("session", "event", "text", "cosine", "same"),
    [
        (SESSION, "1", "The pool is too small", 0.70, True),  # reworded, from the same event
        (SESSION, "1", "Another lesson of this answer", 0.60, False),
        (SESSION, "2", "The pool is too small", 0.85, True),  # cited from elsewhere in the session
        (SESSION, "2", "The pool is too small", 0.75, False),
        (SESSION, "1", "The pool has 7 connections", 0.95, False),  # another number is another fact
        (OTHER, "1", "The pool is too small", 0.95, False),  # "1" of another session is another event
        (OTHER, "9", "the pool has  5 connections", 0.10, True),  # the same words, wherever they are found
    ],
)
def test_a_deleted_item_is_recognised_in_what_extraction_finds_now(session: UUID, event: str, text: str, cosine: float, same: bool) -> None:
    settled = PastDecisions(forgotten=[origin("The pool has 5 connections", "1")])
    assert settled.was_deleted(session, candidate(text, event), near(cosine)) is same


def test_a_copied_event_is_the_same_in_every_session() -> None:
    settled = PastDecisions(forgotten=[origin("The pool has 5 connections", COPIED)])
    assert settled.was_deleted(OTHER, candidate("The pool is too small", COPIED), near(0.8))


def test_what_a_person_corrected_takes_the_nearest_wording() -> None:
    farther, nearer = origin("The pool is small", "1", uuid4()), origin("The pool is too small", "1", ITEM)
    settled = PastDecisions(
        pinned=[WordingOrigin(farther.session_id, "1", farther.digest, farther.numbers, near(0.9), farther.item), nearer]
    )
    assert settled.item_of(SESSION, candidate("So small a pool", "1"), unit(1)) == ITEM
    assert settled.item_of(SESSION, candidate("Something else", "1"), unit(0, 0, 1)) is None
    assert not settled.was_deleted(SESSION, candidate("So small a pool", "1"), unit(1))


def test_of_two_items_of_one_event_only_the_nearer_is_the_deleted_one() -> None:
    deleted, other = candidate("The pool is too small", "1"), replace(candidate("The pool is opened late", "1"), key="other")
    settled = PastDecisions(forgotten=[origin("The pool has 5 connections", "1")], siblings=[(deleted, near(0.95)), (other, near(0.8))])
    assert settled.was_deleted(SESSION, deleted, near(0.95))
    assert not settled.was_deleted(SESSION, other, near(0.8))


def test_an_item_of_the_same_event_is_new_while_the_deleted_one_is_still_found() -> None:
    settled = PastDecisions(forgotten=[replace(origin("The pool has 5 connections", "1"), claimed=True)])
    assert not settled.was_deleted(SESSION, candidate("The pool is opened late", "1"), near(0.8))
    assert settled.was_deleted(SESSION, candidate("The pool has 5 connections", "1"), near(0.8))
