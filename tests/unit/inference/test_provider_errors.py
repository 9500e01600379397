"""One vocabulary for every way to fail: from status, body and headers as providers really send them."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import clock
from app.inference import provider_errors
from app.inference.provider_errors import MAX_RETRY_AFTER_SECONDS, FailureKind, ProviderError


def said(message: str = "", **more: object) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, said("Invalid 'temperature'", code="decimal_above_max_value", param="temperature"), "caller"),
        (422, b"", "caller"),
        (400, said("maximum context length is 8192 tokens", code="context_length_exceeded"), "context_too_long"),
        (400, said("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error"), "context_too_long"),
        (
            400,
            said("The input token count (1200293) exceeds the maximum number of tokens allowed", status="INVALID_ARGUMENT"),
            "context_too_long",
        ),
        (413, b"<html>", "context_too_long"),
        (400, said("Output blocked by content filtering policy"), "content_policy"),
        (400, said("The response was filtered", code="content_filter"), "content_policy"),
        (400, said("Your prompt was flagged as potentially violating our usage policy", code="invalid_prompt"), "content_policy"),
        (401, b"", "key"),
        (403, said("The caller does not have permission", status="PERMISSION_DENIED"), "key"),
        (400, said("API key not valid. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT"), "key"),
        (400, said("API key expired. Please renew the API key."), "key"),
        (402, b"", "quota"),
        (429, said("You exceeded your current quota", code="insufficient_quota"), "quota"),
        (429, said("You exceeded your current quota", type="insufficient_quota", code=None), "quota"),
        (400, said("Your credit balance is too low to access the Anthropic API."), "quota"),
        (404, said("The model does not exist", code="model_not_found"), "model"),
        (429, said("Rate limit reached"), "rate_limited"),
        (408, b"", "server_error"),
        (409, b"", "server_error"),
        (500, b"", "server_error"),
        (529, said("Overloaded", type="overloaded_error"), "server_error"),
        (599, b"\xff\xfe", "server_error"),
        (200, b"", "malformed"),
        (302, b"", "malformed"),
    ],
)
def test_a_status_has_its_kind(status: int, body: bytes, kind: str) -> None:
    fault = provider_errors.of_status(status, body, {})
    assert fault.kind == kind
    assert fault.unknown == (kind == "malformed")


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=50)
    | st.builds(lambda each: json.dumps(each).encode(), st.dictionaries(st.text(max_size=5), st.text(max_size=9))),
    header=st.text(max_size=30),
)
def test_any_reply_is_a_fault_with_words(status: int, body: bytes, header: str) -> None:
    fault = provider_errors.of_status(status, body, {"retry-after": header})
    assert fault.kind in get_args(FailureKind)
    assert str(fault)
    assert fault.retry_after is None or 0 <= fault.retry_after <= MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    "body", [b"[" * 50_000, b'[{"error": {"message": "in a list", "code": 400}}]', b'{"message": "bare"}', b'{"error": "a text"}', b"7"]
)
def test_an_error_may_have_any_shape(body: bytes) -> None:
    assert provider_errors.of_status(400, body, {}).kind == "caller"


def test_only_the_callers_own_mistakes_are_told_in_the_providers_words() -> None:
    secret = "organization org-123, project p-9"
    for status in (401, 402, 403, 404, 429, 500, 503):
        assert secret not in str(provider_errors.of_status(status, said(secret), {}))
    for status, words in ((400, ""), (400, "maximum context length"), (400, "content_policy")):
        assert secret in str(provider_errors.of_status(status, said(f"{words} {secret}"), {}))


def test_a_long_message_is_cut() -> None:
    assert len(str(provider_errors.of_status(400, said("x" * 5000), {}))) == provider_errors.MAX_MESSAGE_CHARS


def test_the_breaker_hears_of_the_provider_not_of_the_caller() -> None:
    silent = {"unsupported", "context_too_long", "content_policy", "caller"}
    assert {kind for kind in get_args(FailureKind) if not ProviderError(kind, "x").counts} == silent


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("-4", 0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("Mon, 99 Jan 2026", None),
        ("1764320000", MAX_RETRY_AFTER_SECONDS),
        ("3601", MAX_RETRY_AFTER_SECONDS),
        ("3600", 3600),
        ("1e308", MAX_RETRY_AFTER_SECONDS),
        ("9" * 400, None),
        ("-1e308", 0),
        ("-inf", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_SECONDS),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert provider_errors.retry_after({"retry-after": value}) == seconds
    assert provider_errors.retry_after({"Retry-After": value}) == seconds


def test_retry_after_as_a_date() -> None:
    soon = provider_errors.retry_after({"retry-after": format_datetime(clock.now() + timedelta(seconds=60), usegmt=True)})
    assert soon is not None
    assert 55 < soon <= 60
    assert provider_errors.retry_after({"retry-after": format_datetime(clock.now() - timedelta(days=1), usegmt=True)}) == 0
    assert provider_errors.retry_after({"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"}) is None


def test_geminis_wait_stands_in_its_body_and_the_header_wins() -> None:
    body = said("quota", details=[{"@type": "x.ErrorInfo"}, "odd", {"@type": "x.RetryInfo", "retryDelay": "36.5s"}])
    assert provider_errors.of_status(429, body, {}).retry_after == 36.5
    assert provider_errors.of_status(429, body, {"retry-after": "0"}).retry_after == 0
    assert provider_errors.of_status(429, said("quota", details=[{"retryDelay": "soon"}]), {}).retry_after is None
    assert provider_errors.of_status(429, said("quota", details=[{"retryDelay": "1764320000s"}]), {}).retry_after == MAX_RETRY_AFTER_SECONDS
    assert provider_errors.of_status(429, said("quota", details=[{"retryDelay": "-7s"}]), {}).retry_after == 0
    assert provider_errors.of_status(429, said("quota", details=[{"retryDelay": "nans"}]), {}).retry_after is None
    assert provider_errors.of_status(429, said("quota", details={"retryDelay": "3s"}), {}).retry_after is None


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"message": "Overloaded", "type": "overloaded_error"}, "server_error", None),
        ({"message": "busy", "code": 503, "status": "UNAVAILABLE"}, "server_error", 503),
        ({"message": "too many", "code": 429}, "rate_limited", 429),
        ({"message": "a text", "code": "server_error"}, "server_error", None),
        ({"message": "too long", "status": 400, "code": "context_length_exceeded"}, "context_too_long", 400),
        ({"message": "odd", "code": 200}, "server_error", 500),
        ("only a text", "server_error", None),
        (7, "server_error", None),
        (["x"], "server_error", None),
    ],
)
def test_an_error_in_an_answers_place(error: object, kind: str, status: int | None) -> None:
    fault = provider_errors.of_error_object(error)
    assert (fault.kind, fault.status) == (kind, status)
