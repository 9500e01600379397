"""What a call may cost at most, and what is left of it near the limit."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from app.budget.holds import Estimate, estimate_cost
from app.budget.prices import MTOK, Price, PriceTier, TokenBounds, TokenUsage, tiered
from app.budget.shrink import shrink

ROUND = Price(input=MTOK, output=2 * MTOK)
"""One nano-dollar for a token in, two for one out."""

amounts = st.integers(0, 10**10)
prices = st.builds(Price, amounts, amounts, st.none(), st.none() | amounts)


def most(input_tokens: int, max_tokens: int, price: Price, choices: int = 1) -> Estimate:
    """The estimate, counted another way: prompt at its dearest and answers, each rounded up."""
    parts = (input_tokens * max(price.input, price.cache_write or 0), max_tokens * choices * price.output)
    return Estimate(TokenBounds(input_tokens, max_tokens, choices), sum(-(-part // MTOK) for part in parts))


def test_the_worst_case_is_the_whole_prompt_and_the_longest_answer_of_each_choice() -> None:
    assert estimate_cost(TokenBounds(7, 100), ROUND) == Estimate(TokenBounds(7, 100), 7 + 200)
    three = estimate_cost(TokenBounds(7, 100, choices=3), ROUND)
    assert (three.tokens, three.nanousd) == (7 + 300, 7 + 600)


@pytest.mark.parametrize(
    ("price", "nanousd"),
    [
        pytest.param(Price(input=MTOK, output=0, cached_input=1, cache_write=2 * MTOK), 20, id="a cache write costs more than input"),
        pytest.param(Price(input=MTOK, cached_input=2 * MTOK), 20, id="a cache read costs more than input"),
        pytest.param(Price(input=MTOK, cached_input=1, cache_write=1), 10, id="neither"),
    ],
)
def test_a_prompt_is_estimated_at_the_highest_price_that_a_cache_can_make_of_it(price: Price, nanousd: int) -> None:
    assert estimate_cost(TokenBounds(10, 9), price).nanousd == nanousd


calls = st.tuples(st.integers(0, 10**6), st.integers(0, 10**5), prices, st.integers(1, 8))


@given(calls, st.data())
def test_no_answer_within_the_estimate_costs_more_than_it(call: tuple[int, int, Price, int], data: st.DataObject) -> None:
    input_tokens, max_tokens, price, choices = call
    estimate = estimate_cost(TokenBounds(input_tokens, max_tokens, choices), price)
    assert estimate == most(*call)
    used = data.draw(st.integers(0, input_tokens))
    written = data.draw(st.integers(0, used))
    usage = TokenUsage(used, data.draw(st.integers(0, max_tokens * choices)), data.draw(st.integers(0, used - written)), written)
    assert price.cost(usage) <= estimate.nanousd
    assert usage.total <= estimate.tokens


parts = st.none() | amounts
NAMES = ("web_search", "code_execution")
uses = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 20))


@st.composite
def rising(draw: st.DrawFn) -> Price:
    """Any price: with each part or without, steps at some lengths of the prompt, tools at a price per use."""
    price = Price(draw(amounts), draw(amounts), draw(parts), draw(parts), draw(parts))
    tiers, below = [], price
    for above in sorted(draw(st.sets(st.integers(1, 3 * 10**6), max_size=3))):
        below = Price.from_parts({name: amount + draw(amounts) for name, amount in below.parts.items()})
        tiers.append(PriceTier(above, below))
    return replace(tiered(price, tiers), tools=draw(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**8))))


@st.composite
def used_within(draw: st.DrawFn, bounds: TokenBounds) -> TokenUsage:
    """Any usage that a provider may report within these bounds, the lifetime of its cache writes told or not."""
    total = draw(st.integers(0, bounds.billed_input_tokens))
    written = 0 if bounds.cache_writes == "none" else draw(st.integers(0, total))
    long_lived = draw(st.integers(0, written if bounds.cache_writes == "1h" else 0))
    return TokenUsage(
        input=total,
        output=draw(st.integers(0, bounds.output_tokens)),
        cached_input=draw(st.integers(0, total - written)),
        cache_write=written,
        cache_write_1h=draw(st.sampled_from([long_lived, None])),
        tool_uses={name: draw(st.integers(0, most)) for name, most in bounds.tool_uses.items()},
    )


bounded = st.builds(
    TokenBounds,
    st.integers(0, 10**6),
    st.integers(0, 10**5),
    choices=st.integers(1, 8),
    cache_writes=st.sampled_from(["none", "5m", "1h"]),
    reasoning_tokens=st.sampled_from([0, 1, 64_000]),
    tool_uses=uses,
    tool_tokens=st.integers(0, 10**6),
)


@given(rising(), bounded, st.data())
def test_whatever_a_provider_bills_within_the_bounds_costs_no_more_than_the_hold(
    price: Price, bounds: TokenBounds, data: st.DataObject
) -> None:
    estimate, usage = estimate_cost(bounds, price), data.draw(used_within(bounds))
    assert price.cost(bounds.within(usage)) <= estimate.nanousd
    assert usage.total <= estimate.tokens
    assert price.cost(bounds.within(bounds.most())) <= estimate.nanousd


@given(rising(), bounded, st.integers(0, 10**15), st.integers(0, 3 * 10**6))
def test_a_shrunk_call_fits_what_is_affordable_whatever_it_is_made_of(price: Price, bounds: TokenBounds, nanousd: int, tokens: int) -> None:
    made = shrink(estimate_cost(bounds, price), price=price, min_tokens=1, affordable_nanousd=nanousd, affordable_tokens=tokens)
    if made is not None:
        assert made.nanousd <= nanousd
        assert made.tokens <= tokens
        assert replace(made.bounds, max_tokens=bounds.max_tokens) == bounds
        assert made.bounds.max_tokens <= bounds.max_tokens


RISING = tiered(
    Price(MTOK, 2 * MTOK, cache_write=MTOK),
    [PriceTier(1000, Price(3 * MTOK, 4 * MTOK, cache_write=5 * MTOK)), PriceTier(9000, Price(3 * MTOK, 9 * MTOK, cache_write=5 * MTOK))],
)


@given(st.integers(0, 20_000), st.integers(0, 500), st.integers(1, 4), st.data())
def test_no_answer_to_any_shorter_prompt_costs_more_than_the_tier_that_was_held(
    most_input: int, max_tokens: int, choices: int, data: st.DataObject
) -> None:
    estimate = estimate_cost(TokenBounds(most_input, max_tokens, choices), RISING)
    used = data.draw(st.integers(0, most_input))
    usage = TokenUsage(used, data.draw(st.integers(0, max_tokens * choices)), cache_write=data.draw(st.integers(0, used)))
    assert RISING.cost(usage) <= estimate.nanousd


@pytest.mark.parametrize(("tokens", "input_price", "output_price"), [(1000, 1, 2), (1001, 5, 4), (9000, 5, 4), (9001, 5, 9)])
def test_a_prompt_that_may_pass_a_threshold_is_held_at_the_higher_price(tokens: int, input_price: int, output_price: int) -> None:
    assert estimate_cost(TokenBounds(tokens, 10), RISING).nanousd == tokens * input_price + 10 * output_price


@pytest.mark.parametrize(("nanousd", "left"), [(5 * 2000 + 4 * 70, 70), (5 * 2000 + 4 * 70 - 1, 69), (5 * 2000 - 1, None)])
def test_an_answer_shrinks_at_the_tier_of_its_prompt(nanousd: int, left: int | None) -> None:
    made = shrink(Estimate(TokenBounds(2000, 100), 10**9), price=RISING, min_tokens=1, affordable_nanousd=nanousd)
    assert (None if made is None else made.bounds.max_tokens) == left
    assert made is None or made.nanousd <= nanousd


@pytest.mark.parametrize(
    ("nanousd", "tokens", "least", "left"),
    [
        pytest.param(None, None, 1, 100, id="no bound"),
        pytest.param(210, None, 1, 100, id="just affordable"),
        pytest.param(209, None, 1, 99, id="a nano-dollar short"),
        pytest.param(12, None, 1, 1, id="one token"),
        pytest.param(12, None, 2, None, id="one token is too few"),
        pytest.param(11, None, 1, None, id="half a token is none"),
        pytest.param(10, None, 0, 0, id="the prompt alone"),
        pytest.param(9, None, 0, None, id="not even the prompt"),
        pytest.param(-5, None, 0, None, id="overspent"),
        pytest.param(None, 110, 1, 100, id="tokens enough"),
        pytest.param(None, 109, 1, 99, id="a token short"),
        pytest.param(None, 11, 1, 1, id="one token beyond the prompt"),
        pytest.param(None, 10, 1, None, id="no token beyond the prompt"),
        pytest.param(None, 3, 0, None, id="fewer tokens than the prompt"),
        pytest.param(100, 90, 1, 45, id="both: dollars are tighter"),
        pytest.param(200, 30, 1, 20, id="both: tokens are tighter"),
        pytest.param(200, 30, 21, None, id="both: too few"),
        pytest.param(10**9, 10**9, 100, 100, id="never more than was asked"),
        pytest.param(10**9, 10**9, 101, None, id="fewer asked than the least"),
    ],
)
def test_an_answer_shrinks_to_what_is_affordable(nanousd: int | None, tokens: int | None, least: int, left: int | None) -> None:
    made = shrink(Estimate(TokenBounds(10, 100), 210), price=ROUND, min_tokens=least, affordable_nanousd=nanousd, affordable_tokens=tokens)
    assert made == (None if left is None else Estimate(TokenBounds(10, left), 10 + 2 * left))


@pytest.mark.parametrize(("nanousd", "tokens", "left"), [(610, 310, 100), (609, None, 99), (None, 309, 99), (15, 12, None), (16, 13, 1)])
def test_several_choices_share_what_is_affordable(nanousd: int | None, tokens: int | None, left: int | None) -> None:
    made = shrink(Estimate(TokenBounds(10, 100, 3), 610), price=ROUND, min_tokens=1, affordable_nanousd=nanousd, affordable_tokens=tokens)
    assert made == (None if left is None else Estimate(TokenBounds(10, left, 3), 10 + 6 * left))


@pytest.mark.parametrize(("nanousd", "fits"), [(10, True), (9, False)])
def test_an_answer_that_costs_nothing_stays_whole_or_its_prompt_is_too_dear(nanousd: int, fits: bool) -> None:
    made = shrink(Estimate(TokenBounds(10, 100), 10), price=Price(MTOK), min_tokens=1, affordable_nanousd=nanousd)
    assert (made == Estimate(TokenBounds(10, 100), 10)) is fits
    assert made is not None or not fits


@given(calls, st.integers(1, 2000), st.none() | st.integers(-(10**6), 10**11), st.none() | st.integers(-(10**6), 10**7))
@example((3, 3, Price(1, 1), 1), 1, 2, None)
@example((0, 10**5, Price(0, 10**10 - 1), 7), 1, 10**9, None)
def test_what_is_shrunk_is_affordable_long_enough_and_no_shorter_than_need_be(
    call: tuple[int, int, Price, int], least: int, nanousd: int | None, tokens: int | None
) -> None:
    input_tokens, max_tokens, price, choices = call
    dollars, room = (math.inf if each is None else each for each in (nanousd, tokens))

    def affordable(length: int) -> bool:
        estimate = most(input_tokens, length, price, choices)
        return estimate.nanousd <= dollars and estimate.tokens <= room

    made = shrink(most(*call), price=price, min_tokens=least, affordable_nanousd=nanousd, affordable_tokens=tokens)
    if made is None:
        assert max_tokens < least or not affordable(least)
        return
    assert made == most(input_tokens, made.bounds.max_tokens, price, choices)
    assert least <= made.bounds.max_tokens <= max_tokens
    assert affordable(made.bounds.max_tokens)
    assert made.bounds.max_tokens == max_tokens or not affordable(made.bounds.max_tokens + 1)


@given(calls, st.integers(0, 10**11))
def test_shrinking_again_to_the_same_room_changes_nothing(call: tuple[int, int, Price, int], nanousd: int) -> None:
    once = shrink(most(*call), price=call[2], min_tokens=1, affordable_nanousd=nanousd)
    assume(once is not None)
    assert once is not None
    assert shrink(once, price=call[2], min_tokens=1, affordable_nanousd=nanousd) == once
