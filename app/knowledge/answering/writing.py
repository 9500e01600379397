"""Streams a model's answer to a question, sentence by sentence: each is passed on once its citations are checked.

Decides what the model is shown and what of its text may pass. The model, its payer and its price are the Writer's concern.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from app.knowledge.answering.cited import INSTRUCTIONS, Cited, check_sentences, declined, user_message
from app.knowledge.answering.composed import Bill, Sentence
from app.knowledge.results import Result
from app.redaction import redact
from app.settings import KnowledgeSettings
from app.tokens import count_text, first_tokens

MAX_PASSAGES = 20
_OPEN_MARK = re.compile(r"\[[0-9, ]*$")
_END = re.compile(r"[.!?。！？；\n]")


class UnusableAnswer(Exception):
    """The model's text has no sentence that cites a passage, and doesn't decline either."""


class Writer(Protocol):
    """One call of a model, on behalf of one paying caller."""

    def write(self, instructions: str, asked: str, /) -> AsyncGenerator[str]:
        """Stream the text. CairnError when no model can be called, the caller can't pay, or the stream breaks off."""

    @property
    def cut(self) -> bool:
        """True if the output was cut off before its end; known once the stream has ended."""

    @property
    def bill(self) -> Bill | None:
        """The cost so far; None while no model has begun to write."""


@dataclass(slots=True)
class Checker:
    """Incremental checker: returns each sentence that cites one of `count` passages as soon as the next sentence has begun."""

    count: int
    written: str = ""
    _passed: int = 0
    _ended: bool = False

    def feed(self, text: str) -> list[Cited]:
        self.written += text
        self._ended = self._ended or _END.search(text) is not None
        return self._new(check_sentences(_OPEN_MARK.sub("", self.written), self.count, cut=True)) if self._ended else []

    def end(self, *, cut: bool) -> list[Cited]:
        return self._new(check_sentences(self.written, self.count, cut=cut))

    def _new(self, found: Sequence[Cited]) -> list[Cited]:
        new = list(found[self._passed :])
        self._passed += len(new)
        self._ended = self._ended and not new
        return new


@dataclass(slots=True)
class Writing:
    """One answer in progress. `cited`: the results that its sentences cite, in the order of their numbers."""

    question: str
    results: Sequence[Result]
    options: KnowledgeSettings
    cited: list[Result] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)

    async def write(self, writer: Writer) -> AsyncGenerator[Sentence]:
        """Yield each sentence once checked; none if the model declines. Raises UnusableAnswer, TimeoutError and the writer's errors."""
        deadline = asyncio.get_running_loop().time() + self.options.answer_timeout_seconds
        shown, message = await asyncio.to_thread(build_prompt, self.question, self.results, self.options.answer_prompt_tokens)
        checker = Checker(len(shown))
        async with aclosing(writer.write(INSTRUCTIONS, message)) as pieces:
            while (piece := await _next(pieces, deadline)) is not None:
                for found in checker.feed(piece):
                    yield self._taken(found, shown)
        for found in checker.end(cut=writer.cut):
            yield self._taken(found, shown)
        if not self.sentences and not declined(checker.written):
            raise UnusableAnswer

    def _taken(self, found: Cited, shown: Sequence[Result]) -> Sentence:
        for number in found.passages:
            if shown[number - 1] not in self.cited:
                self.cited.append(shown[number - 1])
        sentence = Sentence(found.text, tuple(self.cited.index(shown[number - 1]) + 1 for number in found.passages))
        self.sentences.append(sentence)
        return sentence


def build_prompt(question: str, results: Sequence[Result], max_tokens: int) -> tuple[list[Result], str]:
    """Return the results shown, best first, and the user message. If even the first is too long, it is truncated.

    Redacts the question; the results were redacted when they were stored.
    """
    shown: list[Result] = []
    texts: list[str] = []
    left = max_tokens
    for result in results[:MAX_PASSAGES]:
        tokens = count_text(json.dumps(result.text, ensure_ascii=False))
        if tokens > left and shown:
            break
        shown.append(result)
        texts.append(result.text if tokens <= left else first_tokens(result.text, left))
        left -= tokens
    return shown, user_message(redact(question).text, texts)


async def _next(pieces: AsyncGenerator[str], deadline: float) -> str | None:
    """Return the next piece, None at the end. The timeout must not span a `yield`: it would cancel the consumer."""
    async with asyncio.timeout_at(deadline):
        return await anext(pieces, None)
