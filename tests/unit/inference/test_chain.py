"""Who is asked next after each way to fail, and what the caller is told when nobody answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import Price
from app.errors import AllProvidersFailed, BudgetExceeded, ContentRejected, DeadlineExceeded, RateLimited
from app.inference import chain
from app.inference.breaker import CircuitOpen
from app.inference.chain import MAX_RETRY_WAIT_SECONDS, RETRY_PAUSE_SECONDS, AttemptLog, ChainProvider, Step, next_step, with_larger_context
from app.inference.profiles import OPENAI
from app.inference.provider_errors import FailureKind, ProviderError
from app.inference.wires.wire import Wire

KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
CALLERS = {"caller", "content_policy"}


def candidate(name: str = "one", *, context: int | None = None) -> ChainProvider:
    return ChainProvider(name, OPENAI, f"{name}-model", Price(0), cast("Wire", None), context)


def too_dear(asked: int) -> BudgetExceeded:
    return BudgetExceeded("too dear", unit="nanousd", left=1, asked=asked, resets_at=datetime(2026, 12, 1, tzinfo=UTC))


kinds = st.sampled_from(KINDS)
found_faults = st.builds(
    ProviderError, kinds, st.just("it failed"), st.none() | st.sampled_from([400, 429, 500, 502, 503]), st.none() | st.floats(0, 100)
)
refusals = st.builds(CircuitOpen, st.floats(0, 100), st.booleans())
trails = st.builds(
    AttemptLog,
    faults=st.lists(st.tuples(st.just(candidate("a")), found_faults), max_size=3),
    open_circuits=st.lists(st.tuples(st.just(candidate("b")), refusals), max_size=3),
    unaffordable=st.lists(st.tuples(st.just(candidate("c")), st.builds(too_dear, st.integers(1, 9))), max_size=3),
)


@pytest.mark.parametrize("retries_left", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_only_what_the_caller_caused_stops_and_only_what_likely_passes_is_tried_again(kind: FailureKind, retries_left: int) -> None:
    step = next_step(ProviderError(kind, "it failed"), retries_left=retries_left)
    if kind in CALLERS:
        assert step == Step("stop")
    elif kind == "reset" and retries_left:
        assert step == Step("retry", RETRY_PAUSE_SECONDS)
    else:
        assert step == Step("next")


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        pytest.param(ProviderError("server_error", "", 500), Step("retry", RETRY_PAUSE_SECONDS), id="500 may be an accident"),
        pytest.param(ProviderError("server_error", "", 503), Step("next"), id="503 is not"),
        pytest.param(ProviderError("server_error", "", None), Step("next"), id="an error without a status"),
        pytest.param(ProviderError("server_error", "", 503, retry_after=0.1), Step("next"), id="whatever it says of its return"),
        pytest.param(ProviderError("rate_limited", "", 429), Step("next"), id="a limit without an end"),
        pytest.param(ProviderError("rate_limited", "", 429, retry_after=0), Step("retry", 0), id="a limit that is over"),
        pytest.param(
            ProviderError("rate_limited", "", 429, retry_after=MAX_RETRY_WAIT_SECONDS),
            Step("retry", MAX_RETRY_WAIT_SECONDS),
            id="a short one",
        ),
        pytest.param(ProviderError("rate_limited", "", 429, retry_after=MAX_RETRY_WAIT_SECONDS + 0.01), Step("next"), id="a long one"),
    ],
)
def test_a_retry_waits_as_long_as_the_fault_needs(fault: ProviderError, step: Step) -> None:
    assert next_step(fault, retries_left=1) == step
    assert next_step(fault, retries_left=0) == Step("next")


@given(found_faults, st.integers(-1, 3))
def test_no_wait_is_longer_than_a_caller_bears_and_none_is_without_a_retry_left(fault: ProviderError, retries_left: int) -> None:
    step = next_step(fault, retries_left=retries_left)
    assert 0 <= step.seconds <= MAX_RETRY_WAIT_SECONDS
    assert step.to != "retry" or retries_left > 0
    assert (step.to == "stop") == (fault.kind in CALLERS)


def test_a_prompt_too_long_goes_on_to_larger_windows_and_to_unknown_ones() -> None:
    small, same, large, unknown = (candidate(context=tokens) for tokens in (1000, 8000, 128_000, None))
    assert with_larger_context([small, same, large, unknown], candidate(context=8000)) == [large, unknown]
    assert with_larger_context([small, large, unknown], candidate(context=None)) == [small, large, unknown]
    assert with_larger_context([], candidate(context=8000)) == []


def test_a_trail_names_each_attempt_and_whom_it_left_alone() -> None:
    trail = AttemptLog(
        [
            (candidate("a"), ProviderError("server_error", "it answered 500", 500)),
            (candidate("a"), ProviderError("reset", "the connection broke")),
        ],
        [(candidate("b"), CircuitOpen(12.4, limited=False))],
        [(candidate("c"), too_dear(5))],
    )
    assert trail.attempts == 2
    assert trail.summary() == (
        "a (a-model): it answered 500; a (a-model): the connection broke; b: not tried, paused for 12 s more; c: the budget doesn't cover it"
    )
    assert isinstance(error := trail.error(), AllProvidersFailed)
    assert trail.summary() in error.message


@pytest.mark.parametrize("kind", ["caller", "content_policy", "context_too_long", "unsupported"])
def test_a_providers_words_about_the_prompt_are_not_repeated_among_the_attempts(kind: FailureKind) -> None:
    trail = AttemptLog(
        [(candidate("a"), ProviderError(kind, "the secret plan is too long")), (candidate("b"), ProviderError("reset", "it broke"))]
    )
    assert trail.summary() == f"a (a-model): {kind.replace('_', ' ')}; b (b-model): it broke"


def test_what_nobody_can_be_paid_for_is_a_budgets_error_the_cheapest_ones() -> None:
    dear, cheap = too_dear(90), too_dear(20)
    assert AttemptLog(unaffordable=[(candidate("a"), dear), (candidate("b"), cheap)]).error() is cheap
    left_alone = [(candidate("c"), CircuitOpen(20, limited=False))]
    assert AttemptLog(open_circuits=left_alone, unaffordable=[(candidate("b"), cheap)]).error() is cheap


@pytest.mark.parametrize("kind", ["context_too_long", "unsupported"])
def test_what_nobody_can_take_is_told_in_the_last_ones_words(kind: FailureKind) -> None:
    first = ProviderError("context_too_long", "8k", 400)
    last = ProviderError(kind, "128k", 400, code="context_length_exceeded", param="messages")
    error = AttemptLog([(candidate("a"), first), (candidate("b"), last)]).error()
    assert isinstance(error, ContentRejected)
    assert (error.message, error.code, error.param) == ("128k", "context_length_exceeded", "messages")


def test_where_everybody_limits_the_rate_the_soonest_return_is_told() -> None:
    trail = AttemptLog(
        [(candidate("a"), ProviderError("rate_limited", "429", retry_after=30))], [(candidate("b"), CircuitOpen(20, limited=True))]
    )
    assert isinstance(error := trail.error(), RateLimited)
    assert error.retry_after == 20
    assert error.message.endswith("Try again in 20 s.")


def test_a_rate_limit_without_an_end_is_a_second() -> None:
    assert isinstance(error := AttemptLog([(candidate(), ProviderError("rate_limited", "429"))]).error(), RateLimited)
    assert error.retry_after == 1
    assert error.message.endswith("Try again in 1 s.")


@pytest.mark.parametrize(
    "trail",
    [
        AttemptLog([(candidate("a"), ProviderError("rate_limited", "429"))], [(candidate("b"), CircuitOpen(20, limited=False))]),
        AttemptLog([(candidate("a"), ProviderError("rate_limited", "429")), (candidate("b"), ProviderError("timeout", "no answer"))]),
        AttemptLog([(candidate("a"), ProviderError("rate_limited", "429"))], unaffordable=[(candidate("b"), too_dear(5))]),
    ],
    ids=["one fails", "one times out", "one is too dear"],
)
def test_a_limit_is_the_callers_to_wait_for_only_if_nothing_else_went_wrong(trail: AttemptLog) -> None:
    assert isinstance(trail.error(), AllProvidersFailed)


@given(trails)
def test_the_end_of_a_chain_is_one_of_four_errors_and_never_sends_back_too_late(trail: AttemptLog) -> None:
    error = trail.error()
    assert isinstance(error, AllProvidersFailed | RateLimited | ContentRejected | BudgetExceeded)
    waits = [fault.retry_after for _, fault in trail.faults] + [circuit.seconds for _, circuit in trail.open_circuits]
    known = [wait for wait in waits if wait is not None]
    if isinstance(error, AllProvidersFailed):
        assert error.retry_after == min(known, default=None)
    if isinstance(error, RateLimited):
        assert error.retry_after == min(known, default=1.0)
    assert isinstance(error, BudgetExceeded) == bool(trail.unaffordable and not trail.faults)


def test_a_request_whose_time_ran_out_tells_what_it_had_tried() -> None:
    assert isinstance(error := AttemptLog().out_of_time(), DeadlineExceeded)
    assert error.message == "The request's deadline passed before any provider answered. Try again later."
    error = AttemptLog([(candidate("a"), ProviderError("timeout", "no answer in time"))]).out_of_time()
    assert error.message.endswith("answered. a (a-model): no answer in time. Try again later.")


def test_a_refusal_keeps_the_providers_words_code_and_field() -> None:
    error = chain.content_rejected(ProviderError("caller", "too hot", 400, code="invalid_value", param="temperature"))
    assert (error.message, error.code, error.param) == ("too hot", "invalid_value", "temperature")
    assert chain.content_rejected(ProviderError("caller", "no")).code == "provider_refused"


@pytest.mark.parametrize(("room", "final"), [(1000, True), (2000, True), (4000, False), (None, False)])
def test_too_long_is_final_only_where_nobody_with_more_room_is_left_out(room: int | None, final: bool) -> None:
    small, other = candidate("small", context=2000), candidate("other", context=room)
    trail = AttemptLog(
        [(small, ProviderError("context_too_long", "too long", 400))],
        [(other, CircuitOpen(20, limited=False))],
    )
    assert isinstance(trail.error(), ContentRejected if final else AllProvidersFailed)
