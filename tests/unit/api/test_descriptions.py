"""The API's description reads on its own: summaries open with a verb, descriptions are whole sentences or phrases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings

NO_VERBS = frozenset({"A", "An", "The", "What", "How", "Which", "Who", "Whether", "Your", "Every", "Each", "Of", "Its"})
METHODS = frozenset({"get", "put", "post", "patch", "delete"})


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return create_app(Settings(data_dir=Path("nowhere"))).openapi()


def descriptions(node: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Every `description` of the page, with where it stands; a field of that name is none."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "description" and isinstance(value, str):
                yield place, value
            elif key != "example":
                yield from descriptions(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from descriptions(value, f"{place}/{number}")


def test_every_route_has_a_summary_that_opens_with_a_verb(page: dict[str, Any]) -> None:
    summaries = {
        f"{method} {path}": each["summary"] for path, ways in page["paths"].items() for method, each in ways.items() if method in METHODS
    }
    assert {route: said for route, said in summaries.items() if said.split()[0] in NO_VERBS or said.endswith((".", "?"))} == {}


def test_every_description_of_a_field_is_a_sentence(page: dict[str, Any]) -> None:
    found = [(place, said) for place, said in descriptions(page["components"]["schemas"]) if not said.rstrip().endswith(".")]
    assert found == []


def test_every_parameter_that_is_no_id_or_limit_is_described(page: dict[str, Any]) -> None:
    bare = {
        parameter["name"]
        for ways in page["paths"].values()
        for each in ways.values()
        if isinstance(each, dict)
        for parameter in each.get("parameters", ())
        if not parameter.get("description")
    }
    assert {name for name in bare if name != "limit" and not name.endswith("_id")} == set()
