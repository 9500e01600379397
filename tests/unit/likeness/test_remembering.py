"""What was read in short texts is remembered, in long ones only for the comparison that goes on."""

from __future__ import annotations

import pytest

from app.likeness import differing
from app.likeness.claims import extract_claims
from app.likeness.remembering import ENTRIES, LONG_ENTRIES, LONGEST, remembered


@pytest.mark.parametrize(("length", "kept"), [(LONGEST, ENTRIES), (LONGEST + 1, LONG_ENTRIES)])
def test_few_long_texts_are_remembered(length: int, kept: int) -> None:
    read: list[str] = []

    @remembered
    def reading(text: str) -> int:
        read.append(text)
        return len(text)

    texts = [str(place).rjust(length) for place in range(kept + 1)]
    for text in (*texts[1:], *texts[1:]):
        assert reading(text) == length
    assert read == texts[1:]
    reading(texts[0])
    reading(texts[1])
    assert read == [*texts[1:], texts[0], texts[1]]


def test_a_path_or_a_name_is_held_as_a_longer_or_a_shorter_one() -> None:
    for one, other in (("app/core/clock.py", "core/clock.py"), ("/srv/app/run.sh", "run.sh"), ("clock.reset", "core.clock.reset")):
        assert not [why for why in differing(f"Read `{one}`.", f"Read `{other}`.") if why.startswith(("path", "identifier"))]
    assert differing("Read app/core/clock.py.", "Read app/core/block.py.")
    many = extract_claims(" ".join(f"m{place}.run" for place in range(300)))
    assert len(many.identifiers) == 300
    assert "run" in many.identifier_tails
