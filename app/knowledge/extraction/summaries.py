"""How something was done: the agent's own summary at the end of an exchange in which it changed files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.knowledge.extraction.candidate import MOST_TEXT, Found
from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.intent import intent_of
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.noise import is_dangling, is_noise, names_something
from app.knowledge.extraction.prose import Statement
from app.knowledge.item import KnowledgeType

_TYPES: dict[str, KnowledgeType] = {
    "testing": "testing_strategy",
    "refactoring": "refactoring",
    "optimization": "optimization",
}
_DID = re.compile(
    r"\b(?:added|adds|updated|updates|changed|implemented|implements|created|creates|removed|removes|replaced|refactored|extracted|moved|renamed|switched|introduced|now (?:uses?|returns?|handles?|supports?|reads?|writes?|checks?|skips?)|uses?)\b"
    r"|新增|添加|实现|修改|更新|创建",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"\b(?:couldn't|could not|unable to|wasn't able|failed to|not yet|remaining|next steps?|still needs?)\b", re.IGNORECASE
)
_REVIEW = re.compile(
    r"(?:question|issue|suggestion|conflict|nit|lines?|\(?\d+\)?|risk|concern|minor|recommendation)\b.{0,12}(?:[-:–—(]|\d)",
    re.IGNORECASE,
)
"""A point of a review says what someone else might do."""
LEAST_POINTS = 2


def find(exchange: Exchange, memory: Memory) -> Iterator[Found]:  # noqa: ARG001 - the rules' one signature
    """At most one: what was done, point by point, in the agent's words."""
    if exchange.ending == "corrected" or not exchange.changed_files:
        return
    points = [point for point in exchange.final() if _is_point(point)]
    if len(points) < LEAST_POINTS:
        return
    core, text = points[0], points[0].text
    for point in points[1:]:
        if len(text) + len(point.text) + 2 > MOST_TEXT:
            break
        text = f"{text}{'' if text.endswith(('.', '。', '!', ';')) else ';'} {point.text}"
    yield Found("summary", _TYPES.get(intent_of(exchange.asked) or "", "implementation_strategy"), core, text, 0.5)


def _is_point(statement: Statement) -> bool:
    text = statement.text
    return (
        bool(_DID.search(text))
        and names_something(text)
        and not is_noise(text)
        and not is_dangling(text)
        and not _FAILED.search(text)
        and not _REVIEW.match(text)
    )
