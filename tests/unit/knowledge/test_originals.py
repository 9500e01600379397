"""Evidence that is a copy of other evidence: by its record's id, or by its length where the id is made from the words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.knowledge.confirming import MIN_COPIED_CHARS, original_of


def evidence(event_id: str, excerpt: str) -> Any:
    return SimpleNamespace(id=uuid4(), event_id=event_id, excerpt=excerpt)


@pytest.mark.parametrize(
    ("event_id", "chars", "copied"),
    [
        ("00000000-0000-4000-8000-000000000018", 5, True),
        ("00000000-0000-4000-8000-000000000018#2", 5, True),
        ("toolu_01A09q90qw90lq917835lq9", 5, True),
        ("call_hBq2Kd0Zz1yJx8VnWm3TrPaL", 5, True),
        ("call_1", 500, False),
        ("message_abcdefghijklmnopqrstuvw", 500, False),
        ("5e55ed455bde53b857c3b2a4", MIN_COPIED_CHARS, True),
        ("5e55ed455bde53b857c3b2a4", MIN_COPIED_CHARS - 1, False),
        ("e-17", 500, False),
    ],
)
def test_the_same_record_in_two_sessions_is_one_original(event_id: str, chars: int, copied: bool) -> None:
    first, second = (original_of(evidence(event_id, "x" * chars)) for _ in range(2))
    assert (first == second) is copied
