"""Fields of a Messages request whose price no hold covers: left out of what is sent, and named. Pure.

All others, known or not, pass as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN_VALUES: Mapping[str, frozenset[object]] = {
    "service_tier": frozenset({"auto", "standard_only"}),  # a committed tier has its own price
    "speed": frozenset({"standard"}),  # fast mode costs six times as much
    "inference_geo": frozenset({"global"}),  # a tenth more elsewhere
    "mcp_servers": frozenset(),  # their tools' results are input that nobody bounds
    "container": frozenset(),  # billed by the hour
}
"""Fields that change the price, and the values that don't."""
COMPACTION = "compact_"
"""Beginning of an edit's type by which the provider reads the prompt a second time, to summarize it: billed beside the usage."""


def without_priced(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the body, the same object if nothing is left out, and the names of what is."""
    left_out = [name for name, plain in PLAIN_VALUES.items() if body.get(name) is not None and not _plain(body[name], plain)]
    found = body.get("context_management")
    management: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    edits = given if isinstance(given := management.get("edits"), list) else []
    costly = [each for each in edits if _compacts(each)]
    if not left_out and not costly:
        return body, ()
    kept = {name: value for name, value in body.items() if name not in left_out}
    if costly:
        kept["context_management"] = {**management, "edits": [each for each in edits if not _compacts(each)]}
    return kept, (*left_out, *(f"context_management.{each['type']}" for each in costly))


def _plain(value: object, plain: frozenset[object]) -> bool:
    return isinstance(value, str) and value in plain


def _compacts(edit: object) -> bool:
    return isinstance(edit, Mapping) and isinstance(kind := edit.get("type"), str) and kind.startswith(COMPACTION)
