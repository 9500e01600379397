"""The one line of the log, and the one measure, that every request ends in: its route, who sent it, who answered for how much."""

from __future__ import annotations

from typing import Any, Final

import structlog
from starlette.types import Scope

from app.accounts.requester import Requester
from app.inference.request import Receipt
from app.money import to_usd
from app.telemetry import metrics

log = structlog.get_logger()

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: logged only at debug."""
CLIENT_LEFT = 499
"""As nginx writes it: there is nobody who gets a status."""
UNKNOWN_ROUTE = "unknown"
_REQUESTER, _RECEIPT = "cairn.logged_requester", "cairn.receipt"


def note_requester(scope: Scope, requester: Requester) -> None:
    """Keep whose request it is for its line. The last one noted counts: of a call of a model, who pays."""
    scope[_REQUESTER] = requester


def note_receipt(scope: Scope, receipt: Receipt) -> None:
    """Keep what a call of a model cost for its line: read when it is written, since a stream's receipt is filled on the way."""
    scope[_RECEIPT] = receipt


def write(scope: Scope, status: int | None, seconds: float) -> None:
    """Write a request's line and count it. `status` None: the client left before the answer."""
    route, status = route_of(scope), status or CLIENT_LEFT
    metrics.request_answered(method=scope["method"], route=route, status=status, seconds=seconds)
    say = log.debug if scope["path"] in QUIET else log.info
    say("http.answered", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1), **_noted(scope))


def write_client_left(scope: Scope) -> None:
    log.info("http.client_left", route=route_of(scope))


def write_failure(scope: Scope, error: Exception) -> None:
    """Write what went wrong unforeseen, with its stack trace."""
    log.error("http.failed", method=scope["method"], route=route_of(scope), exc_info=error)


def route_of(scope: Scope) -> str:
    """The route's template: a path may hold a name, and would make a metric without end."""
    return str(getattr(scope.get("route"), "path", UNKNOWN_ROUTE))


def _noted(scope: Scope) -> dict[str, Any]:
    """The admin is named as such, with the team it acts for."""
    found: dict[str, Any] = {}
    requester: Requester | None = scope.get(_REQUESTER)
    if requester is not None:
        found["developer"] = requester.name
        if requester.is_admin:
            found["team"] = requester.team
        if requester.purpose is not None:
            found["purpose"] = requester.purpose
    receipt: Receipt | None = scope.get(_RECEIPT)
    if receipt is not None:
        found |= {
            "provider": receipt.provider,
            "model": receipt.model,
            "attempts": receipt.attempts,
            "cost_usd": to_usd(receipt.nanousd),
            "cache": receipt.cache,
        }
    return found
