"""Ids, names and URLs as they may be stored: without secrets, and of a length that PostgreSQL takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.redaction.stored_fields import ID_BYTES, NAME_CHARS, stored_id, stored_name, stored_url

KEY = "sk-ant-api03-" + "a1B2c3D4" * 11 + "AA"


def test_an_ordinary_id_stays_as_it_is() -> None:
    for name in ("toolu_01AbCdEfGhIjKlMn", "a2b5b1e8-0c5b-4c7e-8b1a-0123456789ab:3", "e-17", "日本"):
        assert stored_id(name) == name


def test_two_ids_that_hold_different_secrets_stay_two_ids() -> None:
    other = KEY.replace("a1B2", "z9Y8")
    assert stored_id(KEY) != stored_id(other)
    assert KEY not in stored_id(KEY)


@given(st.text(st.characters(codec=None), max_size=3000))
def test_an_id_fits_an_index_and_is_the_same_each_time(text: str) -> None:
    made = stored_id(text)
    assert len(made.encode()) <= ID_BYTES
    assert stored_id(text) == made == stored_id(made)


def test_a_name_is_cut_and_keeps_no_secret() -> None:
    assert len(stored_name("x" * 5000)) == NAME_CHARS
    assert KEY[:40] not in stored_name(f"deploy with {KEY[:20]}\x00{KEY[20:]}")


def test_a_repositorys_url_keeps_no_password() -> None:
    assert stored_url("https://ada:hunter2@example.org/acme/shop.git") == "https://example.org/acme/shop.git"
    assert stored_url("git@example.org:acme/shop.git") == "git@example.org:acme/shop.git"
