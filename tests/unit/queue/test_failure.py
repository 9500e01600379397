"""What an exception means for its job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    CairnError,
    Conflict,
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    TooLarge,
    UnknownFormat,
    Unreadable,
    VectorStoreUnavailable,
)
from app.queue.failure import backoff_seconds, cause_of, failure_of
from app.settings import WorkerSettings


@pytest.mark.parametrize("kind", [InvalidInput, UnknownFormat, TooLarge, NotFound, Unreadable])
def test_an_error_that_a_retry_cannot_resolve_is_final(kind: type[CairnError]) -> None:
    failure = failure_of(kind("Send another file."))
    assert (failure.code, failure.message, failure.retryable) == (kind.code, "Send another file.", False)


@pytest.mark.parametrize("kind", [DatabaseUnavailable, VectorStoreUnavailable, Conflict, CairnError])
def test_an_error_that_may_pass_is_retryable(kind: type[CairnError]) -> None:
    assert failure_of(kind("Away.")).retryable


def test_only_the_type_of_a_foreign_error_is_kept_since_its_text_may_quote_a_transcript() -> None:
    failure = failure_of(ValueError("password=hunter2"))
    assert failure.code == "internal_error"
    assert failure.retryable
    assert "ValueError" in failure.message
    assert "hunter2" not in failure.message


def test_the_cause_of_a_group_of_one_is_its_only_error() -> None:
    inner = TooLarge("Split it.")
    assert cause_of(ExceptionGroup("", [ExceptionGroup("", [inner])])) is inner


def test_the_cause_of_a_group_is_the_error_that_waiting_does_not_resolve() -> None:
    away, wrong = DatabaseUnavailable("Away."), TooLarge("Split it.")
    assert cause_of(ExceptionGroup("", [away, ExceptionGroup("", [away, wrong])])) is wrong
    assert cause_of(ExceptionGroup("", [away, DatabaseUnavailable("Away too.")])) is away


@given(attempts=st.integers(1, 10_000), base=st.floats(0.01, 100), most=st.floats(0.01, 1000))
def test_the_backoff_is_bounded_and_never_zero(attempts: int, base: float, most: float) -> None:
    pause = backoff_seconds(attempts, WorkerSettings(backoff_seconds=base, backoff_max_seconds=most))
    assert 0 < pause <= most


@given(attempts=st.integers(1, 20))
def test_the_backoff_doubles_with_each_attempt_apart_from_jitter(attempts: int) -> None:
    settings = WorkerSettings(backoff_seconds=1, backoff_max_seconds=1e9)
    assert 2 ** (attempts - 1) / 2 <= backoff_seconds(attempts, settings) <= 2 ** (attempts - 1)
