"""What tokens cost, and which price lists are refused."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import MTOK, SHIPPED, Price, Prices, Usage, load
from app.errors import ConfigurationError, NotFound

GROQ = Price(input=590_000_000, output=790_000_000)
CLAUDE = Price(input=3 * 10**9, output=15 * 10**9, cached_input=3 * 10**8, cache_write=375 * 10**7)
DATED = "as_of = 2026-11-01\n"

amounts = st.integers(0, 10**12)
prices = st.builds(Price, amounts, amounts, st.none() | amounts, st.none() | amounts)


@pytest.mark.parametrize(
    ("price", "usage", "nanousd"),
    [
        pytest.param(GROQ, Usage(), 0, id="nothing"),
        pytest.param(GROQ, Usage(input=MTOK, output=MTOK), 1_380_000_000, id="a million of each"),
        pytest.param(GROQ, Usage(input=1), 590, id="one token"),
        pytest.param(Price(1), Usage(input=1), 1, id="a part of a nano-dollar is a whole one"),
        pytest.param(Price(1), Usage(input=MTOK), 1, id="exact is not rounded"),
        pytest.param(Price(1), Usage(input=MTOK + 1), 2, id="a little above is"),
        pytest.param(Price(1, 1), Usage(input=1, output=1), 1, id="the sum is rounded, not its parts"),
        pytest.param(CLAUDE, Usage(input=10, cached_input=4, cache_write=3), 21_450, id="read from the cache, written to it, plain"),
        pytest.param(GROQ, Usage(input=10, cached_input=4, cache_write=3), 5_900, id="without cache prices input's counts"),
        pytest.param(
            Price(MTOK, cached_input=0, cache_write=0), Usage(input=9, cached_input=4, cache_write=3), 2, id="a price of 0 is one"
        ),
        pytest.param(Price(MTOK), Usage(input=1, cached_input=5), 5, id="a provider that says more was cached than sent"),
        pytest.param(Price(0), Usage(input=MTOK, output=MTOK), 0, id="free"),
    ],
)
def test_a_call_costs_its_tokens_at_their_prices(price: Price, usage: Usage, nanousd: int) -> None:
    assert price.cost(usage) == nanousd


@given(prices, st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_charge_is_never_below_the_price_and_less_than_a_nano_dollar_above(
    price: Price, plain: int, read: int, written: int, output: int
) -> None:
    cached, write = (price.input if each is None else each for each in (price.cached_input, price.cache_write))
    exact = Fraction(plain * price.input + read * cached + written * write + output * price.output, MTOK)
    charged = price.cost(Usage(input=plain + read + written, output=output, cached_input=read, cache_write=written))
    assert exact <= charged < exact + 1


def test_the_total_counts_what_was_cached_once() -> None:
    assert Usage(input=10, output=5, cached_input=4, cache_write=3).total == 15


@pytest.mark.parametrize(
    ("price", "dearest"), [(GROQ, GROQ.input), (CLAUDE, CLAUDE.cache_write), (replace(CLAUDE, cache_write=1), CLAUDE.input)]
)
def test_an_estimate_counts_input_at_its_dearest(price: Price, dearest: int) -> None:
    assert price.dearest_input == dearest


def test_a_model_is_found_by_its_name_with_or_without_the_providers() -> None:
    special = Price(7)
    listed = Prices({"llama": GROQ, "azure/llama": special, "free": Price(0)})
    assert listed.of("llama") is listed.of("groq/llama") is listed.of("openrouter/meta/llama") is GROQ
    assert listed.of("azure/llama") is special
    assert listed.of("ollama/free") == Price(0)


@pytest.mark.parametrize("model", ["gpt-9", "openai/gpt-9", "", "llama/"])
def test_a_model_without_a_price_is_refused_by_name(model: str) -> None:
    with pytest.raises(NotFound, match=r"prices\.toml") as refused:
        Prices({"llama": GROQ}).of(model)
    assert repr(model) in refused.value.message
    assert (refused.value.code, refused.value.param) == ("model_without_price", "model")


def test_the_shipped_list_can_be_read_and_says_when_and_where_it_was() -> None:
    shipped = load()
    assert isinstance(shipped.as_of, date)
    assert shipped.source
    assert set(shipped.models) == set(tomllib.loads(SHIPPED.read_text())["models"])
    assert shipped.of("llama-3.3-70b-versatile") == GROQ
    assert shipped.of("claude-sonnet-4-5") == CLAUDE
    assert shipped.of("local") == Price(0)


def test_the_shipped_list_prices_output_above_input_and_the_cache_below() -> None:
    for model, price in load().models.items():
        assert price.output == 0 or price.output >= price.input, model
        assert price.cached_input is None or price.cached_input <= price.input, model
        assert price.cache_write is None or price.cache_write >= price.input, model


def test_a_list_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(DATED + '[models."x"]\ninput = 0.000000001\noutput = 1_000_000\ncached_input = 0\n')
    assert load(path) == Prices({"x": Price(1, 10**15, 0)}, date(2026, 11, 1), "")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "as_of"),
        (DATED, "models"),
        (DATED + "models = 3", "models"),
        ("[models.x]\ninput = 1", "as_of"),
        ("as_of = 'today'\n[models.x]\ninput = 1", "as_of"),
        ("[models", "can't be read"),
        (b"\xff\xfe", "can't be read"),
        (None, "can't be read"),
        (DATED + "[models]\nx = 1", "input price of 'x'"),
        (DATED + "[models.x]\noutput = 1", "input price of 'x'"),
        (DATED + "[models.x]\ninput = 1\ninptu = 2\ncolour = 3", "fields for 'x': colour, inptu"),
        (DATED + "[models.x]\ninput = -1", "input of 'x'"),
        (DATED + "[models.x]\ninput = 1\noutput = nan", "output of 'x'"),
        (DATED + "[models.x]\ninput = 1\ncached_input = inf", "cached_input of 'x'"),
        (DATED + "[models.x]\ninput = 1\ncache_write = 'dear'", "cache_write of 'x'"),
        (DATED + "[models.x]\ninput = true", "input of 'x'"),
        (DATED + "[models.x]\ninput = [1]", "input of 'x'"),
        (DATED + "[models.x]\ninput = 1_000_001", "input of 'x'"),
    ],
)
def test_a_list_that_cannot_be_used_names_itself_and_the_field(tmp_path: Path, content: str | bytes | None, says: str) -> None:
    path = tmp_path / "prices.toml"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    assert says in refused.value.message
    assert str(path) in refused.value.message
