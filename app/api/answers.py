"""Schemas and stream of `mode: answer`: the answer whole or sentence by sentence, its author and its cost. Knows no search."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from fastapi import Request
from pydantic import Field

from app.api.schema import ResponseBody, Untrusted
from app.knowledge.answering.composed import Bill, Composed, Extract
from app.money import to_usd, usd_text
from app.services.answers import PendingAnswer
from app.web import access_log


class QuoteReply(ResponseBody):
    """A citation of an answer, verbatim: the quoted sentences, or the passage that a model's answer cites."""

    text: str
    result: UUID = Field(description="Id of the result that contains it, in `results`.")
    session_id: UUID | None = Field(None, description="The cited session. Absent for an item that a person recorded.")
    transcript: str
    locator: str = Field(description="Place in the transcript where the quote begins or, for an item, where it was learnt.")
    at: datetime | None
    untrusted: Untrusted = True


class SentenceReply(ResponseBody):
    """A sentence of a model's answer."""

    text: str
    citations: list[int] = Field(description="Numbers of the citations behind it; 1 is the first of `citations`.")


class ComposedReply(ResponseBody):
    """The answer to a question. `extract`: at most five quotes, 400 tokens together, in the order of the results. `model`: sentences that
    a model wrote, each with the passages that it cites; whether these support the sentence is not checked.
    """

    text: str = Field(description="The quotes or sentences, each followed by the number of its citation: `[1]` is the first.")
    citations: list[QuoteReply]
    sentences: list[SentenceReply] | None = Field(None, description="The sentences one by one, if a model wrote them.")
    abstained: bool = Field(description="Nothing answers the question; `text` is empty.")
    by: Literal["extract", "model"] = Field(
        description="`extract`: quoted. `model`: written by the model of the setting `knowledge.answer_model`."
    )
    model: str | None = Field(None, description="The model that was asked, even if its answer could not be used. Absent if none was.")
    provider: str | None = None
    cost_usd: float | None = Field(None, description="Cost of the model's answer.")
    budget_remaining_usd: float | None = None
    untrusted: Untrusted = True


def composed_reply(composed: Composed) -> ComposedReply:
    bill = composed.bill
    return ComposedReply(
        text=composed.text,
        citations=[_quote(quote) for quote in composed.quotes],
        sentences=[SentenceReply.model_validate(each) for each in composed.sentences] or None,
        abstained=not composed.quotes,
        by=composed.by,
        model=None if bill is None else bill.model,
        provider=None if bill is None else bill.provider,
        cost_usd=None if bill is None else to_usd(bill.nanousd),
        budget_remaining_usd=None if bill is None or bill.left is None else to_usd(bill.left),
    )


def bill_headers(bill: Bill | None) -> dict[str, str]:
    """Return the cost headers that completions have too; none where no model was asked."""
    if bill is None:
        return {}
    left = {} if bill.left is None else {"x-cairn-budget-remaining-usd": usd_text(bill.left)}
    return {"x-cairn-provider": bill.provider, "x-cairn-model": bill.model, "x-cairn-cost-usd": usd_text(bill.nanousd), **left}


async def answer_events(request: Request, answer: PendingAnswer, whole: Callable[[Composed], bytes]) -> AsyncGenerator[bytes]:
    """Yield `{"sentence": {text, citations}}` for each of a model's sentences, then the whole reply, which alone is authoritative."""
    try:
        async with aclosing(answer.stream()) as parts:
            async for part in parts:
                if isinstance(part, Composed):
                    yield whole(part)
                else:
                    yield msgspec.json.encode({"sentence": {"text": part.text, "citations": part.citations}})
    finally:
        record_bill(request, answer)


def record_bill(request: Request, answer: PendingAnswer) -> None:
    """Record the model and the cost of an answer for the access log."""
    if answer.receipt is not None:
        access_log.record_receipt(request.scope, answer.receipt)


def _quote(quote: Extract) -> QuoteReply:
    source = quote.source
    return QuoteReply.model_validate(
        {
            "text": quote.text,
            "result": quote.result.id,
            "session_id": source.session_id,
            "transcript": source.transcript,
            "locator": source.locator,
            "at": source.at,
        }
    )
