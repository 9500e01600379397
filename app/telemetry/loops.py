"""Measures of the loops that run in the background of this process (`app/supervision.py`)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from app.telemetry.metrics import REGISTRY

_restarts = Counter(
    "cairn_loop_restarts",
    "Rounds of a background loop that failed and were repeated, since this server started.",
    ("loop",),
    registry=REGISTRY,
)
_up = Gauge(
    "cairn_loop_up",
    "Background loops of this server: 1 running, 0 the last round failed and is repeated.",
    ("loop",),
    registry=REGISTRY,
)


def started(loop: str) -> None:
    """Show that it runs, and its restarts from now on, at 0."""
    _restarts.labels(loop)
    _up.labels(loop).set(1)


def failed(loop: str) -> None:
    """Count a round that failed, and will be repeated."""
    _restarts.labels(loop).inc()
    _up.labels(loop).set(0)


def recovered(loop: str) -> None:
    """Show that a round did its work after one that had failed."""
    _up.labels(loop).set(1)


def stopped(loop: str) -> None:
    """Show nothing of it any more: whether it is up is no question."""
    _up.remove(loop)
