"""Composes an answer of what search found; without vectors the question's words choose alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.errors import Unavailable
from app.knowledge.answer import Result
from app.knowledge.answering.extract import Extract, TokenEncoder, extract
from app.telemetry import traces

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Composed:
    """`quotes`: in order; none: nothing answers. `degraded`: the quotes were chosen by words alone."""

    quotes: Sequence[Extract]
    degraded: bool = False

    @property
    def text(self) -> str:
        """The quotes, each with the number of its citation."""
        return "\n\n".join(f"{quote.text} [{number}]" for number, quote in enumerate(self.quotes, start=1))


class Answering:
    """`timeout_seconds`: longer than that nobody waits for vectors."""

    def __init__(self, encoder: TokenEncoder, *, timeout_seconds: float) -> None:
        self._encoder = encoder
        self._timeout = timeout_seconds

    async def compose(self, question: str, results: Sequence[Result]) -> Composed:
        """Choose what answers the question among the results, which search gave for it, best first."""
        with traces.span("extract"):
            try:
                async with asyncio.timeout(self._timeout):
                    return Composed(await extract(question, results, self._encoder))
            except (TimeoutError, Unavailable) as error:
                log.warning("answer.degraded", part="embeddings", code=error.code if isinstance(error, Unavailable) else "too_slow")
                return Composed(await extract(question, results, None), degraded=True)
