"""Lets a model write an answer of the passages found, sentence by sentence: each is passed on once its citations are checked.

What the model is, who pays and what it costs is the writer's; here is decided what it is shown and what of its words may pass.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from app.knowledge.answer import Result
from app.knowledge.answering.cited import INSTRUCTIONS, Cited, asked, checked, declined
from app.redaction import redact
from app.settings import Knowledge
from app.tokens import count_text, first_tokens

MAX_PASSAGES = 20
_OPEN_MARK = re.compile(r"\[[0-9, ]*$")
_END = re.compile(r"[.!?。！？；\n]")


class Unusable(Exception):
    """What the model wrote holds no sentence that cites a passage, and doesn't say that it doesn't know."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Who wrote, and what that cost in nano-dollars. `left`: of the payer's budget; None: it has no limit."""

    provider: str
    model: str
    nanousd: int
    left: int | None = None


class Writer(Protocol):
    """A model that writes once, for one caller, who pays."""

    def write(self, instructions: str, asked: str, /) -> AsyncGenerator[str]:
        """The answer as it comes. CairnError where no model could be asked, the caller can't pay, or it broke off."""

    @property
    def cut(self) -> bool:
        """Whether it was stopped before its end; known once all is written."""

    @property
    def bill(self) -> Bill | None:
        """None: no model has begun to write."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a model's. `citations`: from 1, in the order in which the answer first cites them; at least one."""

    text: str
    citations: tuple[int, ...]

    @property
    def marked(self) -> str:
        return f"{self.text} {''.join(f'[{number}]' for number in self.citations)}"


@dataclass(slots=True)
class Checker:
    """A text as it comes → its sentences that cite one of `count` passages, each as soon as the next one has begun."""

    count: int
    written: str = ""
    _passed: int = 0
    _ended: bool = False

    def feed(self, text: str) -> list[Cited]:
        self.written += text
        self._ended = self._ended or _END.search(text) is not None
        return self._new(checked(_OPEN_MARK.sub("", self.written), self.count, cut=True)) if self._ended else []

    def end(self, *, cut: bool) -> list[Cited]:
        return self._new(checked(self.written, self.count, cut=cut))

    def _new(self, found: Sequence[Cited]) -> list[Cited]:
        new = list(found[self._passed :])
        self._passed += len(new)
        self._ended = self._ended and not new
        return new


@dataclass(slots=True)
class Writing:
    """One answer. `cited`: the results that its sentences cite, in the order of their numbers."""

    question: str
    results: Sequence[Result]
    options: Knowledge
    cited: list[Result] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)

    async def write(self, writer: Writer) -> AsyncGenerator[Sentence]:
        """Each sentence once it is checked; none: the model doesn't know. Unusable, TimeoutError, and the writer's errors."""
        deadline = asyncio.get_running_loop().time() + self.options.answer_timeout_seconds
        shown, message = await asyncio.to_thread(prompt, self.question, self.results, self.options.answer_prompt_tokens)
        checker = Checker(len(shown))
        async with aclosing(writer.write(INSTRUCTIONS, message)) as pieces:
            while (piece := await _next(pieces, deadline)) is not None:
                for found in checker.feed(piece):
                    yield self._taken(found, shown)
        for found in checker.end(cut=writer.cut):
            yield self._taken(found, shown)
        if not self.sentences and not declined(checker.written):
            raise Unusable

    def _taken(self, found: Cited, shown: Sequence[Result]) -> Sentence:
        for number in found.passages:
            if shown[number - 1] not in self.cited:
                self.cited.append(shown[number - 1])
        sentence = Sentence(found.text, tuple(self.cited.index(shown[number - 1]) + 1 for number in found.passages))
        self.sentences.append(sentence)
        return sentence


def prompt(question: str, results: Sequence[Result], max_tokens: int) -> tuple[list[Result], str]:
    """The results that are shown, best first, and what the model is asked. The first is cut where it alone is too long.

    The question's secrets are hidden; those of the results were when they were stored.
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
    return shown, asked(redact(question).text, texts)


async def _next(pieces: AsyncGenerator[str], deadline: float) -> str | None:
    """The next piece, None at the end. No timeout may span a `yield`: it would cancel whoever reads."""
    async with asyncio.timeout_at(deadline):
        return await anext(pieces, None)
