"""Questions that a person asked and that were answered: the question is the title, the answer's first sentences the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.knowledge.extraction.candidate import MOST_TEXT, Found
from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.noise import is_dangling, is_noise, names_something
from app.knowledge.extraction.prose import plain, statements
from app.knowledge.item import KnowledgeType

MOST_SENTENCES = 4
LEAST_ANSWER_CHARS = 80
_QUESTION = re.compile(
    r"^(?:so |and |but |ok,? |hmm,? )?(?:what|why|how|where|which|when|is there|are there|does|do we|is it|什么|为什么|如何|怎么)\b.{12,}|.{6,}(?:是什么|为什么|怎么).*",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(?:can|could|would|will) you\b|\bshould (?:i|we)\b|\bwhat (?:do you think|about|'s next|is next|should)\b|\bhow (?:about|are you|did)\b|\bdid you\b|\byou\b",
    re.IGNORECASE,
)


def find(exchange: Exchange, memory: Memory) -> Iterator[Found]:  # noqa: ARG001 - the rules' one signature
    """At most one, and only where nothing was changed: then the words were the point."""
    if exchange.ending == "corrected" or exchange.changed_files or exchange.prompt is None:
        return
    question = _question(exchange)
    if question is None:
        return
    answer = [each for each in exchange.final() if not is_noise(each.text)]
    if not answer or is_dangling(answer[0].text):
        return
    taken = [answer[0]]
    for each in answer[1:MOST_SENTENCES]:
        if sum(len(one.text) for one in taken) + len(each.text) < MOST_TEXT:
            taken.append(each)
    text = " ".join(each.text for each in taken)
    if len(text) >= LEAST_ANSWER_CHARS and names_something(text):
        type_: KnowledgeType = (
            "architectural_decision" if re.match(r"why (?:did|do|are|is|was|not)", question, re.IGNORECASE) else "abstract_concept"
        )
        yield Found("answer", type_, answer[0], text, 0.45, title=question)


def _question(exchange: Exchange) -> str | None:
    """The one question of a short prompt that is about the code, not about what the agent should do."""
    assert exchange.prompt is not None
    if len(exchange.prompt.text) > 1500:
        return None
    for statement in statements(exchange.prompt):
        text = plain(statement.raw)
        if _QUESTION.match(text) and not _REQUEST.search(text) and 20 <= len(text) <= 200:
            return text
    return None
