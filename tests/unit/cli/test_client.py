"""What a command prints of an error: the server's message with the request's id, or who answered instead of Cairn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.cli.client import error_of, refused

ASKED = "GET http://127.0.0.1:8080/v1/teams"


def body(**fields: Any) -> bytes:
    return json.dumps({"error": {"message": "It failed.", "type": "api_error", "code": "internal_error", "param": None, **fields}}).encode()


@pytest.mark.parametrize("status", [404, 409, 422])
def test_an_error_that_its_reader_can_mend_is_shown_without_the_requests_id(status: int) -> None:
    error = refused(body(request_id="4f0c9a", param="limit"), status=status, asked=ASKED)
    assert (error.message, error.status, error.param) == ("It failed.", status, "limit")


@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_of_the_server_is_shown_with_the_requests_id(status: int) -> None:
    error = refused(body(request_id="4f0c9a"), status=status, asked=ASKED)
    assert (error.message, error.status, error.code) == ("It failed. (request id 4f0c9a)", status, "internal_error")


def test_a_streamed_error_is_shown_with_the_requests_id() -> None:
    assert error_of(json.loads(body(request_id="77ab")), status=500).message == "It failed. (request id 77ab)"


@pytest.mark.parametrize("fields", [{}, {"request_id": None}])
def test_an_error_without_an_id_is_shown_as_it_is(fields: dict[str, Any]) -> None:
    assert refused(body(**fields), status=500, asked=ASKED).message == "It failed."


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (502, "a proxy answered that couldn't reach Cairn"),
        (503, "a proxy answered"),
        (504, "a proxy answered"),
        (404, "Check that CAIRN_URL"),
        (500, "Check that CAIRN_URL"),
        (599, "Check that CAIRN_URL"),
    ],
)
@pytest.mark.parametrize("raw", [b"<html>Bad Gateway</html>", b"", b"[]", b'{"error": "no"}', b"\xff"])
def test_an_answer_that_is_not_cairns_names_what_was_asked_and_by_whom_it_was_answered(status: int, words: str, raw: bytes) -> None:
    error = refused(raw, status=status, asked=ASKED)
    assert error.message.startswith(f"{ASKED} was answered with status {status} (")
    assert words in error.message
