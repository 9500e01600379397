"""What a call may cost at most, and what is left of it near the limit."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from app.budget.estimate import MARGINS, OTHER_MARGIN, Estimate, margin_of, of_chat, of_embeddings, of_size, shrunk
from app.budget.prices import MTOK, Price, PriceTier, TokenUsage, tiered
from app.tokens import ImageTokens, count_messages, count_text

ASKED = [{"role": "user", "content": "Why does the checkout charge twice?"}]
ROUND = Price(input=MTOK, output=2 * MTOK)
"""One nano-dollar for a token in, two for one out."""

amounts = st.integers(0, 10**10)
prices = st.builds(Price, amounts, amounts, st.none(), st.none() | amounts)


def most(input_tokens: int, max_tokens: int, price: Price, choices: int = 1) -> Estimate:
    """The estimate, counted another way: prompt at its dearest and answers, each rounded up."""
    parts = (input_tokens * max(price.input, price.cache_write or 0), max_tokens * choices * price.output)
    return Estimate(input_tokens, max_tokens, sum(-(-part // MTOK) for part in parts), choices)


calls = st.tuples(st.integers(0, 10**6), st.integers(0, 10**5), prices, st.integers(1, 8))


@pytest.mark.parametrize("kind", [*MARGINS, "ollama", ""])
def test_another_tokenizer_than_openais_gets_a_margin(kind: str) -> None:
    assert 1 <= margin_of(kind) <= OTHER_MARGIN
    made = of_chat(ASKED, tools=[], model="m", kind=kind, price=ROUND, max_tokens=0)
    assert made.input_tokens == count_messages(ASKED, model="m", margin=margin_of(kind))
    assert made.input_tokens >= count_messages(ASKED, model="m")
    assert (made.input_tokens == count_messages(ASKED, model="m")) == (kind in {"openai", "azure"})


def test_an_unknown_provider_gets_the_widest_margin() -> None:
    assert margin_of("somebody's own") == OTHER_MARGIN == max(OTHER_MARGIN, *MARGINS.values())


def test_a_chat_is_estimated_at_its_prompt_and_the_longest_answer() -> None:
    made = of_chat(ASKED, tools=[], model="gpt-4o", kind="openai", price=ROUND, max_tokens=100)
    counted = count_messages(ASKED, model="gpt-4o")
    assert made == Estimate(counted, 100, counted + 200)
    assert made.tokens == counted + 100


def test_each_of_the_choices_may_be_as_long() -> None:
    one = of_chat(ASKED, tools=[], model="m", kind="openai", price=ROUND, max_tokens=100)
    three = of_chat(ASKED, tools=[], model="m", kind="openai", price=ROUND, max_tokens=100, choices=3)
    assert (three.max_tokens, three.choices, three.tokens) == (100, 3, one.input_tokens + 300)
    assert three.nanousd == one.nanousd + 400


def test_tools_are_a_part_of_the_prompt() -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    bare, armed = (of_chat(ASKED, tools=each, model="m", kind="groq", price=ROUND, max_tokens=1).input_tokens for each in ([], tools))
    assert armed > bare + count_text(str(tools)) / 2


def test_a_prompt_that_may_be_written_to_the_cache_is_estimated_so() -> None:
    price = Price(input=MTOK, output=0, cached_input=1, cache_write=2 * MTOK)
    made = of_chat(ASKED, tools=[], model="m", kind="openai", price=price, max_tokens=9)
    assert made.nanousd == 2 * made.input_tokens


@pytest.mark.parametrize("texts", [[], [""], ["one"], ["one", "two words", "three words here"] * 30])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "somebody"])
def test_embeddings_are_estimated_by_their_texts_alone(texts: list[str], kind: str) -> None:
    made = of_embeddings(texts, model="text-embedding-3-small", kind=kind, price=ROUND)
    counted = sum(count_text(text, model="text-embedding-3-small") for text in texts)
    assert counted * margin_of(kind) <= made.input_tokens <= counted * margin_of(kind) + len(texts)
    assert made == most(made.input_tokens, 0, ROUND)


@given(calls, st.data())
def test_no_answer_within_the_estimate_costs_more_than_it(call: tuple[int, int, Price, int], data: st.DataObject) -> None:
    input_tokens, max_tokens, price, choices = call
    estimate = shrunk(Estimate(input_tokens, max_tokens, 0, choices), price=price, least_tokens=0)
    assert estimate == most(*call)
    used = data.draw(st.integers(0, input_tokens))
    written = data.draw(st.integers(0, used))
    usage = TokenUsage(used, data.draw(st.integers(0, max_tokens * choices)), data.draw(st.integers(0, used - written)), written)
    assert price.cost(usage) <= estimate.nanousd
    assert usage.total <= estimate.tokens


RISING = tiered(
    Price(MTOK, 2 * MTOK, cache_write=MTOK),
    [PriceTier(1000, Price(3 * MTOK, 4 * MTOK, cache_write=5 * MTOK)), PriceTier(9000, Price(3 * MTOK, 9 * MTOK, cache_write=5 * MTOK))],
)


@given(st.integers(0, 20_000), st.integers(0, 500), st.integers(1, 4), st.data())
def test_no_answer_to_any_shorter_prompt_costs_more_than_the_tier_that_was_held(
    most_input: int, max_tokens: int, choices: int, data: st.DataObject
) -> None:
    estimate = shrunk(Estimate(most_input, max_tokens, 0, choices), price=RISING, least_tokens=0)
    assert estimate is not None
    used = data.draw(st.integers(0, most_input))
    usage = TokenUsage(used, data.draw(st.integers(0, max_tokens * choices)), cache_write=data.draw(st.integers(0, used)))
    assert RISING.cost(usage) <= estimate.nanousd


@pytest.mark.parametrize(("words", "input_price", "output_price"), [(990, 1, 2), (1000, 5, 4), (9000, 5, 9)])
def test_a_prompt_that_may_pass_a_threshold_is_held_at_the_dear_price(words: int, input_price: int, output_price: int) -> None:
    made = of_chat([{"content": " word" * words}], tools=[], model="m", kind="openai", price=RISING, max_tokens=10)
    assert words < made.input_tokens < words + 10
    assert made.nanousd == made.input_tokens * input_price + 10 * output_price


@pytest.mark.parametrize(("nanousd", "left"), [(5 * 2000 + 4 * 70, 70), (5 * 2000 + 4 * 70 - 1, 69), (5 * 2000 - 1, None)])
def test_an_answer_shrinks_at_the_tier_of_its_prompt(nanousd: int, left: int | None) -> None:
    made = shrunk(Estimate(2000, 100, 10**9), price=RISING, least_tokens=1, affordable_nanousd=nanousd)
    assert (None if made is None else made.max_tokens) == left
    assert made is None or made.nanousd <= nanousd


@pytest.mark.parametrize(("context", "tokens"), [(None, 40_000), (30_000, 30_000)])
def test_a_prompt_too_large_to_count_is_held_at_its_bytes_and_all_its_images(context: int | None, tokens: int) -> None:
    made = of_size(30_000, 10_000, context_tokens=context, price=RISING, max_tokens=10)
    assert made == Estimate(tokens, 10, tokens * 5 + 90)


def test_a_models_images_are_counted_at_its_own_figure() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    for images in (ImageTokens(5000), ImageTokens(85)):
        with_two, without = (
            of_chat([{"content": each}], tools=[], model="m", kind="groq", price=ROUND, max_tokens=1, images=images).input_tokens
            for each in ([image, image], [])
        )
        assert with_two == without + 2 * images.most


def test_a_read_from_the_cache_that_costs_more_than_input_is_within_the_estimate() -> None:
    price = Price(input=MTOK, cached_input=2 * MTOK)
    estimate = of_chat(ASKED, tools=[], model="m", kind="openai", price=price, max_tokens=1)
    assert price.cost(TokenUsage(estimate.input_tokens, 0, estimate.input_tokens)) <= estimate.nanousd


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
    made = shrunk(Estimate(10, 100, 210), price=ROUND, least_tokens=least, affordable_nanousd=nanousd, affordable_tokens=tokens)
    assert made == (None if left is None else Estimate(10, left, 10 + 2 * left))


@pytest.mark.parametrize(("nanousd", "tokens", "left"), [(610, 310, 100), (609, None, 99), (None, 309, 99), (15, 12, None), (16, 13, 1)])
def test_several_choices_share_what_is_affordable(nanousd: int | None, tokens: int | None, left: int | None) -> None:
    made = shrunk(Estimate(10, 100, 610, 3), price=ROUND, least_tokens=1, affordable_nanousd=nanousd, affordable_tokens=tokens)
    assert made == (None if left is None else Estimate(10, left, 10 + 6 * left, 3))


@pytest.mark.parametrize(("nanousd", "fits"), [(10, True), (9, False)])
def test_an_answer_that_costs_nothing_stays_whole_or_its_prompt_is_too_dear(nanousd: int, fits: bool) -> None:
    made = shrunk(Estimate(10, 100, 10), price=Price(MTOK), least_tokens=1, affordable_nanousd=nanousd)
    assert (made == Estimate(10, 100, 10)) is fits
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

    made = shrunk(most(*call), price=price, least_tokens=least, affordable_nanousd=nanousd, affordable_tokens=tokens)
    if made is None:
        assert max_tokens < least or not affordable(least)
        return
    assert made == most(input_tokens, made.max_tokens, price, choices)
    assert least <= made.max_tokens <= max_tokens
    assert affordable(made.max_tokens)
    assert made.max_tokens == max_tokens or not affordable(made.max_tokens + 1)


@given(calls, st.integers(0, 10**11))
def test_shrinking_again_to_the_same_room_changes_nothing(call: tuple[int, int, Price, int], nanousd: int) -> None:
    once = shrunk(most(*call), price=call[2], least_tokens=1, affordable_nanousd=nanousd)
    assume(once is not None)
    assert once is not None
    assert shrunk(once, price=call[2], least_tokens=1, affordable_nanousd=nanousd) == once
