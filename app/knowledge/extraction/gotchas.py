"""Gotchas and facts of configuration: what surprises, what is required, what does not work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.knowledge.extraction.candidate import Found
from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.noise import CODE, is_dangling, is_noise
from app.knowledge.item import KnowledgeType

MOST = 3
_SURPRISE = re.compile(
    r"\b(?:gotcha|caveat|beware|watch out|be careful|keep in mind|note that|important(?:ly)?:|does(?:n't| not) (?:support|work|include|respect|handle|recogni[sz]e|apply|run|allow|accept)|do(?:n't| not) (?:support|work)|"
    r"only (?:works?|applies|runs?|supports?|available) (?:if|when|with|on|in|for)|won't (?:work|be|run|match)|will not (?:work|be|run)|silently|even though|unless|must (?:be|not|have|match|use|come)|"
    r"requires? (?:the|a|an|that|`)|has to be|have to be|cannot be|can't be|fails? (?:if|when|unless|without)|aren't run by|isn't run by|not run by|undocumented|by default)\b|注意|必须|不支持|不要|默认",
    re.IGNORECASE,
)
_SETTING = re.compile(
    r"\b(?:environment variable|env var|config(?:uration)? (?:file|key|lives|is)|setting|listens? on|defaults? to|(?:lives?|stored|configured|defined) in)\b.{0,120}(?:`[^`]*[=:/_.-][^`]*`|\b[A-Z][A-Z0-9]+_[A-Z0-9_]+\b|\bport \d{2,5}\b)"
)
_JUDGEMENT = re.compile(
    r"\b(?:i(?:'d| would| think| believe)|we should|should probably|you (?:may|might|could|can)|consider|recommend|suggest|nit|optional(?:ly)?|could be|would be|might be|looks? (?:good|like)|feedback|reviewer|note that you'll need)\b|建议|先查看",
    re.IGNORECASE,
)
_DID = re.compile(
    r"(?:i(?:'ve| have| will|'d)|we(?:'ve| have| create| add| use| can| could| now)|you (?:want|may|can|need)|adds?\b|sets?\b|makes?\b|made|update\b|create\b|commit:|diff |\(\d+\)|the (?:new|updated|following|main|remaining)|current limitations|如需|如果你|我将|我会|我们|added|updated|created|removed|changed|fixed|implemented|renamed|moved|replaced|refactored|verified|all |the (?:changes|tests|code) )",
    re.IGNORECASE,
)


def find(exchange: Exchange, memory: Memory) -> Iterator[Found]:  # noqa: ARG001 - the rules' one signature
    if exchange.ending == "corrected":
        return
    made = 0
    for statement in exchange.statements():
        text = statement.text
        if made == MOST or is_noise(text) or is_dangling(text) or _JUDGEMENT.search(text) or _DID.match(text) or not CODE.search(text):
            continue
        kind: KnowledgeType | None = None
        if _SURPRISE.search(text):
            kind = "gotcha"
        elif _SETTING.search(text):
            kind = "tool_usage"
        if kind is not None:
            made += 1
            yield Found("gotcha", kind, statement, text, 0.5)
