"""From a chosen draft to a candidate: its confidence, its key, texts within their bounds."""

from __future__ import annotations

import hashlib
import re

from app.knowledge.extraction.drafts import Draft
from app.knowledge.extraction.titles import title_of
from app.knowledge.item import Candidate, KnowledgeType

MAX_TEXT, MAX_EXCERPT = 600, 400


def candidate_of(draft: Draft, type_: KnowledgeType, confidence: float) -> Candidate:
    core = draft.core
    return Candidate(
        key=key_of(draft),
        type=draft.type or type_,
        title=draft.title or title_of(core.text, heading=core.heading, said_by_person=draft.person),
        text=cut(draft.text, MAX_TEXT),
        confidence=round(confidence, 2),
        event_id=core.event.id,
        locator=core.event.locator,
        excerpt=draft.excerpt[:MAX_EXCERPT],
        at=core.event.at,
        intent=draft.intent,
    )


def cut(text: str, most: int) -> str:
    """At the end of a sentence if there is one in the second half, else at a word."""
    if len(text) <= most:
        return text
    place = max(text.rfind(". ", most // 2, most), text.rfind("。", most // 2, most))
    return text[: place + 1] if place > 0 else text[: text.rfind(" ", 0, most) if " " in text[:most] else most].rstrip(" ,;")


def key_of(draft: Draft) -> str:
    """Of where it was said and what was said, not of how the session went on."""
    normal = re.sub(r"\W+", " ", draft.core.text.casefold()).strip()
    return hashlib.blake2b(f"{draft.core.event.id}\x1f{normal}".encode("utf-8", "replace"), digest_size=12).hexdigest()
