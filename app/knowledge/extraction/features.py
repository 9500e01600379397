"""Word features of a statement, as numbers for the classifier; no rule here decides alone. Covers seven languages."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from app.knowledge.extraction.noise import CODE, is_dangling, is_talk, is_transient

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTERS = re.compile(r"[^\W\d_]")
_REASON = re.compile(
    r"\b(?:because|since|so that|so|which means|means|due to|in order to|to avoid|to prevent|therefore|cause[ds]?|why|when|"
    r"weil|damit|dass|denn|sonst|car|parce que|afin|sinon|porque|pois|para que|ya que)\b|因为|由于|所以|以便|避免|否则|原因|导致",
    re.IGNORECASE,
)
_SURPRISE = re.compile(
    r"\b(?:not|never|only|cannot|can't|won't|doesn't|don't|didn't|isn't|aren't|without|silently|unless|instead of|rather than|even|but|although|fails?|ignores?|"
    r"nicht|nie|kein\w*|statt|nur|ohne|ne|pas|jamais|plutôt que|sans|não|nunca|em vez|sem|sólo|nunca)\b|不|没有|必须|只能|而不是|注意",
    re.IGNORECASE,
)
_RULE = re.compile(
    r"\b(?:always|never|must|requires?|needs?|need to|has to|have to|by default|expects?|rule|convention|use|only|every|each|"
    r"immer|müssen|muss|regel|achtung|toujours|doit|règle|attention|exige|sempre|deve|regra|atenção)\b|总是|必须|规则|注意|默认|应该",
    re.IGNORECASE,
)
_LAID_DOWN = re.compile(
    r"\b(?:don['’]?t|do not|mustn['’]?t|should(?:n['’]?t)?|can(?:no|['’])?t|not|no longer|instead|rather than|decided|agreed|we (?:have|run|keep|deploy|write|call)|"
    r"nicht|kein\w*|statt|wir (?:nutzen|verwenden|haben)|ne|pas|jamais|nous utilisons|não|nunca|usamos)\b|不|别|改用|我们用",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:probably|maybe|perhaps|might|may be|could be|i think|i suspect|i believe|seems?|appears?|looks? like|suggests?|likely|possibly|not sure|unclear|should work|"
    r"vielleicht|vermutlich|wahrscheinlich|peut-être|sans doute|talvez|provavelmente|quizás)\b|可能(?:是|会|需要|由于|因为|不)|^可能|也许|大概|似乎",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"^(?:\w+ )?(?:added|moved|replaced|fixed|changed|removed|renamed|split|extracted|created|updated|switched|consolidated|introduced|implemented)\b"
    r"|\b(?:now|the fix|fixed by|was changed|were moved|solution|lösung|correction|correção)\b|修复|改为|添加|解决",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"(?:please |can you |could you |now |also |and |then |lets |let's )*(?:add|make|create|implement|fix|update|write|run|read|check|show|give|continue|commit|push|remove|delete|change|"
    r"rename|refactor|find|look|explain|help|try|do|go|suggest|review|move|generate|build|test|list)\b|(?:请|帮我)",
    re.IGNORECASE,
)
_OPINION = re.compile(
    r"\b(?:good|great|nice|clean(?:er)?|better|excellent|well|consider|could|would|suggest|recommend|option|clarity|readab\w+)\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i'll|i've|i'd|me|my|ich|je|j'ai|vou|eu)\b|我", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your|sie|vous|você)\b|你|您", re.IGNORECASE)
_CUES = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("test", r"\b(?:tests?|testing|fixtures?|mock\w*|coverage|assert\w*|golden|flaky)\b|测试"),
        ("deploy", r"\b(?:deploy\w*|releases?|rollout|rollback|production|staging|cluster|image|docker|helm|startup)\b|部署|发布|启动"),
        (
            "decision",
            r"\b(?:decided|chose|chosen|deliberate\w*|intentional\w*|rejected|by design|belongs? to|rather than|instead of|entschieden|choisi|décidé|decidimos)\b|决定|选择",
        ),
        (
            "cause",
            r"\b(?:root cause|cause[ds]?|fix(?:ed|es)?|bug|crash\w*|fail\w*|error|came from|expects?|wrong|ursache|fehler|causa|corrig\w*)\b|原因|修复|错误",
        ),
        (
            "faster",
            r"\b(?:faster|slow\w*|speed|latency|memory|polling|batch\w*|index|cach\w+|ms|seconds?|cpu|preload\w*|lazy)\b|延迟|性能|优化",
        ),
        ("moved", r"\b(?:moved|renamed|split|extracted|consolidated|deduplicat\w*|replaced|removed|refactor\w*|unified)\b|提取|重构|合并"),
        ("tool", r"\b(?:run|install|lint\w*|command|flag|make|npm|pip|go|cargo|directive|env|dependency)\b|运行|安装|命令"),
        (
            "other system",
            r"\b(?:api|webhook|oauth|provider|callback|token|signature|iframe|integration|hook|client|plugin|sdk)\b|接口|回调|对接",
        ),
        ("meaning", r"\b(?:means|is a|is an|consists|represents|concept|stands for|immutable|distinguishes)\b|是指|意味"),
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
    return np.array(
        [
            min(1.0, math.log1p(length) / 6),
            float(length < 40),
            float(length > 320),
            float(bool(found)),
            min(1.0, len(found) / 4),
            float(bool(_REASON.search(text))),
            float(bool(_SURPRISE.search(text))),
            float(bool(_RULE.search(text))),
            float(bool(_HEDGE.search(text))),
            float(bool(_CHANGED.search(text))),
            float(bool(_ORDER.match(text))),
            float(bool(_OPINION.search(text))),
            float(is_talk(text)),
            float(is_transient(text)),
            float(is_dangling(text)),
            float(text.rstrip().endswith(("?", "？", ":", "：", "…", "...", ","))),
            len(_LETTERS.findall(text)) / max(1, len(text)),
            float(bool(_FIRST_PERSON.search(text))),
            float(bool(_YOU.search(text))),
            float(text.rstrip().endswith((".", "!", "。", "！"))),
            *(float(bool(cue.search(text))) for _, cue in _CUES),
        ]
    )


def is_guess(text: str) -> bool:
    return bool(_HEDGE.search(text))


def is_rule(text: str) -> bool:
    """Tell whether it states a lasting rule rather than a passing state: `never …`, `… needs …`, `we use … here`, `not … but …`."""
    return bool(_RULE.search(text) or _LAID_DOWN.search(text))


def is_order(text: str) -> bool:
    """Tell whether it asks for something to be done now, as opposed to a rule for later."""
    return bool(_ORDER.match(text))
