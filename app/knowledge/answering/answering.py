"""Composes an answer of what search found: a model's where one may write, else the sentences themselves.

Without vectors the question's words choose the sentences alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from app.errors import CairnError, Unavailable
from app.knowledge.answer import Result
from app.knowledge.answering.extract import Extract, TokenEncoder, extract
from app.knowledge.answering.writing import Bill, Sentence, Unusable, Writer, Writing
from app.settings import Knowledge
from app.telemetry import traces

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Composed:
    """`quotes`: what is cited, numbered from 1; none: nothing answers. `sentences`: a model's, each citing some of the quotes.

    `degraded`: parts that were away: `embeddings` (the quotes were chosen by words alone), `model` (it was to write, and did not).
    `bill`: of a model that was asked, whether or not its words were of use.
    """

    quotes: Sequence[Extract]
    by: Literal["extract", "model"] = "extract"
    sentences: Sequence[Sentence] = ()
    degraded: tuple[str, ...] = ()
    bill: Bill | None = None

    @property
    def text(self) -> str:
        """The sentences or quotes, each with the numbers of its citations."""
        if self.by == "model":
            return " ".join(sentence.marked for sentence in self.sentences)
        return "\n\n".join(f"{quote.text} [{number}]" for number, quote in enumerate(self.quotes, start=1))

    def degraded_with(self, searched: Sequence[str]) -> tuple[str, ...]:
        """Name the parts that were away for the search or for the answer, each once."""
        return tuple(dict.fromkeys((*searched, *self.degraded)))


class Answering:
    """`embedding_timeout_seconds`: longer than that nobody waits for vectors; `answer_…`: bounds of what a model reads and writes."""

    def __init__(self, encoder: TokenEncoder, options: Knowledge) -> None:
        self._encoder = encoder
        self._options = options

    async def compose(self, question: str, results: Sequence[Result], writer: Writer | None = None) -> Composed:
        """Answer the question from the results, which search gave for it, best first."""
        async with aclosing(self.stream(question, results, writer)) as parts:
            async for part in parts:
                if isinstance(part, Composed):
                    return part
        raise AssertionError("a stream ends with the whole answer")

    async def stream(self, question: str, results: Sequence[Result], writer: Writer | None = None) -> AsyncGenerator[Sentence | Composed]:
        """A model's sentences as they come, then the whole answer, which alone counts. Where nothing was found no model is asked."""
        if writer is None or not results:
            yield await self._extracted(question, results)
            return
        writing = Writing(question, results, self._options)
        try:
            async with aclosing(writing.write(writer)) as sentences:
                async for sentence in sentences:
                    yield sentence
        except (CairnError, TimeoutError, Unusable) as error:
            code = error.code if isinstance(error, CairnError) else "unusable" if isinstance(error, Unusable) else "too_slow"
            log.warning("answer.degraded", part="model", code=code)
            extracted = await self._extracted(question, results)
            yield replace(extracted, degraded=("model", *extracted.degraded), bill=writer.bill)
        else:
            quotes = [Extract(result.source.excerpt, result, result.source) for result in writing.cited]
            yield Composed(quotes, "model", tuple(writing.sentences), bill=writer.bill)

    async def _extracted(self, question: str, results: Sequence[Result]) -> Composed:
        with traces.span("extract"):
            try:
                async with asyncio.timeout(self._options.embedding_timeout_seconds):
                    return Composed(await extract(question, results, self._encoder))
            except (TimeoutError, Unavailable) as error:
                log.warning("answer.degraded", part="embeddings", code=error.code if isinstance(error, Unavailable) else "too_slow")
                return Composed(await extract(question, results, None), degraded=("embeddings",))
