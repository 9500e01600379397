"""Keys: their shape, and that only a keyed digest of them is kept."""

from __future__ import annotations

import re

from app.accounts.keys import digest, make_key, public_id_of

SECRET = "s" * 40


def test_a_key_has_the_announced_shape() -> None:
    assert re.fullmatch(r"cairn_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", make_key(SECRET).key)


def test_the_lookup_is_the_public_part_of_the_key() -> None:
    made = make_key(SECRET)
    assert public_id_of(made.key) == made.public_id


def test_no_two_keys_are_alike() -> None:
    made = [make_key(SECRET) for _ in range(100)]
    assert len({each.key for each in made}) == len({each.public_id for each in made}) == 100


def test_what_is_no_key_of_ours_has_no_lookup() -> None:
    key = make_key(SECRET).key
    for other in ("", "cairn", key[:-1], key + "x", key.upper(), f" {key}", f"{key}\n", "sk-" + "a" * 40):
        assert public_id_of(other) is None, other


def test_the_digest_depends_on_the_whole_key_and_on_the_secret_key() -> None:
    key = make_key(SECRET).key
    assert digest(SECRET, key) == digest(SECRET, key)
    assert digest(SECRET, key) != digest(SECRET, key[:-1] + ("a" if key[-1] != "a" else "b"))
    assert digest(SECRET, key) != digest("t" * 40, key)


def test_any_text_can_be_digested() -> None:
    assert len(digest(SECRET, "\ud800 \x00 ключ")) == 32


def test_a_new_key_does_not_show_itself_when_printed() -> None:
    made = make_key(SECRET)
    assert made.key not in repr(made)
