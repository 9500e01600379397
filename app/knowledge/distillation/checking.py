"""Checks a model's reply: an item is kept only if its quotes stand in the passages, and its words in its quotes. Pure.

A model may return anything: nonsense, another language, invented citations, a session's instructions. What can't be shown to rest on the
session's own words is dropped, and counted by the reason.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from app.knowledge.derivations import numbers
from app.knowledge.distillation.prompt import MAX_ITEMS
from app.knowledge.extraction.drafts import MAX_CHARS, contradicts, may_be_item
from app.knowledge.extraction.features import is_guess
from app.knowledge.extraction.noise import is_injection
from app.knowledge.item import EXCERPT_CHARS, KNOWLEDGE_TYPES, ItemCandidate, KnowledgeType
from app.knowledge.passages.passage import Passage
from app.knowledge.passages.terms import terms
from app.likeness.faithfulness import sentences, unfaithful
from app.redaction import redact
from app.storage.vectors.lexical import codes

CHECKS_VERSION: Final = 1
"""Raise it whenever the same reply would be judged differently: all sessions are then distilled again."""
MIN_SUPPORT: Final = 0.75
"""Share of the content words of an item's text, and of its title, that must stand in its quotes. The prompt asks for all of them."""
MIN_QUOTE_CHARS, MAX_QUOTE_CHARS, MAX_QUOTES = 12, 2_000, 8
"""Bounds of a quote, without its white space, and of an item's quotes: two words stand anywhere, and prove nothing."""
MAX_QUOTED_CHARS: Final = 4_000
"""Bound of an item's quotes together: who quotes everything cites nothing, and comparing it takes long."""
MAX_REPLY_CHARS: Final = 200_000
"""A longer reply isn't read: the calls ask for far fewer tokens, so that it comes from no model that was asked this."""
MAX_TITLE: Final = 120
DropReason = Literal["malformed", "type", "citation", "contradicted", "guess", "words", "names", "unfaithful", "unfit", "surplus"]


class GivenQuote(msgspec.Struct, frozen=True):
    """A quote as a model gives it."""

    passage: str | int
    words: str


class GivenItem(msgspec.Struct, frozen=True):
    """An item as a model gives it."""

    title: str
    text: str
    type: str
    quotes: list[GivenQuote]


@dataclass(frozen=True, slots=True)
class FoundQuote:
    """A quote that stands in a passage, as it is written there."""

    passage: Passage
    words: str


@dataclass(slots=True)
class CheckedReply:
    """The items of a reply that hold, and the number of those dropped, by reason. `readable`: it was JSON with a list of items."""

    readable: bool = True
    kept: list[ItemCandidate] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def check_reply(reply: str, passages: Sequence[Passage], corrections: Mapping[int, str]) -> CheckedReply:
    """Check a reply about passages, whose ids are their numbers, from 1. `corrections`: see `SessionMaterial`."""
    given = _items_of(reply)
    if given is None:
        return CheckedReply(readable=False)
    checked = CheckedReply()
    by_id = {str(number): each for number, each in enumerate(passages, 1)}
    for raw in given[:MAX_ITEMS]:
        outcome = _check(raw, by_id, corrections)
        if isinstance(outcome, str):
            checked.dropped[outcome] += 1
        elif all(each.key != outcome.key for each in checked.kept):
            checked.kept.append(outcome)
    if len(given) > MAX_ITEMS:
        checked.dropped["surplus"] = len(given) - MAX_ITEMS
    return checked


