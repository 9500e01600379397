"""Items as the server tells them, for tests of their files."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from app.knowledge.edits import ItemFields, revision_of

SESSION = "0b41f1f0-6a1c-4f0e-9d6f-0d9b6f3f8f10"


def item(**fields: Any) -> dict[str, Any]:
    """An item's record, with its own revision."""
    made: dict[str, Any] = {
        "kind": "item",
        "id": str(uuid4()),
        "project": "shop",
        "type": "gotcha",
        "title": "Staging is restored nightly",
        "text": "What was changed by hand on staging is gone at three.",
        "paths": ["deploy/staging.yaml"],
        "hidden": False,
        "freshness": "fresh",
        "created_at": "2026-11-10T10:02:11.123456Z",
        "last_seen_at": "2026-11-12T10:02:11Z",
        "corrected_at": None,
        "evidence_count": 1,
        "subjects": [{"kind": "file", "name": "deploy/staging.yaml"}, {"kind": "service", "name": "staging"}],
        "evidence": [
            {"session_id": SESSION, "transcript": "a: b.jsonl", "locator": "L3", "excerpt": "said so", "at": "2026-11-10T12:02:11+02:00"},
        ],
    } | fields
    words = ItemFields(made["type"], made["title"], made["text"], tuple(made["paths"]))
    return made | {"revision": revision_of(words)}
