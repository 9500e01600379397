"""Statements that might become items: each with what its exchange tells about it, and the words around it that make it stand alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.knowledge.extraction.exchanges import Exchange, ending
from app.knowledge.extraction.features import is_guess, is_order
from app.knowledge.extraction.intent import intent_of
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.noise import is_dangling, is_injection, is_prose, is_talk, is_transient
from app.knowledge.extraction.prose import Statement, statements
from app.knowledge.extraction.titles import without_lead
from app.knowledge.item import Intent, KnowledgeType

MAX_PROMPT_CHARS = 3_000
"""A longer prompt is pasted: a plan, a log, a rule file; not said."""
MIN_CHARS, MAX_CHARS = 24, 600
MAX_GROUP_CHARS = 520
MAX_GROUP = 4
_MERGE = re.compile(r"<{5,}|>{5,}|={7,}|⋮")
"""Marks of an edit block or of a shortened listing: code, not words."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement and its group. `type`, `title`: where a rule knows them (commands), else the classifier tells."""

    core: Statement
    text: str
    excerpt: str
    prior: float
    places: frozenset[tuple[str, int]]
    exchange: int
    intent: Intent | None
    person: bool = False
    proved: bool = False
    type: KnowledgeType | None = None
    title: str = ""
    fixed: bool = False
    """Its prior is its score: it is no sentence that the classifier could judge."""


def drafts_of(exchange: Exchange, number: int, memory: Memory) -> Iterator[Draft]:
    """Every statement of an exchange that is evidence; what a person rejected, and what was only read, is none."""
    intent = intent_of(exchange.asked)
    proved = exchange.ending == "accepted" or exchange.tests_passed
    prompt = exchange.prompt
    if prompt is not None and len(prompt.text) <= MAX_PROMPT_CHARS:
        corrects = ending(prompt.text) == "corrected"
        for said in statements(prompt):
            lesson = without_lead(said.text)
            statement = replace(said, text=lesson[:1].upper() + lesson[1:])
            if _may_stand(statement.text) and not _asks(statement.text) and not memory.was_served(statement.text):
                yield _draft([statement], PERSON + (CORRECTION if corrects else 0.0), number, intent, person=True)
    if exchange.ending == "corrected":
        return
    replies = exchange.replies
    outcome = (ACCEPTED if exchange.ending == "accepted" else 0.0) + (TESTED if exchange.tests_passed else 0.0)
    outcome += CHANGED if exchange.changed_files else 0.0
    for place, reply in enumerate(replies):
        told = statements(reply)
        final = FINAL if place == len(replies) - 1 else 0.0
        for at, statement in enumerate(told):
            if _may_stand(statement.text) and not memory.was_served(statement.text):
                group = _group(told, at)
                yield replace(_draft(group, outcome + final, number, intent), core=statement, proved=proved)


PERSON, CORRECTION, ACCEPTED, TESTED, CHANGED, FINAL = 0.3, 0.7, 0.5, 0.4, 0.3, 0.5
"""Added to the log-odds that the classifier gives: who said it, and how it ended."""


def _draft(group: list[Statement], prior: float, exchange: int, intent: Intent | None, *, person: bool = False) -> Draft:
    text = joined([each.text for each in group])
    return Draft(group[0], text, _excerpt(group), prior, frozenset((each.event.id, each.place) for each in group), exchange, intent, person)


def _may_stand(text: str) -> bool:
    """Whether the ranking may look at it: a question, an opening, a plan, a guess, a state of the day or an order to a model never becomes an item."""
    length = len(text) + sum("\u3400" <= char <= "\u9fff" for char in text)
    if not MIN_CHARS <= length <= MAX_CHARS or text.rstrip().endswith(("?", "？", ":", "：", "…", "...")):
        return False
    if not is_prose(text) or _MERGE.search(text):
        return False
    return not (is_injection(text) or is_guess(text) or is_talk(text) or is_transient(text))


def _asks(text: str) -> bool:
    return "?" in text or "？" in text or is_order(text)


def _group(said: list[Statement], at: int) -> list[Statement]:
    """The statement, the one before it where it points back, and those of its section that follow and stand."""
    core = said[at]
    group = [core]
    if is_dangling(core.text) and at > 0 and said[at - 1].heading == core.heading:
        group.insert(0, said[at - 1])
    for each in said[at + 1 :]:
        if each.heading != core.heading or len(group) == MAX_GROUP or not _follows(each.text):
            break
        if len(joined([one.text for one in (*group, each)])) > MAX_GROUP_CHARS:
            break
        group.append(each)
    return group


def _follows(text: str) -> bool:
    return not (is_talk(text) or is_transient(text) or is_injection(text) or is_guess(text)) and not text.rstrip().endswith(
        ("?", "？", ":", "：")
    )


def joined(texts: Sequence[str]) -> str:
    """One text of several statements, in their order."""
    text = ""
    for each in texts:
        if text and not text.endswith((".", "。", "!", "！", ";", "；", ":", "：", "?", ",")):
            text += ";"
        text += f" {each}" if text else each
    return text


def _excerpt(group: list[Statement]) -> str:
    """Verbatim from the message: the group as it stands there, or its first statement."""
    said, first, last = group[0].event.text, group[0].raw, group[-1].raw
    start = said.find(first)
    end = said.find(last, start) + len(last) if start >= 0 else -1
    return said[start:end] if 0 <= start < end else first
