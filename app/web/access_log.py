"""Writes one log line and one metric per request: its route, requester, provider and cost. Logs the route's template, not its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import structlog
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app.accounts.requester import Requester
from app.inference.request import Receipt
from app.money import to_usd
from app.telemetry import metrics

log = structlog.get_logger()

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Polled every few seconds by machines: logged only at debug level."""
CLIENT_LEFT = 499
"""nginx's status for a client that disconnected; it is only logged, never sent."""
UNKNOWN_ROUTE = "unknown"
_REQUESTER, _RECEIPT = "cairn.logged_requester", "cairn.receipt"


def record_requester(scope: Scope, requester: Requester) -> None:
    """Record the requester for the log line. The last one recorded counts: for a model call, the payer."""
    scope[_REQUESTER] = requester


def record_receipt(scope: Scope, receipt: Receipt) -> None:
    """Record a model call's receipt for the log line; read only when the line is written, since a stream fills it on the way."""
    scope[_RECEIPT] = receipt


def record_route(scope: Scope) -> bool:
    """Record the route of a request that is refused before it is routed; tell whether there is one. A good request pays nothing for it."""
    if "route" not in scope:
        found = next((route for route in _routes_of(scope) if route.matches(dict(scope))[0] is Match.FULL), None)
        if found is None:
            return False
        scope["route"] = found
    return True


def _routes_of(scope: Scope) -> Iterator[BaseRoute]:
    """Yield the application's routes, also those of the routers that it includes."""
    for each in getattr(scope.get("app"), "routes", ()):
        router = getattr(each, "original_router", None)
        yield from (each,) if router is None else router.routes


def write(scope: Scope, status: int | None, seconds: float) -> None:
    """Write a request's log line and count it. `status` None: the client disconnected before the response."""
    route, status = route_of(scope), status or CLIENT_LEFT
    metrics.request_answered(method=scope["method"], route=route, status=status, seconds=seconds)
    say = log.debug if scope["path"] in QUIET else log.info
    say("http.answered", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1), **_recorded_fields(scope))


def write_client_left(scope: Scope) -> None:
    log.info("http.client_left", route=route_of(scope))


def write_failure(scope: Scope, error: Exception) -> None:
    """Log an unexpected error with its stack trace."""
    log.error("http.failed", method=scope["method"], route=route_of(scope), exc_info=error)


def route_of(scope: Scope) -> str:
    """Return the route's template. The path itself may hold a name, and would make the metric's cardinality unbounded."""
    return str(getattr(scope.get("route"), "path", UNKNOWN_ROUTE))


def _recorded_fields(scope: Scope) -> dict[str, Any]:
    """Return the recorded fields of the log line; for the admin also the team it acts for."""
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
