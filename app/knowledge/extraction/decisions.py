"""Decisions and their reasons: what was chosen, over what, because of what."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.knowledge.extraction.candidate import Found
from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.noise import is_dangling, is_noise, names_something
from app.knowledge.extraction.prose import Statement

MOST = 3
_CHOICE = re.compile(
    r"\b(?:(?:we|i|they|the team)(?:'ve| have)? (?:decided|chose|chosen|opted|picked|settled|went with|kept|dropped|rejected)|decided (?:to|on|against|not to)|chose(?:n)? (?:to|over|because|for)|opted (?:to|for)|"
    r"(?:is|are|was|were) (?:intentional(?:ly)?|deliberate(?:ly)?|by design)|trade-?off|prefer(?:red)? .{3,80} (?:over|because|to|since)|the advantage of|design decision)\b"
    r"|选择了|决定|采用了",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|so that|so we|in order to|to avoid|to keep|to prevent|to ensure|which (?:avoids|keeps|prevents|allows|means|lets)|rather than|instead of|over|therefore)\b|因为|由于|以便|避免|而不是",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"\b(?:instead of|rather than)\b.{3,160}\b(?:because|since|so that|to avoid|to keep|to prevent|to ensure|which)\b",
    re.IGNORECASE,
)
_REASONED = re.compile(
    r"\b(?:uses?|using|keeps?|kept|skips?|avoids?|stores?|runs?|needs?|wraps?|returns?|validat\w+|allow\w*|calls?|ignores?|removed|added|moved|made|is|are|was|were)\b.{8,220}\b(?:because|since the|so that)\b.{12,}",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"\b(?:decisions?|rationale|why (?:this|we|not)|design|trade-?offs?|alternatives?|reasoning)\b|决策|设计理由", re.IGNORECASE
)
_FAULT_OR_GUESS = re.compile(
    r"\b(?:errors?|fail\w*|bugs?|wrong|problem|issue|occurr\w+|crash\w*|missing|broken|panic\w*|suspect|likely|probably|maybe|perhaps|might|seems?|appears?)\b|错误|失败|报错",
    re.IGNORECASE,
)
_FUTURE = re.compile(
    r"\b(?:i would|we could|you could|could also|might want|would you|option|should we|i'd (?:suggest|recommend)|i(?:'d| would) propose)\b",
    re.IGNORECASE,
)


def find(exchange: Exchange, memory: Memory) -> Iterator[Found]:  # noqa: ARG001 - the rules' one signature
    if exchange.ending == "corrected":
        return
    made = 0
    for statement in exchange.statements():
        if made < MOST and is_decision(statement):
            made += 1
            yield Found("decision", "architectural_decision", statement, statement.text, 0.6)


_TASK = re.compile(
    r"(?:make sure|update|change|rename|use the|skip|ensure|apply|final |added|adds|updated|removed|created|\(\d+\)|\d+[.)])", re.IGNORECASE
)


def is_decision(statement: Statement) -> bool:
    """Chosen and with a reason; or a contrast with a reason; or a reasoned point under a heading of decisions."""
    text = statement.text
    if is_noise(text) or is_dangling(text) or _FUTURE.search(text) or _FAULT_OR_GUESS.search(text) or _TASK.match(text):
        return False
    if _CHOICE.search(text) and _REASON.search(text):
        return True
    if _CONTRAST.search(text) or _REASONED.search(text):
        return names_something(text)
    return bool(_HEADED.search(statement.heading)) and bool(_REASON.search(text)) and names_something(text)
