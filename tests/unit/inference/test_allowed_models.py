"""The models that a key may ask for: what an entry means, what is refused, and which name was meant."""

from __future__ import annotations

import pytest

from app.errors import InvalidInput, NotFound, NotPermitted
from app.inference.allowed_models import MAX_ENTRIES
from app.inference.catalog import Catalog
from app.inference.request import ChatRequest
from tests.unit.inference.test_catalog import THREE, catalog


@pytest.fixture
def made() -> Catalog:
    return catalog(THREE, profiles={"cheap": ("two", "one")}, own=True)


def asked(made: Catalog, model: str, allowed: tuple[str, ...] | None) -> list[str]:
    return [each.name for each in made.candidates(model, allowed)]


@pytest.mark.parametrize(
    ("allowed", "model", "providers"),
    [
        (None, "auto", ["one", "two", "three"]),
        (("auto",), "auto", ["one", "two", "three"]),
        (("big",), "auto", ["one", "three"]),
        (("three",), "auto", ["three"]),
        (("three/*",), "auto", ["three"]),
        (("two/small",), "cheap", ["two"]),
        (("two/small", "one"), "cheap", ["two", "one"]),
        (("cheap",), "cheap", ["two", "one"]),
        (("AUTO",), "auto", ["one", "two", "three"]),
        (("t*",), "cheap", ["two"]),
        (("THREE/Big",), "big", ["three"]),
        (("*",), "big", ["one", "three"]),
        (("t*/*",), "auto", ["two", "three"]),
    ],
)
def test_a_chain_keeps_the_links_that_the_key_may_use(
    made: Catalog, allowed: tuple[str, ...] | None, model: str, providers: list[str]
) -> None:
    assert asked(made, model, allowed) == providers
    assert [each.name for each in made.resolve(ChatRequest(model, []), allowed).chain] == providers


@pytest.mark.parametrize(
    ("allowed", "model"),
    [
        (("auto",), "big"),
        (("cheap",), "auto"),
        (("two/*",), "big"),
        (("two/*",), "three"),
        (("all-MiniLM-L6-v2",), "auto"),
    ],
)
def test_another_model_is_refused_with_what_the_key_may_use(made: Catalog, allowed: tuple[str, ...], model: str) -> None:
    with pytest.raises(NotPermitted, match="This key may not use") as raised:
        made.candidates(model, allowed)
    assert (raised.value.code, raised.value.param) == ("model_not_allowed", "model")
    assert repr(model) in raised.value.message
    assert allowed[0] in raised.value.message
    with pytest.raises(NotPermitted):
        made.require(model, allowed)


def test_the_list_of_models_holds_only_what_the_key_may_use(made: Catalog) -> None:
    assert made.models() == ["auto", "cheap", "big", "small", "all-MiniLM-L6-v2"]
    assert made.models(("cheap",)) == ["cheap"]
    assert made.models(("three/*",)) == ["auto", "big"]
    assert made.models(("two/*", "all-*")) == ["auto", "cheap", "small", "all-MiniLM-L6-v2"]


def test_an_unknown_model_is_unknown_and_not_forbidden(made: Catalog) -> None:
    with pytest.raises(NotFound, match="There are: cheap"):
        made.candidates("gpt-99", ("cheap",))


def test_embeddings_obey_the_list_too(made: Catalog) -> None:
    assert made.embedder("auto", ("auto",)).model == made.embedder("auto", ("all-MiniLM-L6-v2",)).model == "all-MiniLM-L6-v2"
    for model in ("auto", "all-MiniLM-L6-v2"):
        with pytest.raises(NotPermitted, match="This key may not use"):
            made.embedder(model, ("big",))


@pytest.mark.parametrize(
    "given", [["auto"], ["cheap", "big"], ["one"], ["two/small"], ["three/*"], ["*"], ["ALL-minilm*"], ["AUTO"], ["cairn/all-MiniLM-L6-v2"]]
)
def test_every_name_that_a_request_may_use_may_stand_in_a_list(made: Catalog, given: list[str]) -> None:
    assert made.checked_models(given) == tuple(given)


def test_a_provider_without_a_key_may_stand_in_a_list(made: Catalog) -> None:
    without = catalog(THREE, environment={})
    assert without.checked_models(["three/*", "auto"]) == ("three/*", "auto")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("bigg", "Did you mean big"),
        ("chaep", "Did you mean cheap"),
        ("two/smal", "Did you mean two/small"),
        ("nothing-at-all*", "There are: "),
        ("aut*", "Did you mean auto"),
        ("che*", "Did you mean cheap"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(made: Catalog, entry: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as raised:
        made.checked_models(["big", entry])
    assert raised.value.param == "models"
    assert repr(entry) in raised.value.message


@pytest.mark.parametrize("given", [[], ["big"] * (MAX_ENTRIES + 1), [""], ["a b"], ["x\0y"], ["[a-z]"], ["bíg"], ["b" * 201]])
def test_what_is_no_list_of_names_is_refused(made: Catalog, given: list[str]) -> None:
    with pytest.raises(InvalidInput, match="models") as raised:
        made.checked_models(given)
    assert raised.value.param == "models"


def test_an_entry_that_is_repeated_is_kept_once(made: Catalog) -> None:
    assert made.checked_models(["big", "auto", "big"]) == ("big", "auto")
