"""Composes an answer from search results: by a model where one may write, else from quoted sentences.

Without vectors, lexical terms alone choose the sentences.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import structlog

from app.errors import CairnError, Unavailable
from app.knowledge.answering.composed import Composed, Extract, Sentence
from app.knowledge.answering.extract import TokenEncoder, extract
from app.knowledge.answering.writing import UnusableAnswer, Writer, Writing
from app.knowledge.results import Result
from app.settings import KnowledgeSettings
from app.telemetry import traces

log = structlog.get_logger()


class Answering:
    """Composes answers. `options`: `embedding_timeout_seconds` bounds the wait for vectors, `answer_…` a model's input and output."""

    def __init__(self, encoder: TokenEncoder, options: KnowledgeSettings) -> None:
        self._encoder = encoder
        self._options = options

    async def compose(self, question: str, results: Sequence[Result], writer: Writer | None = None) -> Composed:
        """Return the whole answer to the question, from its search results, best first."""
        async with aclosing(self.stream(question, results, writer)) as parts:
            async for part in parts:
                if isinstance(part, Composed):
                    return part
        raise AssertionError("stream() ended without a Composed: it must yield one last")

    async def stream(self, question: str, results: Sequence[Result], writer: Writer | None = None) -> AsyncGenerator[Sentence | Composed]:
        """Yield a model's sentences as they come, then the whole answer, which alone is final. Without results no model is called."""
        if writer is None or not results:
            yield await self._extracted(question, results)
            return
        writing = Writing(question, results, self._options)
        try:
            async with aclosing(writing.write(writer)) as sentences:
                async for sentence in sentences:
                    yield sentence
        except (CairnError, TimeoutError, UnusableAnswer) as error:
            code = error.code if isinstance(error, CairnError) else "unusable" if isinstance(error, UnusableAnswer) else "too_slow"
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
