"""Entity tags: which replies have one, and which requests they answer with 304."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from app.web.entity_tags import MAX_BYTES, conditional, matches, revision_of


def asked(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/v1/x", "headers": raw})


def tag_of(response: Response) -> str | None:
    return conditional(asked(), response).headers.get("etag")


def test_the_same_bytes_have_the_same_tag_and_others_another() -> None:
    assert tag_of(JSONResponse({"a": 1})) == tag_of(JSONResponse({"a": 1})) != tag_of(JSONResponse({"a": 2}))


@pytest.mark.parametrize(
    "response",
    [
        PlainTextResponse("x"),
        JSONResponse({}, status_code=404),
        JSONResponse({}, headers={"cache-control": "no-store"}),
        Response(b"1" * (MAX_BYTES + 1), media_type="application/json"),
        StreamingResponse(iter(()), media_type="application/json"),
    ],
    ids=["no JSON", "an error", "no-store", "large", "a stream"],
)
def test_what_may_not_be_kept_has_no_tag(response: Response) -> None:
    assert tag_of(response) is None
    assert conditional(asked(if_none_match="*"), response) is response


def test_a_known_reply_is_304_with_its_other_headers_and_no_body() -> None:
    made = JSONResponse({"a": 1}, headers={"location": "/v1/x/1", "x-cairn-cache": "miss"})
    tag = tag_of(made)
    assert tag is not None
    known = conditional(asked(if_none_match=tag), JSONResponse({"a": 1}, headers={"location": "/v1/x/1", "x-cairn-cache": "miss"}))
    assert (known.status_code, known.body) == (304, b"")
    assert {name: known.headers[name] for name in ("etag", "x-cairn-cache", "cache-control")} == {
        "etag": tag,
        "x-cairn-cache": "miss",
        "cache-control": "private, no-cache",
    }
    assert not [name for name in known.headers if name.startswith("content-")]


@pytest.mark.parametrize(
    ("given", "known"),
    [(None, False), ("", False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ('"b","ab"', False), ("a", False), (" * ", True)],
)
def test_a_tag_is_found_in_the_list_that_was_sent(given: str | None, known: bool) -> None:
    assert matches(given, '"a"') is known


def test_a_routes_own_tag_begins_the_tag_and_is_read_from_it() -> None:
    tag = tag_of(JSONResponse({}, headers={"etag": '"9b1c"'}))
    assert tag is not None
    assert tag.startswith('"9b1c-')
    for given in (tag, f"W/{tag}", '"9b1c"', "9b1c", ' "9b1c" '):
        assert revision_of(given) == "9b1c"
