"""Measures of the loops that run in the background of this process (`app/supervision.py`)."""

from __future__ import annotations

from app.telemetry import measures


def started(loop: str) -> None:
    """Show that it runs, and its restarts from now on, at 0."""
    measures.loop_restarts.labels(loop)
    measures.loop_up.labels(loop).set(1)


def failed(loop: str) -> None:
    """Count a round that failed, and will be repeated."""
    measures.loop_restarts.labels(loop).inc()
    measures.loop_up.labels(loop).set(0)


def recovered(loop: str) -> None:
    """Show that a round did its work after one that had failed."""
    measures.loop_up.labels(loop).set(1)


def stopped(loop: str) -> None:
    """Show nothing of it any more: whether it is up is no question."""
    measures.loop_up.remove(loop)
