"""Query parameters that a route doesn't declare are refused; the route's own signature says which it does."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import pytest
from fastapi import Depends, FastAPI, Query
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.errors import InvalidInput
from app.main import ROUTERS
from app.web.authenticated_route import AuthenticatedRoute, VendorRoute
from app.web.query_parameters import DeclaredQuery


class Paged(BaseModel):
    size: int = 10
    tags: list[str] = []


async def inner(cursor: str | None = None) -> None:
    """A dependency with a parameter of its own."""


async def endpoint(
    name: str, types: Annotated[list[str], Query()], kind: Annotated[str, Query(alias="type")], _: Annotated[None, Depends(inner)]
) -> None:
    """A route."""


async def modelled(paging: Annotated[Paged, Query()]) -> None:
    """A route whose parameters are a model's fields."""


def declared(function: object) -> DeclaredQuery:
    app = FastAPI()
    app.add_api_route("/", function)  # type: ignore[arg-type]
    return DeclaredQuery(next(each for each in app.routes if getattr(each, "endpoint", None) is function).dependant)  # type: ignore[attr-defined]


def refusal(query: DeclaredQuery, raw: str) -> InvalidInput | None:
    try:
        query.check({"query_string": raw.encode()})
    except InvalidInput as error:
        return error
    return None


def test_declared_parameters_of_all_kinds_pass() -> None:
    assert refusal(declared(endpoint), "name=x&types=a&types=b&type=c&cursor=d") is None
    assert refusal(declared(modelled), "size=1&tags=a&tags=b") is None
    assert refusal(declared(endpoint), "") is None


@pytest.mark.parametrize(
    ("raw", "param", "says"),
    [
        ("kind=c", "kind", "leave it out"),
        ("typs=c", "typs", "did you mean types?"),
        ("Cursor=1", "Cursor", "did you mean cursor?"),
        ("name=a&name=b", "name", "2 times"),
        ("name", "", ""),
        ("na%6De=1&name=2", "name", "2 times"),
        ("=x", "", "is not a query parameter"),
        ("%ff=x", "\ufffd", "is not a query parameter"),
    ],
)
def test_others_and_repeated_ones_are_refused_by_name(raw: str, param: str, says: str) -> None:
    refused = refusal(declared(endpoint), raw)
    if not says:
        assert refused is None
    else:
        assert refused is not None
        assert refused.param == param
        assert says in refused.message


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=5), max_size=5))
def test_no_query_passes_that_names_anything_else(parameters: dict[str, str]) -> None:
    refused = refusal(declared(endpoint), urlencode(parameters))
    assert (refused is None) == (parameters.keys() <= {"name", "types", "type", "cursor"})


def test_only_routes_in_a_vendors_format_take_what_they_do_not_declare() -> None:
    open_to_all = {
        route.path for module in ROUTERS for route in module.router.routes if isinstance(route, VendorRoute) and route.include_in_schema
    }
    assert open_to_all == {
        *("/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/responses"),
        *("/v1/messages", "/v1/messages/count_tokens", "/api/hello"),
    }
    assert not AuthenticatedRoute.any_query
