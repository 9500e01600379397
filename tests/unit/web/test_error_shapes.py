"""Errors in Anthropic's shape: on its paths, whatever the error, wherever it is raised."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import Message, Scope

from app import clock
from app import errors as tree
from app.web import budget_headers, error_shapes, errors, refusals, request_ids

RESETS = datetime(2099, 12, 1, tzinfo=UTC)
BROKE = tree.BudgetExceeded("The budget has $0 left.", unit="nanousd", left=0, asked=301, resets_at=RESETS)
LIMITED = tree.RateLimited("x", retry_after=7.2)
OVER = tree.RateLimitExceeded("x", retry_after=7.2)
ALL = [each for _, each in inspect.getmembers(tree, inspect.isclass) if issubclass(each, tree.CairnError)]


def made(kind: type[tree.CairnError]) -> tree.CairnError:
    return {tree.BudgetExceeded: BROKE, tree.RateLimited: LIMITED, tree.RateLimitExceeded: OVER}.get(kind) or kind("What to do.")


def scope(path: str, **headers: str) -> Scope:
    return {"type": "http", "path": path, "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}


@pytest.fixture(autouse=True)
def openai_again() -> Iterator[None]:
    yield
    error_shapes.choose(scope("/"))


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        (scope("/v1/messages"), "anthropic"),
        (scope("/v1/messages/count_tokens"), "anthropic"),
        (scope("/v1/messages/batches"), "anthropic"),
        (scope("/v1/messagess"), "openai"),
        (scope("/v1/chat/completions", anthropic_version="2023-06-01"), "openai"),
        (scope("/v1/channels/a/messages"), "openai"),
        (scope("/v1/models"), "openai"),
        (scope("/v1/models", anthropic_version="2023-06-01"), "anthropic"),
        (scope("/v1/models/auto", anthropic_version="2023-06-01"), "anthropic"),
        (scope("/v1/responses", originator="codex_exec"), "codex"),
        (scope("/v1/responses", originator="another"), "openai"),
        (scope("/v1/chat/completions", originator="codex_exec"), "openai"),
    ],
)
def test_the_path_chooses_the_shape(given: Scope, shape: str) -> None:
    error_shapes.choose(given)
    assert error_shapes.current() == shape


def told(error: tree.CairnError) -> tuple[JSONResponse, Any]:
    error_shapes.choose(scope("/v1/messages"))
    request_ids.choose("the-id")
    reply = errors.reply_to(error)
    return reply, json.loads(reply.body)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_takes_anthropics_shape(kind: type[tree.CairnError]) -> None:
    reply, body = told(made(kind))
    assert set(body) == {"type", "error", "request_id"}
    assert (body["type"], body["request_id"], reply.headers["request-id"]) == ("error", "the-id", "the-id")
    assert set(body["error"]) == {"type", "message", "details"}


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (tree.Unreadable("x"), 400, "invalid_request_error"),
        (tree.ContentRejected("x"), 400, "invalid_request_error"),
        (tree.InvalidInput("x", param="messages[0]"), 400, "invalid_request_error"),
        (tree.NotAuthenticated("x"), 401, "authentication_error"),
        (tree.NotPermitted("x"), 403, "permission_error"),
        (tree.NotFound("x"), 404, "not_found_error"),
        (tree.TooLarge("x"), 413, "request_too_large"),
        (BROKE, 429, "billing_error"),
        (LIMITED, 429, "rate_limit_error"),
        (OVER, 429, "rate_limit_error"),
        (tree.AllProvidersFailed("x"), 502, "api_error"),
        (tree.DatabaseUnavailable("x"), 503, "overloaded_error"),
        (tree.DeadlineExceeded("x"), 504, "timeout_error"),
        (tree.ConfigurationError("x"), 500, "api_error"),
    ],
)
def test_an_error_has_the_status_and_type_that_anthropics_clients_know(error: tree.CairnError, status: int, kind: str) -> None:
    reply, body = told(error)
    assert (reply.status_code, body["error"]["type"]) == (status, kind)
    assert body["error"]["details"].get("param") == error.param


def test_an_exhausted_budget_is_not_retried_and_tells_when_it_is_filled_again() -> None:
    reply, _ = told(BROKE)
    assert reply.headers["x-should-retry"] == "false"
    assert int(reply.headers["retry-after"]) > 0
    assert reply.headers["anthropic-ratelimit-unified-status"] == "rejected"
    assert reply.headers["anthropic-ratelimit-unified-reset"] == str(int(RESETS.timestamp()))


def test_a_rate_limit_is_retried() -> None:
    reply, _ = told(LIMITED)
    assert (reply.headers["retry-after"], "x-should-retry" in reply.headers) == ("8", False)


def test_a_prompt_that_is_too_long_is_told_in_the_words_that_make_the_client_compact() -> None:
    too_long = tree.ContentRejected("This model's maximum context length is 8192 tokens.", code="context_length_exceeded", param="messages")
    assert told(too_long)[1]["error"]["message"] == "prompt is too long: This model's maximum context length is 8192 tokens."
    same = tree.ContentRejected("Prompt is too long: 9 tokens > 8", code="context_length_exceeded")
    assert told(same)[1]["error"]["message"] == "Prompt is too long: 9 tokens > 8"


def test_an_unexpected_error_tells_nothing_of_itself() -> None:
    error_shapes.choose(scope("/v1/messages"))
    assert json.loads(errors.unexpected().body)["error"]["message"] == errors.UNEXPECTED


@pytest.mark.parametrize(
    ("left", "status", "share", "passed"),
    [
        (100, "allowed", "0.0000", None),
        (26, "allowed", "0.7400", None),
        (25, "allowed_warning", "0.7500", "0.75"),
        (6, "allowed_warning", "0.9400", "0.75"),
        (5, "allowed_warning", "0.9500", "0.95"),
        (-10, "allowed_warning", "1.0000", "0.95"),
        (170, "allowed", "0.0000", None),
    ],
)
def test_the_share_of_the_budget_is_told_with_a_warning_from_three_quarters(left: int, status: str, share: str, passed: str | None) -> None:
    headers = budget_headers.used(limit=100, left=left, resets_at=clock.now() + timedelta(days=1))
    assert headers["anthropic-ratelimit-unified-status"] == status
    assert headers["anthropic-ratelimit-unified-overage-utilization"] == share
    assert headers.get("anthropic-ratelimit-unified-overage-surpassed-threshold") == passed


def test_a_limit_of_nothing_is_used_up() -> None:
    assert budget_headers.used(limit=0, left=0, resets_at=RESETS)["anthropic-ratelimit-unified-overage-utilization"] == "1.0000"


async def test_a_refusal_before_any_route_takes_the_shape_of_its_path() -> None:
    refusal = refusals.HttpRefusal(HTTPStatus.SERVICE_UNAVAILABLE, "too_many", "Too many.")
    for path, keys in (("/v1/messages", {"type", "error", "request_id"}), ("/v1/chat/completions", {"error"})):
        sent: list[Message] = []

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise AssertionError("it reads no body")

        await refusals.refusing(refusal)(scope(path), receive, send)
        assert set(json.loads(sent[1]["body"])) == keys


def test_codex_is_told_of_a_used_up_budget_in_the_words_that_it_shows_and_other_errors_as_openai_tells_them() -> None:
    error_shapes.choose(scope("/v1/responses", originator="codex_exec"))
    request_ids.choose("the-id")
    told = "The budget of jos\u00e9 has $0.04 left."
    reply = errors.reply_to(tree.BudgetExceeded(told, unit="nanousd", left=1, asked=2, resets_at=clock.now()))
    body = json.loads(reply.body)["error"]
    assert (reply.status_code, body["type"], body["code"], body["message"]) == (429, "usage_limit_reached", "budget_exceeded", told)
    assert reply.headers["x-codex-promo-message"] == "The budget of jos? has $0.04 left"
    assert reply.headers["x-should-retry"] == "false"
    for kind in (tree.NotFound, tree.InvalidInput, tree.Unavailable):
        reply = errors.reply_to(made(kind))
        error_shapes.choose(scope("/v1/responses"))
        assert (reply.status_code, reply.body) == (errors.reply_to(made(kind)).status_code, errors.reply_to(made(kind)).body)
        error_shapes.choose(scope("/v1/responses", originator="codex_exec"))
