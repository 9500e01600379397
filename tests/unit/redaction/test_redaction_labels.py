"""Labels: an identifier that looks like a secret is refused without repeating it, free text is redacted."""

from __future__ import annotations

import pytest

from app.errors import InvalidInput
from app.redaction.labels import check_label, free_text, looks_like_a_secret

SECRETS = [
    "gh" + "p_" + "A1b2" * 9,
    "review-" + "sk" + "-ant-api03-" + "xK92fLq7" * 8,
    "password=" + "tulip" + "47x",
    "https://bob:" + "Vq7!mz2Kd" + "@example.org",
    "credentials: bob / " + "m7WqLx2Tn4",
]
LABELS = ["review", "shop", "ada@example.org", "nightly-2026-10-01", "4f0c9a7e2b1d4c5f8a6b7c8d9e0f1a2b", "9fceb02d", "gpt-4o-2024-08-06"]


@pytest.mark.parametrize("label", SECRETS)
def test_a_label_that_looks_like_a_secret_is_refused_without_repeating_it(label: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_label(label, param="x-cairn-purpose")
    assert refused.value.param == "x-cairn-purpose"
    assert refused.value.message.startswith("x-cairn-purpose looks like a secret")
    assert label not in refused.value.message
    assert looks_like_a_secret(label)


@pytest.mark.parametrize("label", LABELS)
def test_an_ordinary_label_is_taken(label: str) -> None:
    check_label(label, param="name")
    assert free_text(label) == label


def test_free_text_keeps_its_words() -> None:
    assert free_text("for the release, password: " + "tulip" + "47x") == "for the release, password: [REDACTED:password]"
