"""A query without intents reads what it read before; one with them asks for each in one way only."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import get_args

import pytest
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import postgresql

from app.cli import classify
from app.knowledge import item_search, passage_rows
from app.knowledge.passage_rows import PlaceFilter
from app.knowledge.results import Query
from app.mcp import definitions
from app.trajectory.intent import INTENTS
from cairn.client import inputs

STATEMENTS = {
    "passages by id": passage_rows._BY_ID,
    "passages by terms": passage_rows._BY_TERMS,
    "items": item_search._BY_ID,
    "replacing": item_search._REPLACING,
}


@pytest.mark.parametrize("statements", STATEMENTS.values(), ids=STATEMENTS)
def test_only_the_statements_of_a_query_with_intents_look_them_up(statements: Mapping[tuple[bool, bool], ClauseElement]) -> None:
    assert set(statements) == set(itertools.product((False, True), repeat=2))
    for (_, labelled), statement in statements.items():
        compiled = statement.compile(dialect=postgresql.dialect())
        assert ("intents" in compiled.params) == ("prompt_intents" in str(compiled)) == labelled


def test_the_same_intents_in_any_order_are_one_filter() -> None:
    one, other = Query("q", intents=("testing", "debugging", "testing")), Query("q", intents=("debugging", "testing"))
    assert one.where == other.where == {"intent": ["debugging", "testing"]}
    assert Query("q").where == {}


def test_a_filter_of_places_has_the_values_that_its_statement_takes() -> None:
    assert PlaceFilter().values == {}
    assert PlaceFilter(intents=("testing",)).values == {"intents": ["testing"]}


def test_every_client_names_the_same_intents() -> None:
    assert definitions.INTENTS == get_args(inputs.Intent) == INTENTS
    assert all(f"\n    {each} " in (classify.classify.__doc__ or "") for each in INTENTS)
