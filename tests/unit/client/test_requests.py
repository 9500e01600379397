"""Requests are made of a route and its values, and retried only as is safe."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from cairn.client.endpoints import DELETE, ITEMS, QUERY, READ, RECORD
from cairn.client.errors import CairnError, Conflict, ConnectionLost, NotFound, RateLimited, TimedOut, Unavailable, Unreachable, kind_of
from cairn.client.requests import Given, prepare
from cairn.client.retries import RetryPolicy


@pytest.mark.parametrize(
    ("item", "target"),
    [("i-1", "i-1"), ("a/b", "a%2Fb"), ("../x", "..%2Fx"), ("ü ?#", "%C3%BC%20%3F%23"), ("018f3c5e-7d7a-7c3e-9a51-0f6d1c2b3a49", None)],
)
def test_an_id_stays_one_part_of_the_path(item: str, target: str | None) -> None:
    assert prepare(READ, Given(path={"item_id": item})).target == f"/v1/knowledge/{target or UUID(item)}"


@pytest.mark.parametrize("item", ["", ".", ".."])
def test_what_can_be_no_id_is_refused_before_anything_is_sent(item: str) -> None:
    with pytest.raises(ValueError, match="item_id must be an id"):
        prepare(DELETE, Given(path={"item_id": item}))


def test_values_that_are_none_are_left_out_and_others_written_as_the_api_reads_them() -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    made = prepare(ITEMS, Given(query={"since": since, "hidden": True, "project": None, "subject": "a&b"}))
    assert made.target.startswith("/v1/knowledge?since=2026-1")
    assert made.target.endswith("&hidden=true&subject=a%26b")
    body = prepare(QUERY, Given(body={"query": "x", "project": None, "min_score": Decimal("0.5")}))
    assert body.content == b'{"query": "x", "min_score": 0.5}'


def test_an_argument_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(TypeError, match=r"'sort': there are project, type, since"):
        prepare(ITEMS, Given(query={"sort": "age"}))


def test_each_creating_request_has_an_idempotency_key_of_its_own() -> None:
    first, second = (prepare(RECORD, Given(body={"text": "x"})).headers["idempotency-key"] for _ in range(2))
    assert first != second


POLICY = RetryPolicy(retries=2, first_wait=1, max_wait=10)
SHED = Unavailable("busy", status=503, retry_after=4)


@pytest.mark.parametrize(
    ("error", "repeatable", "retried"),
    [
        (Unreachable("x"), False, True),
        (RateLimited("x", status=429), False, True),
        (RateLimited("x", status=429, retry_after=11), True, False),
        (SHED, False, False),
        (SHED, True, True),
        (Unavailable("x", status=503), False, False),
        (Unavailable("x", status=503), True, True),
        (Conflict("x", status=409, retry_after=1, code="idempotency_in_progress"), False, True),
        (Conflict("x", status=409, retry_after=1), True, False),
        (TimedOut("x"), True, True),
        (TimedOut("x"), False, False),
        (ConnectionLost("x"), True, True),
        (ConnectionLost("x"), False, False),
        (NotFound("x", status=404), True, False),
    ],
)
def test_only_what_may_pass_and_is_safe_is_tried_again(error: CairnError, repeatable: bool, retried: bool) -> None:
    assert (POLICY.wait(0, error, repeatable=repeatable) is not None) == retried
    assert POLICY.wait(2, error, repeatable=repeatable) is None


@pytest.mark.parametrize(
    ("error", "retried"),
    [(Unreachable("x"), True), (RateLimited("x", status=429, retry_after=1), False), (SHED, False), (ConnectionLost("x"), False)],
)
def test_content_that_can_be_read_once_is_sent_again_only_where_none_of_it_was_read(error: CairnError, retried: bool) -> None:
    assert (POLICY.wait(0, error, repeatable=True, once=True) is not None) == retried


def test_the_wait_is_at_least_what_the_server_asks_for_and_grows() -> None:
    assert POLICY.wait(0, SHED, repeatable=True) == 4
    first, second = (POLICY.wait(done, Unreachable("x"), repeatable=True) for done in (0, 1))
    assert first is not None
    assert second is not None
    assert 0.5 <= first <= 1 <= second <= 2


@pytest.mark.parametrize(
    ("status", "name"), [(400, "InvalidRequest"), (412, "Conflict"), (422, "InvalidRequest"), (500, "ServerFailed"), (504, "ServerFailed")]
)
def test_each_status_has_its_error(status: int, name: str) -> None:
    assert kind_of(status).__name__ == name
