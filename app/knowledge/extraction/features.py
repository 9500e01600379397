"""Word features of a statement, as numbers for the classifier; no rule here decides alone. Other languages are read by their gloss."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from app.knowledge.extraction.noise import CODE, is_dangling, is_talk, is_transient
from app.likeness.gloss import gloss, is_foreign

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTERS = re.compile(r"[^\W\d_]")
_REASON = re.compile(
    r"\b(?:because|since|so that|so|which means|means|due to|in order to|to avoid|to prevent|therefore|cause[ds]?|why|when)\b",
    re.IGNORECASE,
)
_SURPRISE = re.compile(
    r"\b(?:not|never|only|cannot|can't|won't|doesn't|don't|didn't|isn't|aren't|without|silently|unless|instead of|rather than|even|but|although|fails?|ignores?|attention)\b",
    re.IGNORECASE,
)
_RULE = re.compile(
    r"\b(?:always|never|must|requires?|needs?|need to|has to|have to|by default|expects?|rule|convention|use|only|every|each|attention)\b",
    re.IGNORECASE,
)
_LAID_DOWN = re.compile(
    r"\b(?:don['’]?t|do not|mustn['’]?t|should(?:n['’]?t)?|can(?:no|['’])?t|not|no longer|instead|rather than|decided|agreed|we (?:have|run|keep|deploy|write|call))\b",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(r"\bthe (?:root )?(?:cause|fix) (?:is|was)\b(?! (?:not|still|wrong|unclear|unknown|missing))", re.IGNORECASE)
_HEDGE = re.compile(
    r"\b(?:probably|maybe|perhaps|might|may be|could be|i think|i suspect|i believe|seems?|appears?|looks? like|suggests?|likely|possibly|not sure|unclear|should work)\b",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"^(?:\w+ )?(?:added|moved|replaced|fixed|changed|removed|renamed|split|extracted|created|updated|switched|consolidated|introduced|implemented)\b"
    r"|\b(?:now|the fix|fixed by|was changed|were moved|solution|correction)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"(?:please |can you |could you |now |also |and |then |lets |let's )*(?:add|make|create|implement|fix|update|write|run|read|check|show|give|continue|commit|push|remove|delete|change|"
    r"rename|refactor|find|look|explain|help|try|do|go|suggest|review|move|generate|build|test|list)\b",
    re.IGNORECASE,
)
_PLEASE = re.compile(r"please\b(?!.{0,60}\b(?:not|never|always|only)\b)")
_OPINION = re.compile(
    r"\b(?:good|great|nice|clean(?:er)?|better|excellent|well|consider|could|would|suggest|recommend|option|clarity|readab\w+)\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i'll|i've|i'd|me|my)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your)\b", re.IGNORECASE)
_CUES = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("test", r"\b(?:tests?|testing|fixtures?|mock\w*|coverage|assert\w*|golden|flaky)\b"),
        ("deploy", r"\b(?:deploy\w*|releases?|rollout|rollback|production|staging|cluster|image|docker|helm|startup)\b"),
        (
            "decision",
            r"\b(?:decided|chose|chosen|deliberate\w*|intentional\w*|rejected|by design|belongs? to|rather than|instead of)\b",
        ),
        (
            "cause",
            r"\b(?:root cause|cause[ds]?|fix(?:ed|es)?|bug|crash\w*|fail\w*|error|came from|expects?|wrong)\b",
        ),
        (
            "faster",
            r"\b(?:faster|slow\w*|speed|latency|memory|polling|batch\w*|index|cach\w+|ms|seconds?|cpu|preload\w*|lazy|performance)\b",
        ),
        ("moved", r"\b(?:moved|renamed|split|extracted|consolidated|deduplicat\w*|replaced|removed|refactor\w*|unified)\b"),
        ("tool", r"\b(?:run|install|lint\w*|command|flag|make|npm|pip|go|cargo|directive|env|dependency)\b"),
        (
            "other system",
            r"\b(?:api|webhook|oauth|provider|callback|token|signature|iframe|integration|hook|client|plugin|sdk)\b",
        ),
        ("meaning", r"\b(?:means|is a|is an|consists|represents|concept|stands for|immutable|distinguishes)\b"),
    )
)
NAMES = (
    "length", "short", "long", "code", "codes", "reason", "surprise", "rule", "hedge", "changed", "order", "opinion", "talk", "transient",
    "dangling", "open end", "letters", "first person", "second person", "sentence",
    *(name for name, _ in _CUES),
)  # fmt: skip


def features_of(text: str) -> NDArray[np.float64]:
    """Return the feature vector of a text, each value about 0 to 1, in the order of NAMES."""
    cjk = len(_CJK.findall(text))
    length = len(text) + cjk
    found = CODE.findall(text)
    read = gloss(text)
    return np.array(
        [
            min(1.0, math.log1p(length) / 6),
            float(length < 40),
            float(length > 320),
            float(bool(found)),
            min(1.0, len(found) / 4),
            float(bool(_REASON.search(read))),
            float(bool(_SURPRISE.search(read))),
            float(bool(_RULE.search(read))),
            float(bool(_HEDGE.search(read))),
            float(bool(_CHANGED.search(read))),
            float(is_order(text)),
            float(bool(_OPINION.search(read))),
            float(is_talk(text)),
            float(is_transient(text)),
            float(is_dangling(text)),
            float(text.rstrip().endswith(("?", "？", ":", "：", "…", "...", ","))),
            len(_LETTERS.findall(text)) / max(1, len(text)),
            float(bool(_FIRST_PERSON.search(read))),
            float(bool(_YOU.search(read))),
            float(text.rstrip().endswith((".", "!", "。", "！"))),
            *(float(bool(cue.search(read))) for _, cue in _CUES),
        ]
    )


def says_why_or_must(text: str) -> bool:
    """Tell whether it has a cue of a lesson: a reason, a rule, a limit, a decision, a cause or a fix."""
    read = gloss(text)
    return is_rule(text) or any(pattern.search(read) for pattern in (_REASON, _SURPRISE, _CHANGED))


def is_guess(text: str) -> bool:
    return bool(_HEDGE.search(gloss(text)))


def is_rule(text: str) -> bool:
    """Tell whether it states what lasts rather than a passing state: `never …`, `… needs …`, `we use … here`, `the root cause is …`."""
    read = gloss(text)
    return bool(_RULE.search(read) or _LAID_DOWN.search(read) or _EXPLAINED.search(read))


def is_order(text: str) -> bool:
    """Tell whether it asks for something to be done now, as opposed to a rule for later."""
    return bool(_PLEASE.match(gloss(text)) if is_foreign(text) else _ORDER.match(text))
