"""Drafts: statements that might become items, with what their exchange says about them and the statements that may join them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.knowledge.extraction.choices import choice_of
from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.features import is_guess, is_order, is_rule
from app.knowledge.extraction.intent import intent_of
from app.knowledge.extraction.memory import SessionMemory
from app.knowledge.extraction.noise import CODE, is_dangling, is_injection, is_output, is_prose, is_talk, is_transient
from app.knowledge.extraction.prose import Statement, statements
from app.knowledge.extraction.titles import MAX_TITLE, capitalize, without_lead
from app.knowledge.item import KnowledgeType
from app.likeness.gloss import gloss, is_foreign
from app.trajectory.events import objects
from app.trajectory.intent import Intent

MAX_PROMPT_CHARS = 3_000
"""A longer prompt is pasted material (a plan, a log, a rule file), not something that a person said."""
MIN_CHARS, MAX_CHARS = 24, 600
_MERGE = re.compile(r"<{5,}|>{5,}|={7,}|[⋮█]")
"""Marks of a merge conflict, an edit block or a truncated listing: code, not prose."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement that might become an item. `type`, `title`, `text` are set where a rule knows them (commands), else derived from `context`.

    A `title` without a `text` is the last choice, where `context` gives none.
    """

    core: Statement
    context: tuple[Statement, ...]
    """The statements of its message that may join the item, in order, including the statement itself."""
    prior: float
    exchange: int
    intent: Intent | None
    person: bool = False
    type: KnowledgeType | None = None
    title: str = ""
    text: str = ""

    @property
    def fixed(self) -> bool:
        """True where `prior` is the whole score: commands, which the classifier, made for sentences, can't judge."""
        return bool(self.text)


def drafts_of(exchange: Exchange, number: int, memory: SessionMemory) -> Iterator[Draft]:
    """Yield every statement of an exchange that counts as evidence; what the person contradicted or what was only read doesn't."""
    intent = intent_of(exchange.asked)
    prompt = exchange.prompt
    if prompt is not None and len(prompt.text) <= MAX_PROMPT_CHARS:
        corrects = objects(prompt.text)
        told = tuple(replace(said, text=classifier_text(choice_of(said.text) or said.text)) for said in statements(prompt))
        told = tuple(said for said in told if _may_be_told(said.text) and not memory.is_known(said.text))
        for said in told:
            weight = _weight(said.text, corrects=corrects)
            drafted = Draft(said, told, PERSON + weight, number, intent, person=True)
            yield _as_choice(drafted, is_bare=weight < 0) if choice_of(said.text) else drafted
    replies = exchange.replies
    outcome = (ACCEPTED if exchange.ending == "accepted" else 0.0) + (TESTED if exchange.tests_passed else 0.0)
    outcome += (CHANGED if exchange.changed_files else 0.0) - (REJECTED if exchange.ending == "corrected" else 0.0)
    for place, reply in enumerate(replies):
        told = tuple(said for said in statements(reply) if _may_join(said.text) and not memory.is_known(said.text))
        final = FINAL if place == len(replies) - 1 else 0.0
        for said in told:
            if (
                may_be_item(without_lead(said.text))
                and not is_transient(said.text)
                and not (exchange.ending == "corrected" and contradicts(exchange.verdict, said.text))
            ):
                yield Draft(replace(said, text=classifier_text(said.text)), told, outcome + final, number, intent)


def _weight(text: str, *, corrects: bool) -> float:
    """Return what a person's statement gains for being a rule or a correction. Its refusal alone ("No, …") makes it no rule."""
    if not corrects:
        return 0.0 if is_rule(text) else -REPORT
    if is_rule(_REFUSAL.sub("", gloss(text))):
        return CORRECTION + CORRECTED_RULE
    return -REPORT if is_foreign(text) else CORRECTION  # of English the classifier knows the words that report


