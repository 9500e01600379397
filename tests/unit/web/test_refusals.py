"""What a connection is told that is refused before the application sees its request."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from app.web.connections import ConnectionLimits
from app.web.refusals import HEAD_TOO_LARGE, NOT_HTTP, REFUSALS, HttpRefusal, refusal_of

LIMITS = ConnectionLimits(
    header_seconds=7, body_seconds=9, body_bytes_per_second=123, write_seconds=1, idle_seconds=1, total=1, per_address=1
)


def parts(refusal: HttpRefusal) -> tuple[str, dict[str, str], dict[str, str]]:
    """The status line, the headers and the error of a response."""
    head, _, body = refusal.response().partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return status, headers, json.loads(body)["error"]


@pytest.mark.parametrize("refusal", [NOT_HTTP, HEAD_TOO_LARGE, *REFUSALS.values()], ids=lambda refusal: refusal.code)
def test_a_refusal_is_a_whole_response_in_the_apis_shape(refusal: HttpRefusal) -> None:
    status, headers, error = parts(refusal)
    assert status == f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}"
    assert headers["connection"] == "close"
    assert headers["x-request-id"] == error["request_id"]
    assert ("retry-after" in headers) is (refusal.status is HTTPStatus.SERVICE_UNAVAILABLE)
    assert error["type"] == ("unavailable_error" if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE else "invalid_request_error")
    assert (error["code"], error["param"]) == (refusal.code, None)
    assert error["message"].endswith(".")


def test_a_missed_deadline_names_its_setting_and_value() -> None:
    assert "longer than 7 seconds (server.header_timeout_seconds)" in refusal_of("head_slow", LIMITS).message
    assert "123 bytes a second for 9 seconds" in refusal_of("body_slow", LIMITS).message
