"""Who takes part, what may be asked for as a model, and what is said of what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.budget.prices import Price, Prices, PriceTier, Traits
from app.errors import ConfigurationError, NotFound
from app.inference.catalog import Catalog
from app.inference.provider_prices import price_of
from app.inference.request import ChatRequest
from app.inference.wires import library
from app.inference.wires.compatible import CompatibleWire
from app.inference.wires.dialect_wire import DialectWire
from app.inference.wires.own import OwnWire
from app.inference.wires.through_litellm import LitellmWire
from app.settings import InferenceSettings, ProviderSettings
from app.tokens import MAX_IMAGE_TOKENS, ImageTokens, MediaTokens
from tests.fakes.embedder import WordsEmbedder

USD = 10**9
LISTED = Prices({
    "big": Price(3 * USD, 15 * USD, cached_input=USD // 2, cache_write=4 * USD),
    "small": Price(USD, 2 * USD),
    "vectors": Price(USD // 10),
    "rising": Price(USD, 2 * USD, tiers=(PriceTier(1000, Price(2 * USD, 4 * USD)),)),
}, traits={"rising": Traits(5000, MediaTokens(ImageTokens(900, 85)), reasoning=True)})  # fmt: skip
KEYS = {"KEY": "sk-secret"}


def provider(model: str = "big", kind: str = "openai", **more: Any) -> ProviderSettings:
    return ProviderSettings(kind=kind, model=model, **{"api_key_env": "KEY", **more})


def catalog(
    providers: Mapping[str, ProviderSettings],
    *,
    chain: tuple[str, ...] | None = None,
    profiles: Mapping[str, tuple[str, ...]] | None = None,
    environment: Mapping[str, str] = KEYS,
    own: bool = False,
) -> Catalog:
    options = InferenceSettings(chain=tuple(providers) if chain is None else chain, profiles=dict(profiles or {}))
    return Catalog(providers, options, LISTED, embedder=WordsEmbedder() if own else None, environment=environment)


def names(made: Catalog, model: str) -> list[str]:
    return [each.name for each in made.candidates(model)]


THREE = {"one": provider("big"), "two": provider("small", kind="groq"), "three": provider("big", kind="anthropic")}


@pytest.mark.parametrize("model", ["auto", "cheap", "big", "one", "two/small", "all-MiniLM-L6-v2"])
def test_each_name_that_a_request_may_use_is_known(model: str) -> None:
    catalog(THREE, profiles={"cheap": ("two",)}, own=True).require(model)


@pytest.mark.parametrize("model", ["gpt-99", "two/big", "cairn", "AUTO", "auto/x"])
def test_an_unknown_name_is_refused_with_the_list(model: str) -> None:
    made = catalog(THREE, profiles={"cheap": ("two",)}, own=True)
    with pytest.raises(NotFound, match="There are: auto, cheap, big, small, all-MiniLM-L6-v2") as raised:
        made.require(model)
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")


def test_a_model_without_a_price_is_refused_for_that_reason() -> None:
    with pytest.raises(NotFound, match="price") as raised:
        catalog({"one": provider("unpriced"), "two": provider("small")}).require("unpriced")
    assert raised.value.code == "model_without_price"


def test_a_chain_is_asked_in_its_own_order() -> None:
    made = catalog(THREE, chain=("three", "one"), profiles={"cheap": ("two", "one")})
    assert names(made, "auto") == ["three", "one"]
    assert names(made, "cheap") == ["two", "one"]


@pytest.mark.parametrize("model", ["two", "small", "two/small"])
def test_a_providers_name_its_model_and_both_mean_it_alone(model: str) -> None:
    assert names(catalog(THREE), model) == ["two"]


def test_a_model_that_two_have_may_fall_back() -> None:
    assert names(catalog(THREE), "big") == ["one", "three"]


def test_a_profile_goes_before_a_model_of_its_name() -> None:
    assert names(catalog(THREE, profiles={"big": ("two",)}), "big") == ["two"]


@pytest.mark.parametrize("model", ["auto", "cheap", "two", "small", "two/small"])
def test_a_setting_may_name_a_profile_or_a_providers_model_whether_or_not_it_has_its_key(model: str) -> None:
    catalog(THREE, profiles={"cheap": ("two",)}, environment={}).require_configured(model, setting="knowledge.answer_model")


def test_a_setting_that_names_no_model_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match=r"knowledge.answer_model is 'smal'.*There are: .*two/small"):
        catalog(THREE).require_configured("smal", setting="knowledge.answer_model")


def test_who_has_no_key_is_left_out_and_says_so() -> None:
    made = catalog({"one": provider(api_key_env="ABSENT"), "two": provider("small"), "open": provider("small", api_key_env=None)})
    assert names(made, "auto") == ["two", "open"]
    assert [(each.name, each.readiness) for each in made.statuses] == [("one", "no_key"), ("two", "ready"), ("open", "ready")]
    assert "ABSENT is not set" in made.statuses[0].detail
    assert sorted(made.breakers) == ["open", "two"]


def test_an_empty_key_is_none() -> None:
    assert catalog({"one": provider()}, environment={"KEY": ""}).statuses[0].readiness == "no_key"


def test_a_key_may_stand_in_a_file_and_one_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-secret\n")
    assert catalog({"one": provider()}, environment={"KEY_FILE": str(tmp_path / "key")}).statuses[0].readiness == "ready"
    made = catalog({"one": provider()}, environment={"KEY_FILE": str(tmp_path / "none")})
    assert (made.statuses[0].readiness, made.models()) == ("unusable", [])


def test_a_local_server_needs_an_address() -> None:
    made = catalog({"mine": provider(kind="local"), "yours": provider("small", kind="local", api_base="http://127.0.0.1:1/v1")})
    assert [each.readiness for each in made.statuses] == ["no_address", "ready"]
    assert "CAIRN_PROVIDERS__MINE__API_BASE" in made.statuses[0].detail


@pytest.mark.parametrize("asked", ["odd", "one", "one/odd"])
def test_a_model_without_a_price_is_refused_by_name(asked: str) -> None:
    made = catalog({"one": provider("odd"), "two": provider("small")})
    assert (made.statuses[0].readiness, names(made, "auto")) == ("no_price", ["two"])
    with pytest.raises(NotFound, match="'odd' has no price") as caught:
        made.candidates(asked)
    assert (caught.value.code, caught.value.param) == ("model_without_price", "model")


@pytest.mark.parametrize(
    ("model", "own", "price"),
    [
        pytest.param("big", {}, Price(3 * USD, 15 * USD, USD // 2, 4 * USD), id="the list's"),
        pytest.param("vendor/big", {}, Price(3 * USD, 15 * USD, USD // 2, 4 * USD), id="under a vendor's name"),
        pytest.param("big", {"output_usd_per_mtok": 1.0}, Price(3 * USD, USD, USD // 2, 4 * USD), id="a part overruled"),
        pytest.param("big", {"cached_input_usd_per_mtok": 0}, Price(3 * USD, 15 * USD, 0, 4 * USD), id="overruled with nothing"),
        pytest.param("odd", {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}, Price(0, 0), id="declared free"),
        pytest.param(
            "big", {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}, Price(USD, 2 * USD), id="its own: no cache prices of another"
        ),
        pytest.param(
            "odd",
            {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "cache_write_usd_per_mtok": 3},
            Price(USD, 2 * USD, None, 3 * USD),
            id="its own, with what a cache costs",
        ),
    ],
)
def test_a_price_is_the_lists_each_part_overruled_by_the_providers_own(model: str, own: dict[str, Any], price: Price) -> None:
    assert catalog({"one": provider(model, **own)}).candidates("one")[0].price == price


OWN = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}


@pytest.mark.parametrize(
    ("kind", "model", "writes"),
    [
        ("openai", "big", (USD, USD)),
        ("groq", "big", (USD, USD)),
        ("anthropic", "big", (USD * 5 // 4, 2 * USD)),
        ("bedrock", "big", (2 * USD, 2 * USD)),
        ("openai", "vendor/Claude-9", (USD * 5 // 4, 2 * USD)),
    ],
)
def test_a_cache_write_without_a_price_costs_more_than_input_where_it_may(kind: str, model: str, writes: tuple[int, int]) -> None:
    tiers = [{"above_tokens": 1000, "input_usd_per_mtok": 4, "output_usd_per_mtok": 20}]
    made = catalog(
        {"one": provider(model, kind=kind, price_tiers=tiers, **OWN), "two": provider(model, kind=kind, cache_write_usd_per_mtok=1, **OWN)}
    )
    own, given = made.candidates(model)
    assert own.price.write_prices == writes
    assert own.price.for_prompt(1001).write_prices == (4 * writes[0], 4 * writes[1])
    assert given.price.cache_write == USD
    assert given.price.max_input_price("1h") == max(writes[1], USD)


def test_a_listed_models_own_tiers_need_not_name_the_price_of_an_hour() -> None:
    listed = Prices({"claude": Price(USD, 2 * USD, cache_write=USD, cache_write_1h=2 * USD)})
    tiers = [{"above_tokens": 1000, "input_usd_per_mtok": 4, "output_usd_per_mtok": 20, "cache_write_usd_per_mtok": 5}]
    assert price_of(listed, provider("claude", "anthropic", price_tiers=tiers)).for_prompt(1001).write_prices == (5 * USD, 8 * USD)


def test_a_provider_charges_for_the_tools_that_its_kind_runs() -> None:
    listed = Prices({"big": Price(USD)}, tools={"anthropic": {"web_search": 10_000_000}})
    for kind, tools in (("anthropic", {"web_search": 10_000_000}), ("openai", {})):
        assert price_of(listed, provider("big", kind)).tools == tools


TIERS = [{"above_tokens": 1000, "input_usd_per_mtok": 4, "output_usd_per_mtok": 20}]
CACHING = {"cached_input_usd_per_mtok": 1, "cache_write_usd_per_mtok": 5}


def test_a_listed_price_rises_as_listed_also_where_a_part_is_overruled() -> None:
    listed = catalog({"one": provider("rising"), "two": provider("rising", input_usd_per_mtok=3)}).candidates("rising")
    assert [each.price.for_prompt(1001) for each in listed] == [Price(2 * USD, 4 * USD), Price(3 * USD, 4 * USD)]


def test_a_providers_own_price_rises_only_as_it_says_itself() -> None:
    own = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
    flat, rising = catalog({"one": provider("rising", **own), "two": provider("rising", price_tiers=TIERS, **own)}).candidates("rising")
    assert flat.price == Price(USD, 2 * USD)
    assert rising.price == Price(USD, 2 * USD, tiers=(PriceTier(1000, Price(4 * USD, 20 * USD)),))


def test_tiers_may_be_put_on_a_listed_price() -> None:
    (found,) = catalog({"one": provider("big", price_tiers=[TIERS[0] | CACHING])}).candidates("one")
    assert found.price.for_prompt(1000).input == 3 * USD
    assert found.price.for_prompt(1001) == Price(4 * USD, 20 * USD, USD, 5 * USD)


@pytest.mark.parametrize(
    ("tiers", "says"),
    [
        ([*TIERS, *TIERS], "ascend"),
        ([TIERS[0] | {"output_usd_per_mtok": 1}], "output"),
        ([TIERS[0] | {"cached_input_usd_per_mtok": 1}], "cached_input"),
    ],
)
def test_tiers_that_can_not_be_used_leave_the_provider_out_and_name_its_model(tiers: list[dict[str, Any]], says: str) -> None:
    made = catalog({"one": provider("small", price_tiers=tiers), "two": provider("big")})
    assert (made.statuses[0].readiness, names(made, "auto")) == ("unusable", ["two"])
    assert "'small'" in made.statuses[0].detail
    assert says in made.statuses[0].detail


@pytest.mark.parametrize(
    ("model", "own", "told"),
    [
        ("rising", {}, (5000, 900, 85, True)),
        ("vendor/rising-2026-02-03", {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}, (5000, 900, 85, True)),
        ("rising", {"context_tokens": 70, "image_tokens": 7, "reasoning": False}, (70, 7, None, False)),
        ("small", {}, (None, MAX_IMAGE_TOKENS, None, False)),
        ("small", {"reasoning": True}, (None, MAX_IMAGE_TOKENS, None, True)),
        ("odd", {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}, (None, MAX_IMAGE_TOKENS, None, False)),
    ],
)
def test_what_bounds_a_model_is_the_lists_unless_the_provider_says_otherwise(
    model: str, own: dict[str, Any], told: tuple[Any, ...]
) -> None:
    (found,) = catalog({"one": provider(model, **own)}).candidates("one")
    assert (found.context_tokens, found.media.images.most, found.media.images.low, found.reasoning) == told


def test_half_a_price_is_none() -> None:
    assert catalog({"one": provider("odd", input_usd_per_mtok=1)}).statuses[0].readiness == "no_price"


@pytest.mark.parametrize("where", ["chain", "profiles"])
def test_a_chain_with_an_unknown_provider_is_a_mistake_that_names_both(where: str) -> None:
    chains: dict[str, Any] = {"chain": ("one", "nobody")} if where == "chain" else {"profiles": {"cheap": ("nobody",)}}
    with pytest.raises(ConfigurationError, match=r"'(auto|cheap)' names nobody"):
        catalog({"one": provider()}, **chains)


def test_a_kind_that_nobody_knows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "providers", lambda: frozenset({"mistral"}))
    made = catalog({"one": provider(kind="nonsense"), "two": provider("small")})
    assert (made.statuses[0].readiness, names(made, "auto")) == ("unusable", ["two"])
    assert "kind 'nonsense', which litellm doesn't know" in made.statuses[0].detail


def test_an_unknown_model_is_told_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match=r"no model 'gpt-9' here. There are: auto, cheap, big, small\.") as caught:
        catalog(THREE, profiles={"cheap": ("two",)}).candidates("gpt-9")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(NotFound, match="No model can be used, because no provider has an API key"):
        catalog(THREE, environment={}, own=True).candidates("auto")  # Cairn's own model only embeds


def test_models_are_the_chains_that_have_somebody_then_each_providers_once() -> None:
    providers = {**THREE, "four": provider("odd"), "five": provider("small", embedding_model="vectors")}
    made = catalog(providers, profiles={"cheap": ("two",), "empty": ("four",)}, own=True)
    assert made.models() == ["auto", "cheap", "big", "small", "vectors", "all-MiniLM-L6-v2"]
    assert catalog(THREE, environment={}, own=True).models() == ["all-MiniLM-L6-v2"]


def test_vectors_come_from_the_first_providers_model_else_from_our_own() -> None:
    made = catalog({"one": provider(), "two": provider("small", embedding_model="vectors")}, own=True)
    assert [(found := made.embedder("auto")).name, found.model, found.price] == ["two", "vectors", Price(USD // 10)]
    assert made.embedder("two/vectors") is made.embedder("vectors") is found
    ours = catalog({"one": provider()}, own=True).embedder("auto")
    assert (ours.name, ours.model, ours.price) == ("cairn", "all-MiniLM-L6-v2", Price(0))
    assert isinstance(ours.wire, OwnWire)
    assert made.breaker(made.embedder("all-MiniLM-L6-v2")).name == "cairn"


def test_an_embedding_price_may_be_overruled_and_its_first_provider_keeps_a_model() -> None:
    providers = {name: provider("small", embedding_model="vectors", embedding_usd_per_mtok=usd) for name, usd in (("one", 7), ("two", 9))}
    found = catalog(providers).embedder("vectors")
    assert (found.name, found.price) == ("one", Price(7 * USD))


@pytest.mark.parametrize("asked", ["gpt-9", "big", "auto"])
def test_what_makes_no_vectors_is_no_embedding_model(asked: str) -> None:
    with pytest.raises(NotFound, match="no embedding model") as caught:
        catalog({"one": provider()}, own=asked != "auto").embedder(asked)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_an_embedding_model_without_a_price_is_left_out() -> None:
    made = catalog({"one": provider("small", embedding_model="odd")}, own=True)
    assert (names(made, "auto"), made.embedder("auto").name) == (["one"], "cairn")


@pytest.mark.parametrize(
    ("kind", "prefill", "wire"),
    [
        ("openai", False, CompatibleWire),
        ("groq", True, CompatibleWire),
        ("anthropic", True, DialectWire),
        ("gemini", False, DialectWire),
        ("mistral", False, LitellmWire),
    ],
)
def test_a_kind_decides_the_wire_and_who_continues_an_answer(kind: str, prefill: bool, wire: type) -> None:
    (found,) = catalog({"one": provider(kind=kind, context_tokens=99)}).candidates("one")
    assert (found.profile.kind, found.prefill, found.context_tokens) == (kind, prefill, 99)
    assert isinstance(found.wire, wire)
    assert catalog({"one": provider(kind=kind, prefill=not prefill)}).candidates("one")[0].prefill is not prefill


async def test_it_prepares_and_closes_what_it_has() -> None:
    made = catalog(THREE)
    await made.prepare()
    assert made.tokenizers_loaded.is_set()
    await made.close()


async def test_tokenizers_that_can_not_be_loaded_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str, *, model: str) -> int:
        raise OSError(f"no file for {model}")

    monkeypatch.setattr("app.inference.catalog.count_text", refuse)
    made = catalog(THREE)
    with pytest.raises(OSError, match="no file"):
        await made.prepare()
    assert made.tokenizers_loaded.is_set()


def test_a_request_is_given_its_chain_once() -> None:
    made = catalog(THREE)
    found = made.resolve(ChatRequest("auto", []))
    assert [each.name for each in found.chain] == names(made, "auto")
    assert made.resolve(found) is found
    with pytest.raises(NotFound):
        made.resolve(ChatRequest("gpt-9", []))
