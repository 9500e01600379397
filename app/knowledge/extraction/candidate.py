"""From what a rule found to a candidate: title, confidence, key."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.intent import intent_of
from app.knowledge.extraction.prose import Statement
from app.knowledge.item import Candidate, KnowledgeType

MOST_TITLE, MOST_TEXT, MOST_EXCERPT = 90, 600, 400
WORKED = 0.15
"""What a person's yes, or tests that passed, add to the confidence."""
_LEAD = re.compile(
    r"^(?:(?:the )?(?:root cause|(?:actual |real |underlying )?(?:problem|issue|bug|reason|culprit|cause)|fix|solution)(?: here)?(?:[:,]| (?:is|was)(?: that|:)) |"
    r"(?:important|note|warning|caveat|gotcha|key (?:insight|point|finding)|decision|rationale|why|fix|cause|result|summary|conclusion|correction)[:：] ?|note that |(?:also|one more thing|remember|and|btw|by the way|oh)[:,] |"
    r"i(?:'ve| have)? (?:chose|chosen|decided|opted) (?:to |for )?|问题(?:是|在于)[:：]?|原因(?:是|在于)?[:：]?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found. `core` is the statement it rests on: it is cited, and gives the key. `title`: where it isn't the core's."""

    rule: str
    type: KnowledgeType
    core: Statement
    text: str
    confidence: float
    title: str = ""


def candidate_of(found: Found, exchange: Exchange) -> Candidate:
    core = found.core
    confidence = found.confidence
    if found.rule != "policy" and (exchange.ending == "accepted" or exchange.tests_passed):
        confidence = min(0.95, confidence + WORKED)
    return Candidate(
        key=_key(found.rule, core),
        type=found.type,
        title=title_of(found.title or core.text),
        text=cut(found.text, MOST_TEXT),
        confidence=round(confidence, 2),
        event_id=core.event.id,
        locator=core.event.locator,
        excerpt=core.raw[:MOST_EXCERPT],
        at=core.event.at,
        intent=intent_of(exchange.asked),
    )


def title_of(text: str) -> str:
    """The statement's own words, without a lead-in; cut at a clause where it is long, else at a word, with an ellipsis."""
    words = _LEAD.sub("", text, count=1).strip()
    if not words.endswith("..."):
        words = words.rstrip(".。:：;；,")
    words = words[:1].upper() + words[1:]
    if len(words) <= MOST_TITLE:
        return words
    for mark in ("; ", " — ", " – ", ". ", "。", ", so ", ", which ", " so that ", ", but ", "，", ", "):
        place = words.rfind(mark, 30, MOST_TITLE)
        if place > 0:
            return words[:place].rstrip(" ,;—–")
    return words[: words.rfind(" ", 0, MOST_TITLE) if " " in words[:MOST_TITLE] else MOST_TITLE].rstrip(" ,;—–") + "…"


def cut(text: str, most: int) -> str:
    """At the end of a sentence if there is one in the second half, else at a word."""
    if len(text) <= most:
        return text
    place = max(text.rfind(". ", most // 2, most), text.rfind("。", most // 2, most))
    return text[: place + 1] if place > 0 else text[: text.rfind(" ", 0, most) if " " in text[:most] else most].rstrip(" ,;")


def _key(rule: str, core: Statement) -> str:
    """Of where it was said and what was said, not of how the session went on."""
    normal = re.sub(r"\W+", " ", core.text.casefold()).strip()
    return hashlib.blake2b(f"{core.event.id}\x1f{rule}\x1f{normal}".encode("utf-8", "replace"), digest_size=12).hexdigest()
