"""Kinds of work that routes are sorted into, few enough to draw. Pure."""

from __future__ import annotations

CLASSES = {
    "chat": "completions",
    "embeddings": "embeddings",
    "knowledge": "knowledge",
    "sessions": "sessions",
    "channels": "messages",
    "budget": "budgets",
    "budgets": "budgets",
}
"""The class of each route under /v1, by the first word of its path."""
OPERATIONS = frozenset({"/healthz", "/readyz", "/metrics"})


def class_of(route: str) -> str:
    """Sort a route, such as /v1/sessions/{id}, into a class, such as sessions."""
    if route in OPERATIONS:
        return "operations"
    top, _, rest = route.lstrip("/").partition("/")
    if top == "v1":
        return CLASSES.get(rest.partition("/")[0], "other")
    return top if top in {"dashboard", "mcp"} else "other"
