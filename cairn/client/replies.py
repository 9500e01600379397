"""Makes of a reply's status, headers and body what the caller gets: JSON, or an error of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from cairn.client.errors import BudgetExceeded, CairnError, Refused, UnreadableReply, kind_of
from cairn.client.reading import parse
from cairn.client.retries import PASSING

MAX_RETRY_AFTER = 86_400.0
STATUSES = {
    "authentication_error": 401,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "rate_limit_error": 429,
    "unavailable_error": 503,
}
"""The statuses that an error's `type` stands for: an error at the end of a stream has no other."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `asked`: the method and URL, for messages. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: str


def json_of(reply: Reply) -> Any:
    """Return the JSON of a reply, None for an empty one. Raises Refused or UnreadableReply."""
    if not 200 <= reply.status < 300:
        raise error_of(reply)
    if not reply.body:
        return None
    try:
        return parse(reply.body)
    except (ValueError, RecursionError):
        raise UnreadableReply(
            f"{reply.asked} was answered with something that isn't JSON: a proxy, or another server. Check the server's URL.",
            status=reply.status,
            request_id=reply.headers.get("x-request-id"),
        ) from None


def error_of(reply: Reply) -> CairnError:
    """Return the error that a reply tells."""
    try:
        told = parse(reply.body)["error"]
        error = refused(told, status=reply.status)
    except (ValueError, KeyError, TypeError, RecursionError):
        return _unreadable(reply)
    error.request_id = error.request_id or reply.headers.get("x-request-id")
    error.retry_after = _seconds(reply.headers.get("retry-after"))
    error.may_retry = reply.headers.get("x-should-retry") != "false"
    if isinstance(error, BudgetExceeded):
        error.resets_at = _time(reply.headers.get("x-cairn-budget-resets-at"))
    return error


def refused(told: Any, *, status: int | None) -> Refused:
    """Return an error in Cairn's format as an exception. Raises KeyError or TypeError for anything else."""
    if not isinstance(told, Mapping):
        raise TypeError
    status = status or STATUSES.get(str(told["type"]))
    param, request_id = told.get("param"), told.get("request_id")
    kind = Refused if status is None else kind_of(status)
    return kind(str(told["message"]), code=str(told["code"]), param=param, request_id=request_id, status=status)


def _unreadable(reply: Reply) -> UnreadableReply:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "not a standard one"
    if 300 <= reply.status < 400:
        advice = f"the server is elsewhere: set its URL to that of {reply.headers.get('location', 'the redirection')}"
    elif reply.status in PASSING:
        advice = "a proxy answered that couldn't reach Cairn: try again, and ask whoever runs the server"
    else:
        advice = "check that the server's URL is that of a Cairn server"
    return UnreadableReply(
        f"{reply.asked} was answered with status {reply.status} ({phrase}), not in Cairn's format: {advice}.",
        status=reply.status,
        request_id=reply.headers.get("x-request-id"),
        retry_after=_seconds(reply.headers.get("retry-after")),
    )


def _seconds(header: str | None) -> float | None:
    """Read `retry-after` in seconds; None for an HTTP date, which only proxies send, and for nonsense."""
    try:
        found = float(header or "")
    except ValueError:
        return None
    return found if 0 <= found <= MAX_RETRY_AFTER else None


def _time(header: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(header or "")
    except ValueError:
        return None
