"""A redirect never leaves this host, however its place is written."""

from __future__ import annotations

import pytest
from starlette.datastructures import MutableHeaders

from app.web.redirects import allow, keep_on_host, local_path

AWAY = [
    "https://evil.example/",
    "https:evil.example",
    "http:/evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example/dashboard",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "/\u3000/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "?x",
    "",
    "//[",
    "／／evil.example",
]


@pytest.mark.parametrize("place", AWAY)
def test_what_a_browser_could_take_for_another_host_is_not_followed(place: str) -> None:
    assert local_path(place, otherwise="/dashboard") == "/dashboard"


@pytest.mark.parametrize("place", ["/", "/dashboard", "/dashboard/team?team=a%2Fb#x", "/v1/sessions?next=https://evil.example"])
def test_a_path_of_ours_stays(place: str) -> None:
    assert local_path(place) == place


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("http://cairn.example/v1/sessions?a=b", "/v1/sessions?a=b"),
        ("https://evil.example//evil.example/x", "/evil.example/x"),
        ("http://evil.example", "/"),
        ("//evil.example/x", "/"),
        ("ftp://evil.example/x", "/"),
        ("http://[", "/"),
        ("/dashboard/team", "/dashboard/team"),
    ],
)
def test_every_answers_redirect_is_made_a_path(place: str, kept: str) -> None:
    headers = MutableHeaders({"location": place})
    keep_on_host(headers, {"type": "http"})
    assert headers["location"] == kept


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("https://login.example.com/authorize?state=x", "https://login.example.com/authorize?state=x"),
        ("https://login.example.com/authorize?state=y", "/authorize?state=y"),
        ("https://login.example.com.evil.example/authorize?state=x", "/authorize?state=x"),
    ],
)
def test_an_answer_leads_to_the_one_address_that_was_allowed_for_its_request(place: str, kept: str) -> None:
    scope: dict[str, object] = {"type": "http"}
    allow(scope, "https://login.example.com/authorize?state=x")
    headers = MutableHeaders({"location": place})
    keep_on_host(headers, scope)
    assert headers["location"] == kept
