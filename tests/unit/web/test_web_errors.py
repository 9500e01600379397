"""The error table."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError

from app import errors as tree
from app.budget.requests import RequestOutcome
from app.inference.outcomes import OUTCOMES, outcome_of
from app.web import errors
from app.web.field_problems import field

BROKE = tree.BudgetExceeded("x", unit="nanousd", left=300, asked=301, resets_at=datetime(2026, 12, 1, tzinfo=UTC))
LIMITED = tree.RateLimited("x", retry_after=7.2)
OVER = tree.RateLimitExceeded("x", retry_after=7.2)
ALL = [each for _, each in inspect.getmembers(tree, inspect.isclass) if issubclass(each, tree.CairnError)]


def made(kind: type[tree.CairnError]) -> tree.CairnError:
    return {tree.BudgetExceeded: BROKE, tree.RateLimited: LIMITED, tree.RateLimitExceeded: OVER}.get(kind) or kind("What to do.")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_has_a_status_and_the_one_shape(kind: type[tree.CairnError]) -> None:
    reply = errors.reply_to(made(kind))
    body = json.loads(reply.body)
    assert set(body["error"]) == {"message", "type", "code", "param", "request_id"}
    assert 400 <= reply.status_code <= 504


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (tree.Unreadable("x"), 400, "invalid_request_error"),
        (tree.NotAuthenticated("x"), 401, "authentication_error"),
        (BROKE, 402, "insufficient_quota"),
        (tree.NotPermitted("x"), 403, "permission_error"),
        (tree.NotFound("x"), 404, "not_found_error"),
        (tree.Conflict("x"), 409, "conflict_error"),
        (tree.TooLarge("x"), 413, "invalid_request_error"),
        (tree.InvalidInput("x", param="limit"), 422, "invalid_request_error"),
        (tree.UnknownFormat("x"), 422, "invalid_request_error"),
        (LIMITED, 429, "rate_limit_error"),
        (OVER, 429, "rate_limit_error"),
        (tree.VectorStoreUnavailable("x"), 503, "unavailable_error"),
    ],
)
def test_an_error_is_answered_as_the_contract_says(error: tree.CairnError, status: int, kind: str) -> None:
    reply = errors.reply_to(error)
    body = json.loads(reply.body)["error"]
    assert (reply.status_code, body["type"], body["param"]) == (status, kind, error.param)
    assert body["message"] == "x"


def test_a_budget_that_is_used_up_says_when_to_come_again_and_not_to_try_before() -> None:
    reply = errors.reply_to(BROKE)
    assert reply.headers["x-should-retry"] == "false"
    assert reply.headers["x-cairn-budget-resets-at"] == "2026-12-01T00:00:00+00:00"
    assert "retry-after" not in reply.headers
    assert json.loads(reply.body)["error"]["code"] == "budget_exceeded"


def test_a_limit_says_in_whole_seconds_when_to_come_again_and_whose_it_is() -> None:
    codes = {}
    for error in (LIMITED, OVER):
        reply = errors.reply_to(error)
        assert reply.headers["retry-after"] == "8"
        codes[error] = json.loads(reply.body)["error"]["code"]
    assert codes == {LIMITED: "rate_limited", OVER: "rate_limit_exceeded"}


def test_only_a_used_up_budget_speaks_of_one() -> None:
    for kind in set(ALL) - {tree.BudgetExceeded}:
        assert not {"x-should-retry", "x-cairn-budget-resets-at"} & set(errors.reply_to(made(kind)).headers)


def test_a_configuration_error_at_run_time_tells_the_outside_nothing() -> None:
    reply = errors.reply_to(tree.ConfigurationError("/etc/secret/path is wrong"))
    assert reply.status_code == 500
    assert b"/etc" not in reply.body


@pytest.mark.parametrize(
    ("place", "name"),
    [(("body", "tool", "name"), "tool.name"), (("query", "limit"), "limit"), (("body",), None), (("body", "types", 0), "types.0")],
)
def test_a_field_is_named_as_its_sender_knows_it(place: tuple[str | int, ...], name: str | None) -> None:
    assert field(place) == name


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_request_log_holds_the_status_that_the_caller_got(kind: type[tree.CairnError]) -> None:
    assert outcome_of(made(kind)) == errors.status_of(made(kind))


def test_the_request_log_tells_who_left_and_what_nobody_foresaw() -> None:
    assert outcome_of(asyncio.CancelledError()) is RequestOutcome.CALLER_LEFT
    assert outcome_of(ValueError()) is RequestOutcome.FAILED
    assert set(OUTCOMES.values()) | {RequestOutcome.ANSWERED, RequestOutcome.CALLER_LEFT, RequestOutcome.FAILED} == set(RequestOutcome)


def numbers_in(module: Path) -> set[int]:
    """The numbers in a module's code that are statuses of HTTP errors."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int}
    return {each for each in found if each in ERROR_STATUSES}


ERROR_STATUSES = {401, 402, 403, 404, 405, 409, 413, 422, 429, 499, 502, 503, 504}
"""Those that nothing else has: 400 and 500 are also lengths and counts."""
ROOT = Path(errors.__file__).parents[1]
SPEAK_HTTP = {
    "app/budget/requests.py": "what the request log stores of an outcome; compared with the table above",
    "app/inference/dialects/messages/answers.py": "the statuses that Anthropic's error types stand for",
    "app/inference/dialects/responses/answers.py": "the statuses that the error codes of OpenAI's responses stand for",
    "app/inference/provider_errors.py": "providers' statuses",
    "app/inference/wires/through_litellm.py": "providers' statuses",
    "app/storage/vectors/collection.py": "Qdrant's statuses",
}


def test_statuses_of_errors_stand_at_the_edge_alone() -> None:
    found = {}
    for module in sorted(ROOT.rglob("*.py")):
        name = f"app/{module.relative_to(ROOT).as_posix()}"
        if name.split("/")[1] not in {"web", "api", "cli"} and name not in SPEAK_HTTP and (numbers := numbers_in(module)):
            found[name] = numbers
    assert found == {}
    assert [name for name in SPEAK_HTTP if not numbers_in(ROOT.parent / name)] == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["a"], "a is missing: send it."),
        (["a", "b"], "a is missing: send it. Also wrong: b."),
        (["a", "a"], "a is missing: send it."),
        (["a", *"hgfedcb"], "a is missing: send it. Also wrong: b, c, d, e, f and 2 more."),
    ],
)
async def test_other_fields_that_are_wrong_are_named(wrong: list[str], words: str) -> None:
    found = RequestValidationError([{"type": "missing", "loc": ("body", name), "msg": "Field required"} for name in wrong])
    reply = await errors._validation(Request({"type": "http"}), found)
    assert json.loads(bytes(reply.body))["error"]["message"] == words
