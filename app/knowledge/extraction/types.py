"""Decides a statement's knowledge type: the classifier's odds, a few word cues, and the intent of the prompt."""

from __future__ import annotations

import re

import numpy as np

from app.knowledge.extraction.classifier import Numbers
from app.knowledge.item import KNOWLEDGE_TYPES, KnowledgeType
from app.likeness.gloss import gloss
from app.trajectory.intent import Intent

_CUES: tuple[tuple[KnowledgeType, str], ...] = (
    ("bug_solution", r"\b(?:root cause|fix(?:ed|es)? (?:is|was|it|this|by|adds?)|the (?:fix|bug|problem|error|failure)\b.{0,60}\b(?:is|was|came|comes|caused)|caused by|(?:fail|crash|broke|empty|missing|wrong)\w*\b.{0,60}\b(?:because|since)|fixed)\b"),
    ("testing_strategy", r"\b(?:tests? (?:should|must|need|use|run|is|are|in|with|could)|in (?:the )?tests?|\w*build tag|test (?:dependency|expectation|helper|fixture|file|case)s?|mock\w*|fixtures?|integration tests?|unit tests?)\b"),
    ("architectural_decision", r"\b(?:decided|chose|chosen|opted|deliberate(?:ly)?|intentional(?:ly)?|by design|design decision|trade-?off|concerns?|responsib\w+|best-effort|complexity|belongs? (?:to|in)|(?:instead of|rather than)\b.{3,120}\b(?:because|since|so that|to avoid))\b"),
    ("deployment_approach", r"\b(?:deploy\w*|rollout|rollback|production|staging|helm|kubernetes|dockerfile|docker images?|github actions?|ci workflow)\b|\.github/workflows"),
    ("optimization", r"\b(?:faster|slow(?:er)?|speed ?up|latency|n\+1|polling|performance|optimi[sz]\w+)\b"),
    ("refactoring", r"\b(?:moved|renamed|extracted|consolidated|deduplicat\w+|refactor\w*|split into|changed (?:the )?signature|remov(?:es?|ed) (?:the |an? |two |all )?(?:unused|redundant|local|old|duplicated?|custom)|simplif(?:y|ies|ied)|unnecessary|redundant|duplicated?)\b"),
    ("implementation_strategy", r"^(?:`[^`]+`)?\W*(?:add(?:s|ed|ing)?|implement(?:s|ed)|creat(?:es|ed)|introduc(?:es|ed)|now |updat(?:es|ed)|replac(?:es|ed)|modif(?:ies|ied)|chang(?:es|ed)|extend(?:s|ed)|register(?:s|ed)|expos(?:es|ed)|made|uses? )"),
    ("tool_usage", r"\b(?:run|install|use) `|\blint\w*|`(?:npm|pnpm|go|make|cargo|pip|docker|git|mise|just) "),
    ("gotcha", r"\b(?:not|n't|never|only|cannot|unless|silently|without|even though|requires?|must|ignores?|already|before|attention)\b"),
)  # fmt: skip
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _CUES)

CUE, USUAL, INTENT = 2.0, 1.0, 0.7
"""Added to log-probabilities: CUE for the type of the first word cue; USUAL for `gotcha`, the most frequent type in sessions though every type
has equally many examples; INTENT for the type that goes with the prompt's intent."""
_OF_INTENT: dict[Intent, KnowledgeType] = {
    "debugging": "bug_solution",
    "feature-dev": "implementation_strategy",
    "testing": "testing_strategy",
    "refactoring": "refactoring",
    "learning": "abstract_concept",
    "optimization": "optimization",
}


def cues_of(text: str) -> Numbers:
    """Return 0 or 1 for each word cue, in the order of _CUES."""
    read = gloss(text)
    return np.array([float(bool(pattern.search(read))) for _, pattern in _PATTERNS])


def type_of(odds: Numbers, cues: Numbers, intent: Intent | None, *, person: bool = False) -> KnowledgeType:
    """Return the likeliest type by the classifier's `type_odds`, the first cue and the prompt's intent.

    `person`: a person said it; "Use X here" is then a convention (`coding_pattern`), not a report of an implementation.
    """
    odds = odds.copy()
    odds[KNOWLEDGE_TYPES.index("gotcha")] += USUAL
    if cues.any() and (said := _PATTERNS[int(cues.argmax())][0]) != "gotcha":
        odds[KNOWLEDGE_TYPES.index(said)] += CUE
    if intent in _OF_INTENT:
        odds[KNOWLEDGE_TYPES.index(_OF_INTENT[intent])] += INTENT
    likeliest = KNOWLEDGE_TYPES[int(odds.argmax())]
    return "coding_pattern" if person and likeliest == "implementation_strategy" else likeliest