def _items_of(reply: str) -> list[Any] | None:
    """Read the list of items, also from within a code fence or a sentence around it; None if there is none."""
    if len(reply) > MAX_REPLY_CHARS:
        return None
    start, end = reply.find("{"), reply.rfind("}")
    try:
        found = json.loads(reply[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    items = found.get("items") if isinstance(found, dict) else None
    return items if isinstance(items, list) else None


def _check(raw: Any, by_id: Mapping[str, Passage], corrections: Mapping[int, str]) -> ItemCandidate | DropReason:
    try:
        given = msgspec.convert(raw, GivenItem)
    except (msgspec.ValidationError, RecursionError):
        return "malformed"
    if given.type not in KNOWLEDGE_TYPES:
        return "type"
    if max(len(given.title), len(given.text)) > 2 * MAX_CHARS:
        return "unfit"
    title, text = _clean(given.title), _clean(given.text)
    if not title or len(title) > MAX_TITLE or is_injection(title) or not may_be_item(text):
        return "unfit"
    quotes = [_find(each, by_id) for each in given.quotes[:MAX_QUOTES]]
    found = [each for each in quotes if each is not None]
    if not found or len(found) < len(quotes):
        return "citation"
    if any(_was_contradicted(each, corrections) for each in found):
        return "contradicted"
    quoted = "\n".join(" ".join(each.words.split()) for each in found)
    if len(quoted) > MAX_QUOTED_CHARS:
        return "citation"
    share = min(support(text, quoted), support(title, quoted))
    return _overreach(title, text, quoted, share) or _candidate(title, text, given.type, found, share)


def _overreach(title: str, text: str, quoted: str, share: float) -> DropReason | None:
    """Return how an item says more than, or something else than, what it quotes; None if it doesn't."""
    if share < MIN_SUPPORT:
        return "words"
    if support(text, "\n".join(each for each in sentences(quoted) if not is_guess(each))) < MIN_SUPPORT:
        return "guess"
    if not _names_in(f"{title}\n{text}", quoted):
        return "names"
    is_title_said = text.startswith(title.rstrip("…. "))
    if unfaithful(text, quoted) or (not is_title_said and unfaithful(title, quoted, heading=True)):
        return "unfaithful"
    return None


def _clean(text: str) -> str:
    """Return a model's text on one line, without secrets and what PostgreSQL can't store."""
    storable = text.replace("\0", "").encode("utf-8", "replace").decode()
    return redact(" ".join(storable.split())).text


def _was_contradicted(quote: FoundQuote, corrections: Mapping[int, str]) -> bool:
    """Tell whether a person refuted what the agent says in a quote."""
    correction = corrections.get(quote.passage.exchange)
    return correction is not None and quote.passage.role != "user" and contradicts(correction, quote.words)


def _find(given: GivenQuote, by_id: Mapping[str, Passage]) -> FoundQuote | None:
    """Find a quote in the passage that it names, whatever the white space; None if it doesn't stand there."""
    passage, words = by_id.get(str(given.passage)), given.words.split()
    if passage is None or not MIN_QUOTE_CHARS <= len("".join(words)) <= MAX_QUOTE_CHARS:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), passage.text)
    return None if found is None else FoundQuote(passage, found[0])


def support(words: str, quoted: str) -> float:
    """Return the share of the content words that stand in what is quoted; 0 for words without content."""
    wanted = set(terms(words))
    return len(wanted & set(terms(quoted))) / len(wanted) if wanted else 0.0


def _names_in(words: str, quoted: str) -> bool:
    """Tell whether every number and identifier stands in what is quoted: no share makes up for another port or file."""
    names: Iterable[str] = (name.casefold() for name in codes(words))
    return set(numbers(words)) <= set(numbers(quoted)) and set(names) <= {name.casefold() for name in codes(quoted)}


def _candidate(title: str, text: str, type_: KnowledgeType, quotes: Sequence[FoundQuote], share: float) -> ItemCandidate:
    """Build the candidate. It cites its first quote; the better its words are supported, the more it is trusted."""
    source = quotes[0].passage
    normal = re.sub(r"\W+", " ", text.casefold()).strip()
    digest = hashlib.blake2b(f"{source.event_id}\x1f{normal}".encode("utf-8", "replace"), digest_size=12).hexdigest()
    return ItemCandidate(
        key=f"model:{digest}",
        type=type_,
        title=title,
        text=text,
        confidence=round(0.4 + 0.4 * share, 2),
        event_id=source.event_id,
        locator=source.locator,
        excerpt="\n".join(each.words for each in quotes if each.passage.event_id == source.event_id)[:EXCERPT_CHARS],
        at=source.at,
    )
