"""Turns a chosen draft into a candidate: its key, its confidence, its texts cut to their limits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from app.knowledge.extraction.drafts import Draft
from app.knowledge.extraction.prose import Statement
from app.knowledge.extraction.windows import MAX_TEXT, excerpt_of, joined
from app.knowledge.item import ItemCandidate, KnowledgeType

MAX_EXCERPT = 400


def candidate_of(draft: Draft, group: Sequence[Statement], title: str, type_: KnowledgeType, confidence: float) -> ItemCandidate:
    """Build the candidate; `type_` and `group` apply where the draft has no type and no text of its own."""
    core = draft.core
    return ItemCandidate(
        key=key_of(draft),
        type=draft.type or type_,
        title=title,
        text=_cut(draft.text) or joined(group),
        confidence=round(confidence, 2),
        event_id=core.event.id,
        locator=core.event.locator,
        excerpt=core.raw[:MAX_EXCERPT] if draft.fixed else excerpt_of(group, core, MAX_EXCERPT),
        at=core.event.at,
        intent=draft.intent,
    )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: text.rfind(" ", 0, MAX_TEXT)].rstrip(" ,;")


def key_of(draft: Draft) -> str:
    """Hash the event's id and the statement's normalized words: stable however the session goes on."""
    normal = re.sub(r"\W+", " ", draft.core.text.casefold()).strip()
    return hashlib.blake2b(f"{draft.core.event.id}\x1f{normal}".encode("utf-8", "replace"), digest_size=12).hexdigest()