def _may_be_told(text: str) -> bool:
    """Tell whether a person's words may be an item: no errand, unless it settles which service or tool is used from now on."""
    return may_be_item(text) and bool(choice_of(text) or not _is_request(without_lead(text)))


def _as_choice(draft: Draft, *, is_bare: bool) -> Draft:
    """Return the draft of a choice, whose words may be its title. `is_bare`: no other word says that it lasts."""
    words = capitalize(draft.core.text.rstrip(" .!。！"))
    title, prior = words if len(words) <= MAX_TITLE else "", max(draft.prior, PERSON + CHOICE)
    return replace(draft, title=title, prior=prior, type="architectural_decision" if is_bare else None)


PERSON, CORRECTION, REPORT, ACCEPTED, TESTED, CHANGED, FINAL, REJECTED = 0.6, 0.7, 2.0, 0.5, 0.4, 0.3, 0.5, 1.0
"""Added to or taken from the classifier's log-odds: who said it, and how the exchange ended. A person's request mostly reports what happened;
only their rules and corrections are lessons."""
_REFUSAL = re.compile(r"^\W*(?:no|nope|not|wrong)\s*[,，、،.。!:]\s*", re.IGNORECASE)
"""A refusal that opens a glossed correction."""
CORRECTED_RULE = 1.5
"""Added where a correction lays down a rule: of other languages the classifier knows few words, so that its odds alone say little."""
CHOICE = 2.6
"""Added for a person's choice of a service or a tool: the classifier, made for lessons, takes a bare one for an errand."""


def classifier_text(text: str) -> str:
    """Return the text that the classifier reads: without an opening such as "I see that …" or "This change …"."""
    return capitalize(without_lead(text)) if is_talk(text) or is_dangling(text) else text


def may_be_item(text: str) -> bool:
    """Tell whether a text may become an item: not a question, an opening, a plan, a guess, a passing state or an order to a model."""
    length = len(text) + sum("\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af" for char in text)
    if not MIN_CHARS <= length <= MAX_CHARS or text.rstrip().endswith(("?", "？", ":", "：", "…", "...")):
        return False
    if not is_prose(text) or _MERGE.search(text):
        return False
    return not (is_injection(text) or is_guess(text) or is_talk(text) or is_transient(text))


def _may_join(text: str) -> bool:
    """Tell whether a text may join an item of another statement. An opening may, since what it introduces follows."""
    if _MERGE.search(text) or text.rstrip().endswith(("?", "？")) or len(text) > MAX_CHARS or is_output(text):
        return False
    return not (is_talk(without_lead(text)) or is_transient(text) or is_injection(text) or is_guess(text))


def contradicts(verdict: str, text: str) -> bool:
    """Tell whether a person's "no" refutes this statement: it claims a cause or a fix, or names what the person names."""
    if _CLAIM.search(gloss(text)):
        return True
    verdict, text = verdict.casefold(), text.casefold()
    return bool(_names(verdict) & _names(text)) or len(_words(verdict) & _words(text)) >= SHARED_WORDS


_CLAIM = re.compile(
    r"\b(?:fix\w*|root cause|caused?|solv\w+|resolv\w+|works?|because)\b",
    re.IGNORECASE,
)


SHARED_WORDS = 2
"""Words that a verdict and a statement must have in common to be about the same thing."""


def _names(text: str) -> set[str]:
    return {found.strip("`") for found in CODE.findall(text)}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{5,}|[\u3400-\u9fff]{2}", text)) - _COMMON


_COMMON = frozenset(
    [
        "about",
        "again",
        "always",
        "because",
        "before",
        "could",
        "doesn",
        "every",
        "first",
        "never",
        "other",
        "please",
        "should",
        "since",
        "still",
        "their",
        "there",
        "these",
        "thing",
        "think",
        "those",
        "using",
        "which",
        "while",
        "would",
        "wrong",
    ]
)


def _is_request(text: str) -> bool:
    return "?" in text or "？" in text or is_order(text)
