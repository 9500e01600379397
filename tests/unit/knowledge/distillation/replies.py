"""Passages and a model's replies about them, in a few lines."""

from __future__ import annotations

import json
from typing import Any

from app.knowledge.passages.passage import Passage


def passage(text: str, *, event: str = "e1", seq: int = 1, role: str = "assistant") -> Passage:
    return Passage("s", 1, 0, role, "said", text, "", "", seq, event, f"L{seq}")


def item(text: str, *quotes: tuple[Any, str], title: str | None = None, type: str = "gotcha") -> dict[str, Any]:
    """An item that quotes (passage id, words)."""
    shown = [{"passage": number, "words": words} for number, words in quotes]
    return {"title": title or " ".join(text.split()[:6]), "text": text, "type": type, "quotes": shown}


def reply(*items: Any) -> str:
    return json.dumps({"items": list(items)})
