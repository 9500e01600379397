"""The type of a statement: firm words first, in order; else what the regression over its words says of the rest.

A dozen examples a type are too few for twelve ways to choose (52 % right in ten folds), so what is said outright goes before it.
"""

from __future__ import annotations

import re

from app.knowledge.extraction.classifier import Numbers, best_type
from app.knowledge.item import KnowledgeType

_FIRM: tuple[tuple[KnowledgeType, str], ...] = (
    ("bug_solution", r"\b(?:root cause|fix(?:ed|es)? (?:is|was|it|this|by|adds?)|the (?:fix|bug|problem|error|failure)\b.{0,60}\b(?:is|was|came|comes|caused)|caused by|(?:fail|crash|broke|empty|missing|wrong)\w*\b.{0,60}\b(?:because|since)|fixed|die ursache|la cause|a causa)\b|根本原因|修复|解决了"),
    ("testing_strategy", r"\b(?:tests? (?:should|must|need|use|run|is|are|in|with|could)|in (?:the )?tests?|\w*build tag|test (?:dependency|expectation|helper|fixture|file|case)s?|mock\w*|fixtures?|integration tests?|unit tests?)\b|测试"),
    ("architectural_decision", r"\b(?:decided|chose|chosen|opted|deliberate(?:ly)?|intentional(?:ly)?|by design|design decision|trade-?off|concerns?|responsib\w+|best-effort|complexity|belongs? (?:to|in)|(?:instead of|rather than)\b.{3,120}\b(?:because|since|so that|to avoid)|entschieden|choisi|décidé|decidimos)\b|决定|选择了"),
    ("deployment_approach", r"\b(?:deploy\w*|rollout|rollback|production|staging|helm|kubernetes|dockerfile|docker images?|github actions?|ci workflow)\b|\.github/workflows|部署"),
    ("optimization", r"\b(?:faster|slow(?:er)?|speed ?up|latency|n\+1|polling|performance|optimi[sz]\w+)\b|性能|延迟"),
    ("refactoring", r"\b(?:moved|renamed|extracted|consolidated|deduplicat\w+|refactor\w*|split into|changed (?:the )?signature|remov(?:es?|ed) (?:the |an? |two |all )?(?:unused|redundant|local|old|duplicated?|custom)|simplif(?:y|ies|ied)|unnecessary|redundant|duplicated?)\b|重构|提取到"),
    ("implementation_strategy", r"^(?:`[^`]+`)?\W*(?:add(?:s|ed|ing)?|implement(?:s|ed)|creat(?:es|ed)|introduc(?:es|ed)|now |updat(?:es|ed)|replac(?:es|ed)|modif(?:ies|ied)|chang(?:es|ed)|extend(?:s|ed)|register(?:s|ed)|expos(?:es|ed)|made|uses? )|添加了|实现"),
    ("tool_usage", r"\b(?:run|install|use) `|\blint\w*|`(?:npm|pnpm|go|make|cargo|pip|docker|git|mise|just) |运行 `"),
    ("gotcha", r"\b(?:not|n't|never|only|cannot|unless|silently|without|even though|requires?|must|ignores?|already|before|nicht|ne|não)\b|不|必须|注意"),
)  # fmt: skip
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _FIRM)

SURE = 2.2
"""Log-odds from which the regression over words is believed."""


def type_of(text: str, scores: Numbers, *, rule: bool = False) -> KnowledgeType:
    """By firm words; else by the regression where it is sure; else a gotcha: how something behaves, which nobody told the reason of.

    `rule`: a person said it. "Use X here" is how things are done then, not how something was made.
    """
    told = firm_type(text) or (best_type(scores) if float(scores.max()) >= SURE else "gotcha")
    return "coding_pattern" if rule and told == "implementation_strategy" else told


def firm_type(text: str) -> KnowledgeType | None:
    return next((name for name, pattern in _PATTERNS if pattern.search(text)), None)
