"""What a database's URL may say, and what is refused by name."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError
from app.storage.postgres_url import PostgresUrl, postgres_url


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_any_spelling_of_a_postgresql_url_will_do(scheme: str) -> None:
    assert postgres_url(f"{scheme}://u:p%40@h/d") == PostgresUrl("postgresql://u:p%40@h/d")


def test_libpqs_usual_parameters_are_taken() -> None:
    found = postgres_url("postgresql://u@h/d?sslmode=require&connect_timeout=9&application_name=shop&target_session_attrs=read-write")
    assert (found.connect_seconds, found.application_name) == (9, "shop")
    assert found.dsn == "postgresql://u@h/d?sslmode=require&target_session_attrs=read-write"


@pytest.mark.parametrize(("given", "mode"), [("ssl=true", "require"), ("ssl=verify-full", "verify-full"), ("ssl=false", "disable")])
def test_the_drivers_own_word_for_sslmode_is_taken(given: str, mode: str) -> None:
    assert postgres_url(f"postgresql://u@h/d?{given}").dsn == f"postgresql://u@h/d?sslmode={mode}"


@pytest.mark.parametrize(("given", "seconds"), [("0", None), ("1", 2), ("-1", None), ("30", 30)])
def test_a_connect_timeout_means_what_libpq_says(given: str, seconds: float | None) -> None:
    assert postgres_url(f"postgresql://u@h/d?connect_timeout={given}").connect_seconds == seconds


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("keepalives=1", "keepalives"),
        ("sslmode=require&channel_binding=require&gssencmode=disable", "channel_binding, gssencmode"),
        ("sslmode=on", "sslmode=on"),
        ("connect_timeout=soon", "connect_timeout=soon"),
    ],
)
def test_what_cannot_be_taken_is_named(query: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        postgres_url(f"postgresql://u@h/d?{query}")


def test_an_unreadable_url_says_what_one_looks_like() -> None:
    with pytest.raises(ConfigurationError, match="postgresql://"):
        postgres_url("not a url")


def test_another_database_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="sqlite"):
        postgres_url("sqlite:///cairn.db")
