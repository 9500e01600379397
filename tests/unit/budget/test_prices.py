"""What tokens cost, and which price lists are refused."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.price_list import SHIPPED, load
from app.budget.prices import (
    MTOK,
    PARTS,
    CacheWrites,
    Price,
    Prices,
    PriceTier,
    TokenBounds,
    TokenUsage,
    Traits,
    overruled,
    tiered,
    with_cache_writes,
)
from app.errors import ConfigurationError, NotFound
from app.tokens import MAX_IMAGE_TOKENS, ImageTokens, MediaTokens

GROQ = Price(input=590_000_000, output=790_000_000)
CLAUDE = Price(input=3 * 10**9, output=15 * 10**9, cached_input=3 * 10**8, cache_write=375 * 10**7)
DATED = "as_of = 2026-11-01\n"
TIER = "[[models.x.tiers]]\nabove_tokens = {}\ninput = {}\noutput = {}\n"

amounts = st.integers(0, 10**12)
prices = st.builds(Price, amounts, amounts, st.none() | amounts, st.none() | amounts)


@pytest.mark.parametrize(
    ("price", "usage", "nanousd"),
    [
        pytest.param(GROQ, TokenUsage(), 0, id="nothing"),
        pytest.param(GROQ, TokenUsage(input=MTOK, output=MTOK), 1_380_000_000, id="a million of each"),
        pytest.param(GROQ, TokenUsage(input=1), 590, id="one token"),
        pytest.param(Price(1), TokenUsage(input=1), 1, id="a part of a nano-dollar is a whole one"),
        pytest.param(Price(1), TokenUsage(input=MTOK), 1, id="exact is not rounded"),
        pytest.param(Price(1), TokenUsage(input=MTOK + 1), 2, id="a little above is"),
        pytest.param(Price(1, 1), TokenUsage(input=1, output=1), 1, id="the sum is rounded, not its parts"),
        pytest.param(CLAUDE, TokenUsage(input=10, cached_input=4, cache_write=3), 21_450, id="read from the cache, written to it, plain"),
        pytest.param(GROQ, TokenUsage(input=10, cached_input=4, cache_write=3), 5_900, id="without cache prices input's counts"),
        pytest.param(
            Price(MTOK, cached_input=0, cache_write=0), TokenUsage(input=9, cached_input=4, cache_write=3), 2, id="a price of 0 is one"
        ),
        pytest.param(Price(MTOK), TokenUsage(input=1, cached_input=5), 5, id="a provider that says more was cached than sent"),
        pytest.param(Price(0), TokenUsage(input=MTOK, output=MTOK), 0, id="free"),
    ],
)
def test_a_call_costs_its_tokens_at_their_prices(price: Price, usage: TokenUsage, nanousd: int) -> None:
    assert price.cost(usage) == nanousd


@given(prices, st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_charge_is_never_below_the_price_and_less_than_a_nano_dollar_above(
    price: Price, plain: int, read: int, written: int, output: int
) -> None:
    cached, write = (price.input if each is None else each for each in (price.cached_input, price.cache_write))
    exact = Fraction(plain * price.input + read * cached + written * write + output * price.output, MTOK)
    charged = price.cost(TokenUsage(input=plain + read + written, output=output, cached_input=read, cache_write=written))
    assert exact <= charged < exact + 1


def test_the_total_counts_what_was_cached_once() -> None:
    assert TokenUsage(input=10, output=5, cached_input=4, cache_write=3).total == 15


@pytest.mark.parametrize(
    ("price", "dearest"), [(GROQ, GROQ.input), (CLAUDE, CLAUDE.cache_write), (replace(CLAUDE, cache_write=1), CLAUDE.input)]
)
def test_an_estimate_counts_input_at_its_dearest(price: Price, dearest: int) -> None:
    assert price.max_input_price() == dearest


RISING = tiered(
    Price(1000, 2000, 100, 1250), [PriceTier(50_000, Price(2000, 3000, 200, 2500)), PriceTier(200_000, Price(2000, 9000, 250, 2500))]
)


@pytest.mark.parametrize(
    ("prompt", "above"), [(0, None), (50_000, None), (50_001, 50_000), (200_000, 50_000), (200_001, 200_000), (10**9, 200_000)]
)
def test_a_prompt_has_the_price_of_the_highest_tier_that_it_passes(prompt: int, above: int | None) -> None:
    price = next((tier.price for tier in RISING.tiers if tier.above_tokens == above), replace(RISING, tiers=()))
    assert RISING.for_prompt(prompt).as_record(TokenUsage()) == price.as_record(TokenUsage())
    assert RISING.as_record(TokenUsage(prompt)) == price.as_record(TokenUsage()) | ({} if above is None else {"above_tokens": above})
    assert RISING.cost(TokenUsage(prompt, 7, prompt // 2, prompt // 4)) == price.cost(TokenUsage(prompt, 7, prompt // 2, prompt // 4))


def test_what_was_cached_counts_as_a_part_of_the_prompt() -> None:
    assert RISING.cost(TokenUsage(50_001, 0, 50_001)) == -(-50_001 * 200 // MTOK)


@pytest.mark.parametrize(
    ("tiers", "says"),
    [
        ([PriceTier(5, Price(1, 2)), PriceTier(5, Price(1, 2))], "ascend: above_tokens 5 comes after 5"),
        ([PriceTier(9, Price(1, 2)), PriceTier(5, Price(1, 2))], "ascend: above_tokens 5 comes after 9"),
        ([PriceTier(0, Price(1, 2))], "ascend"),
        ([PriceTier(5, Price(0, 2))], "input of the tier above 5"),
        ([PriceTier(5, Price(1, 1))], "output of the tier above 5"),
        ([PriceTier(5, Price(9, 9)), PriceTier(7, Price(8, 9))], "input of the tier above 7"),
        ([PriceTier(5, Price(1, 2, 1))], "must set cached_input exactly if"),
    ],
)
def test_tiers_that_a_hold_could_not_rest_on_are_refused(tiers: list[PriceTier], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tiered(Price(1, 2), tiers)


def test_a_tier_has_the_cache_prices_of_the_price_below_it() -> None:
    with pytest.raises(ValueError, match="must set cache_write"):
        tiered(Price(1, 2, 1, 1), [PriceTier(5, Price(1, 2, 1))])


@pytest.mark.parametrize(
    ("parts", "base", "tier"),
    [
        ({}, Price(10, 20, 1), Price(15, 30, 2)),
        ({"input": 5}, Price(5, 20, 1), Price(15, 30, 2)),
        ({"input": 99}, Price(99, 20, 10), Price(99, 30, 14)),
        ({"cached_input": 7, "cache_write": 8}, Price(10, 20, 7, 8), Price(15, 30, 7, 8)),
    ],
)
def test_an_overruled_price_keeps_its_tiers_at_least_as_dear(parts: dict[str, int], base: Price, tier: Price) -> None:
    listed = tiered(Price(10, 20, 1), [PriceTier(1000, Price(15, 30, 2))])
    assert overruled(listed, parts) == replace(base, tiers=(PriceTier(1000, tier),))


@pytest.mark.parametrize(
    ("own", "base", "above"),
    [
        pytest.param(6, (2, 8), (2, 15), id="twice the input price: twice the cache prices"),
        pytest.param(20, (7, 27), (7, 27), id="above the tier's: its cache prices follow too"),
        pytest.param(1, (1, 4), (1, 15), id="a lower input price lowers no cache price"),
    ],
)
def test_a_cache_price_that_is_not_overruled_rises_with_the_input_price(own: int, base: tuple[int, int], above: tuple[int, int]) -> None:
    listed = tiered(Price(3, 9, cached_input=1, cache_write=4), [PriceTier(1000, Price(12, 18, cached_input=1, cache_write=15))])
    made = overruled(listed, {"input": own})
    tier = made.for_prompt(1001)
    assert (made.cached_input, made.cache_write) == base
    assert (tier.cached_input, tier.cache_write) == above


@given(st.integers(1, 10**10), st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 10**10))
def test_a_cache_write_never_falls_below_its_share_of_an_overruled_input_price(listed: int, write: int, above: int, own: int) -> None:
    dearer = Price(listed + above, cache_write=write + above)
    price = overruled(tiered(Price(listed, cache_write=write), [PriceTier(9, dearer)]), {"input": own})
    for new, old in ((price, Price(listed, cache_write=write)), (price.for_prompt(10), dearer)):
        assert new.cache_write is not None
        assert old.cache_write is not None
        assert new.cache_write >= old.cache_write
        assert new.cache_write * old.input >= old.cache_write * new.input


@pytest.mark.parametrize("factors", [(Fraction(2), Fraction(2)), (Fraction(5, 4), Fraction(2)), (Fraction(1), Fraction(1))])
def test_cache_writes_without_a_price_cost_a_factor_of_input_at_every_tier(factors: tuple[Fraction, Fraction]) -> None:
    price = with_cache_writes(tiered(Price(MTOK + 1, 9), [PriceTier(1000, Price(3 * MTOK, 9))]), *factors)
    for tokens, input_price in ((10, MTOK + 1), (2000, 3 * MTOK)):
        for factor, long_lived in zip(factors, (0, tokens), strict=True):
            cost = price.cost(TokenUsage(tokens, cache_write=tokens, cache_write_1h=long_lived))
            assert input_price * factor * tokens / MTOK <= cost < input_price * factor * tokens / MTOK + 1 + Fraction(tokens, MTOK)


def test_a_cache_write_that_lasts_longer_is_never_cheaper_than_a_short_one() -> None:
    dear = Price(MTOK, cache_write=3 * MTOK)
    assert with_cache_writes(dear, Fraction(5, 4), Fraction(2)).write_prices == (3 * MTOK, 3 * MTOK)
    assert with_cache_writes(CLAUDE, Fraction(5, 4), Fraction(2)).write_prices == (CLAUDE.cache_write, 2 * CLAUDE.input)


@pytest.mark.parametrize(
    ("long_lived", "asked", "nanousd"),
    [
        pytest.param(0, "1h", 375 * 4, id="told: none of them for an hour"),
        pytest.param(4, "1h", 600 * 4, id="told: all of them"),
        pytest.param(1, "1h", 375 * 3 + 600, id="told: one of them"),
        pytest.param(None, "1h", 600 * 4, id="untold, an hour asked for: the dearer"),
        pytest.param(None, "5m", 375 * 4, id="untold, only minutes asked for"),
        pytest.param(None, "none", 375 * 4, id="untold, nothing asked for"),
        pytest.param(4, "5m", 600 * 4, id="told, whatever was asked for"),
    ],
)
def test_cache_writes_cost_by_their_lifetime(long_lived: int | None, asked: CacheWrites, nanousd: int) -> None:
    price = replace(CLAUDE, cache_write_1h=6 * 10**9)
    usage = TokenBounds(10, 1, cache_writes=asked).within(TokenUsage(10, cache_write=4, cache_write_1h=long_lived))
    assert price.cost(usage) == 6 * 3000 + nanousd * 10


def test_a_usage_without_cache_writes_is_left_as_it_is() -> None:
    usage = TokenUsage(10, 3, 2)
    assert TokenBounds(10, 1, cache_writes="none").within(usage) is usage


def test_tools_that_the_vendor_ran_cost_by_use_and_unpriced_ones_nothing() -> None:
    price = replace(GROQ, tools={"web_search": 10_000_000})
    assert price.cost(TokenUsage(1, tool_uses={"web_search": 3, "other": 9})) == 590 + 30_000_000


def test_a_movements_price_tells_how_its_usage_was_priced() -> None:
    price = replace(CLAUDE, tools={"web_search": 10_000_000})
    record = price.as_record(TokenUsage(9, 1, cache_write=4, cache_write_1h=3, tool_uses={"web_search": 2}))
    assert record["cache_write_1h_tokens"] == 3
    assert record["tools"] == {"web_search": {"uses": 2, "price": 10_000_000}}
    assert price.as_record(TokenUsage(9, 1)).keys() == set(PARTS)


def test_usages_of_attempts_add_up() -> None:
    first = TokenUsage(10, 2, 3, 4, cache_write_1h=1, tool_uses={"web_search": 1}, reasoning=1)
    second = TokenUsage(5, 1, tool_uses={"web_search": 2, "web_fetch": 1})
    assert first + second == TokenUsage(15, 3, 3, 4, cache_write_1h=1, tool_uses={"web_search": 3, "web_fetch": 1})
    assert (first + second).reasoning == 1
    assert (first + TokenUsage(9, cache_write=2)).cache_write_1h is None
    assert TokenUsage() + second == second


def test_a_model_is_found_by_its_name_with_or_without_the_providers() -> None:
    special = Price(7)
    listed = Prices({"llama": GROQ, "azure/llama": special, "free": Price(0)})
    assert listed.price_of("llama") is listed.price_of("groq/llama") is listed.price_of("openrouter/meta/llama") is GROQ
    assert listed.price_of("azure/llama") is special
    assert listed.price_of("ollama/free") == Price(0)


@pytest.mark.parametrize("model", ["gpt-9", "openai/gpt-9", "", "llama/"])
def test_a_model_without_a_price_is_refused_by_name(model: str) -> None:
    with pytest.raises(NotFound, match="ask an admin to add its price") as refused:
        Prices({"llama": GROQ}).price_of(model)
    assert repr(model) in refused.value.message
    assert (refused.value.code, refused.value.param) == ("model_without_price", "model")


def test_the_shipped_list_can_be_read_and_says_when_and_where_it_was() -> None:
    shipped = load()
    assert isinstance(shipped.as_of, date)
    assert shipped.source
    assert set(shipped.models) == set(tomllib.loads(SHIPPED.read_text())["models"])
    assert shipped.price_of("llama-3.3-70b-versatile") == GROQ
    assert shipped.price_of("claude-sonnet-4-5").for_prompt(200_000) == replace(
        CLAUDE, cache_write_1h=2 * CLAUDE.input, tiers=shipped.price_of("claude-sonnet-4-5").tiers
    )
    assert shipped.price_of("local") == Price(0)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini-2.5-pro"])
def test_the_shipped_list_knows_whose_price_rises(model: str) -> None:
    price = load().price_of(model)
    assert [tier.above_tokens for tier in price.tiers] == [200_000]
    assert price.cost(TokenUsage(200_001, 1)) > 1.9 * price.cost(TokenUsage(200_000, 1))


def test_the_shipped_list_knows_each_models_window_and_images_and_who_thinks() -> None:
    shipped = load()
    texts = [name for name, price in shipped.models.items() if price.output > 0]
    assert [name for name in texts if shipped.traits_of(name).context_tokens is None] == []
    assert max(shipped.traits_of(name).media.images.most for name in shipped.models) <= MAX_IMAGE_TOKENS
    thinkers = {name for name in shipped.models if shipped.traits_of(name).reasoning}
    assert {"o3", "gpt-5-mini", "gemini-2.5-flash", "deepseek-reasoner", "grok-4"} <= thinkers
    assert not thinkers & {"gpt-4o", "claude-sonnet-4-5", "llama-3.3-70b-versatile", "local"}


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4o", 8, 85 + 8 * 170),  # tiles of 512 × 512 in 768 × 2,048
        ("gpt-4.1", 8, 85 + 8 * 170),
        ("gpt-5", 8, 70 + 8 * 140),
        ("o3", 8, 75 + 8 * 150),
        ("gpt-4o-mini", 8, 2833 + 8 * 5667),
        ("gpt-4.1-mini", 1536, math.ceil(1536 * 1.62)),  # patches
        ("gpt-5-mini", 1536, math.ceil(1536 * 1.62)),
        ("o4-mini", 1536, math.ceil(1536 * 1.72)),
        ("gpt-4.1-nano", 1536, math.ceil(1536 * 2.46)),
        ("gpt-5-nano", 1536, math.ceil(1536 * 2.46)),
        ("claude-sonnet-4-5", 784 * 1568, math.ceil(784 * 1568 / 750)),
        ("gemini-2.5-flash", 24, 25 * 258),
        ("grok-4", 6, 7 * 256),
        ("local", 12_845_056, 12_845_056 // 28**2 + 2),
    ],
)
def test_an_image_is_bounded_by_its_providers_formula(model: str, size: int, tokens: int) -> None:
    assert load().traits_of(model).media.images.most == tokens, size


def test_geminis_images_have_no_more_tiles_than_are_counted() -> None:
    """At most 3,072 a side; a tile is the shorter side / 1.5, from 256 to 768."""
    sizes = [(width, height) for width in range(32, 3073, 32) for height in range(1, 3073)]
    tiles = max(-(-width // side) * -(-height // side) for width, height in sizes for side in [_tile(width, height)])
    assert (tiles + 1) * 258 == load().traits_of("gemini-2.5-pro").media.images.most


def _tile(width: int, height: int) -> int:
    return min(768, max(256, int(min(width, height) / 1.5)))


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("a", True), ("vendor/a", True), ("a-2026-01-31", True), ("vendor/a-20260131", True), ("a@20260131", True), ("a-latest", True),
        ("a-mini", False), ("a-2026", False), ("b", False), ("", False),
    ],
)  # fmt: skip
def test_a_dated_version_is_its_model_and_nothing_else_is(model: str, known: bool) -> None:
    found = Traits(1000, MediaTokens(ImageTokens(85)), reasoning=True)
    assert Prices({"a": Price(1)}, traits={"a": found}).traits_of(model) == (found if known else Traits())
    assert Traits().media.images.most == MAX_IMAGE_TOKENS


def test_the_shipped_list_prices_output_above_input_and_the_cache_below() -> None:
    for model, price in load().models.items():
        assert price.output == 0 or price.output >= price.input, model
        assert price.cached_input is None or price.cached_input <= price.input, model
        assert price.cache_write is None or price.cache_write >= price.input, model


def test_a_list_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(DATED + '[models."x"]\ninput = 0.000000001\noutput = 1_000_000\ncached_input = 0\n')
    assert load(path) == Prices({"x": Price(1, 10**15, 0)}, date(2026, 11, 1), "")


def test_tiers_and_traits_are_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    traits = "context_tokens = 9000\nimage_tokens = 900\nimage_tokens_low = 85\nreasoning = true\n"
    path.write_text(DATED + "[models.x]\ninput = 1\noutput = 2\n" + traits + TIER.format(50, 2, 4) + TIER.format(500, 2, 5))
    usd = 10**9
    price = Price(usd, 2 * usd, tiers=(PriceTier(50, Price(2 * usd, 4 * usd)), PriceTier(500, Price(2 * usd, 5 * usd))))
    assert load(path) == Prices({"x": price}, date(2026, 11, 1), "", {"x": Traits(9000, MediaTokens(ImageTokens(900, 85)), reasoning=True)})


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
        (DATED + "[models.x]\ninput = 1\nreasoning = 1", "reasoning of 'x'"),
        (DATED + "[models.x]\ninput = 1\ncontext_tokens = 0", "context_tokens of 'x'"),
        (DATED + "[models.x]\ninput = 1\ncontext_tokens = true", "context_tokens of 'x'"),
        (DATED + "[models.x]\ninput = 1\nimage_tokens = 1.5", "image_tokens of 'x'"),
        (DATED + "[models.x]\ninput = 1\nimage_tokens = '9'", "image_tokens of 'x'"),
        (DATED + "[models.x]\ninput = 1\nimage_tokens_low = 9", "image_tokens_low of 'x'"),
        (DATED + "[models.x]\ninput = 1\nimage_tokens = 8\nimage_tokens_low = 9", "image_tokens_low of 'x'"),
        (DATED + "[models.x]\ninput = 1\ntiers = 7", "tiers of 'x'"),
        (DATED + "[models.x]\ninput = 1\ntiers = [7]", "tier of 'x' needs above_tokens, input and output"),
        (DATED + "[models.x]\ninput = 1\n[[models.x.tiers]]\nabove_tokens = 5\ninput = 2", "tier of 'x' needs above_tokens, input and"),
        (DATED + "[models.x]\ninput = 1\n[[models.x.tiers]]\ninput = 2\noutput = 2", "tier of 'x' needs above_tokens, input and output"),
        (DATED + "[models.x]\ninput = 1\n" + TIER.format(5, 2, 2) + "color = 2", "unknown fields in a tier of 'x': color"),
        (DATED + "[models.x]\ninput = 1\n" + TIER.format(0, 2, 2), "above_tokens of 'x'"),
        (DATED + "[models.x]\ninput = 1\n" + TIER.format(5, -2, 2), "input of 'x'"),
        (DATED + "[models.x]\ninput = 1\n" + TIER.format(5, 0.5, 2), "the tiers of 'x' are wrong: input of the tier above 5"),
        (DATED + "[models.x]\ninput = 1\n" + TIER.format(5, 2, 2) + TIER.format(5, 3, 3), "the tiers of 'x' are wrong: tiers must ascend"),
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
