"""What may be merged and what may not: a cosine sees 0.99 in every one of these pairs."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.likeness import differing

DIFFER = [
    ("The proxy listens on port 8080.", "The proxy listens on port 8081.", "number"),
    ("Set the timeout to 30 s.", "Set the timeout to 30 ms.", "number"),
    ("Retry three times.", "Retry five times.", "number"),
    ("Pin numpy to 1.26.4 for now.", "Pin numpy to 2.1.0 for now.", "version"),
    ("Run pytest with --dist loadscope.", "Run pytest with --dist=loadfile --maxfail.", "flag"),
    ("The key lives in config/app.toml.", "The key lives in config/dev.toml.", "path"),
    ("Call `session.flush()` before the query.", "Call `session.commit()` before the query.", "identifier"),
    ("Restart the workers after a deploy.", "Do not restart the workers after a deploy.", "negation"),
    ("Never mock the database in tests.", "Always mock the database in tests.", "negation"),
    ("Enable the cache in production.", "Disable the cache in production.", "antonym"),
    ("Take the lock before the read.", "Take the lock after the read.", "antonym"),
    ("We use PostgreSQL instead of MySQL here.", "We use MySQL instead of PostgreSQL here.", "order"),
    ("Enable retries and disable caching.", "Enable caching and disable retries.", "order"),
    ("The docs are at https://docs.example.com/v1.", "The docs are at https://docs.example.com/v2.", "url"),
    ("Deploy with Terraform to the cluster.", "Deploy with Pulumi to the cluster.", "name"),
    ("The limit counts only failed calls, not cached ones.", "The limit counts only cached calls, not failed ones.", ""),
]
SAME = [
    ("The proxy listens on port 8080.", "Port 8080 is the one the proxy listens on."),
    ("Retry three times.", "Retry 3 times."),
    ("We store tokens on GitHub.", "we store tokens on github."),
    ("Set the timeout to 30 s in `app/db.py`.", "Set the timeout to 30 s."),
    ("Run the tests before you push.", "Run the tests before you push!"),
    ("It doesn't reload the file.", "It does not reload the file."),
]


@pytest.mark.parametrize(("a", "b", "why"), DIFFER)
def test_what_differs_in_something_exact_is_not_merged(a: str, b: str, why: str) -> None:
    reasons = differing(a, b)
    assert reasons
    assert any(reason.startswith(why) for reason in reasons), reasons


@pytest.mark.parametrize(("a", "b"), SAME)
def test_a_paraphrase_is_merged(a: str, b: str) -> None:
    assert differing(a, b) == ()


TEXT = st.lists(st.sampled_from(["port", "8080", "not", "never", "--flag", "a/b.py", "`x.y`", "enable", "GitHub", "30 s", ".", "instead of"]) | st.text(string.printable, max_size=8), max_size=15).map(" ".join)  # fmt: skip


@given(TEXT)
def test_a_text_is_like_itself(text: str) -> None:
    assert differing(text, text) == ()


@given(TEXT, TEXT)
def test_it_objects_to_both_directions_or_to_neither(a: str, b: str) -> None:
    assert bool(differing(a, b)) == bool(differing(b, a))


@given(TEXT, st.integers(100, 10**6))
def test_another_number_is_always_seen(text: str, number: int) -> None:
    assert differing(f"{text} uses {number} now", f"{text} uses {number + 1} now")
