"""Answers a question: what knowledge finds, and the answer made of it, written through the engine where a model is to. One call for all."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import msgspec

from app.accounts.requester import Requester
from app.accounts.views import DeveloperView
from app.errors import InvalidInput, NotPermitted
from app.inference.request import CallContext, ChatRequest, Receipt, uncounted
from app.knowledge.answering.answering import Answering
from app.knowledge.answering.composed import Bill, Composed, Sentence
from app.knowledge.results import Query, SearchResults
from app.services.services import Services
from app.telemetry import metrics

PURPOSE = "answer"
WHOLE = "stop"


class EngineWriter:
    """One call of the engine, as any other: the caller's budget, project, limits of its key; caches, breakers and the request log."""

    def __init__(self, services: Services, payer: Requester, *, project: str | None) -> None:
        self._services = services
        self._payer = payer
        self._project = project
        self._finish: str | None = None
        self.receipt: Receipt | None = None

    @property
    def cut(self) -> bool:
        return self._finish != WHOLE

    @property
    def bill(self) -> Bill | None:
        told = self.receipt
        return None if told is None else Bill(told.provider, told.model, told.nanousd, None if told.left is None else max(0, told.left))

    async def write(self, instructions: str, asked: str, /) -> AsyncGenerator[str]:
        """The answer's text as it comes. The engine's errors, and RateLimitExceeded."""
        engine, asker = self._services.inference.engine, await self._asker()
        stream = await engine.open_stream(self._request(instructions, asked), asker)
        self.receipt = stream.receipt
        async with aclosing(stream.events()) as events:  # it is begun at once: from there on its end settles the hold
            async for event in events:
                text, finish = _said(msgspec.json.decode(event))
                self._finish = finish or self._finish
                if text:
                    yield text

    def _request(self, instructions: str, asked: str) -> ChatRequest:
        options = self._services.settings.knowledge
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": asked}]
        return ChatRequest(
            model=options.answer_model,
            messages=messages,
            parameters={"temperature": 0},
            max_tokens=options.answer_max_tokens,
            bytes=len(msgspec.json.encode(messages)),
        )

    async def _asker(self) -> CallContext:
        payer, used = self._payer, uncounted
        assert payer.developer_id is not None
        if payer.key_id is not None:
            admission = await self._services.limits.admit(payer.key_id, model=True)
            if admission is not None and admission.refusal is not None:
                raise admission.refusal
            used = uncounted if admission is None else admission.used
        return CallContext(
            payer.developer_id, payer.team_id, uuid4().hex, PURPOSE, self._project, used, key_id=payer.key_id, models=payer.models
        )


class PendingAnswer:
    """The results for a question, and the answer still to be composed from them. Counted once, when it is complete."""

    def __init__(self, answering: Answering, query: Query, found: SearchResults, writer: EngineWriter | None) -> None:
        self.found = found
        self._answering = answering
        self._query = query
        self._writer = writer

    @property
    def asks_model(self) -> bool:
        return self._writer is not None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the model's call; None: none was made (yet)."""
        return None if self._writer is None else self._writer.receipt

    async def compose(self) -> Composed:
        return self._counted(await self._answering.compose(self._query.text, self.found.results, self._writer))

    async def stream(self) -> AsyncGenerator[Sentence | Composed]:
        """Each of a model's sentences as it comes, then the whole, which alone counts."""
        async with aclosing(self._answering.stream(self._query.text, self.found.results, self._writer)) as parts:
            async for part in parts:
                yield self._counted(part) if isinstance(part, Composed) else part

    def _counted(self, composed: Composed) -> Composed:
        degraded = composed.degraded_with(self.found.degraded)
        metrics.query_answered(results=len(self.found.results), degraded=bool(degraded), seconds=self.found.took_ms / 1000)
        return composed


async def begin_answer(services: Services, requester: Requester, query: Query, *, may_write: bool = True) -> PendingAnswer:
    """Find what answers a question, and who pays where a model may write the answer (`knowledge.answer_model`).

    Without a payer (an admin who names no developer) and without `may_write` the answer is quoted. The errors of a search; NotFound and
    InvalidInput for the developer whom an admin names.
    """
    found = await services.knowledge.reader.find(requester, query)
    payer = await _payer(services, requester) if may_write else None
    writes = payer is not None and bool(services.settings.knowledge.answer_model)
    writer = EngineWriter(services, payer, project=query.project) if payer is not None and writes else None
    return PendingAnswer(services.knowledge.answering, query, found, writer)


async def _payer(services: Services, requester: Requester) -> Requester | None:
    """Find who pays for a model's answer: the requester, or the developer for whom an admin acts. None: nobody."""
    if requester.acts_for is None:
        return requester if requester.developer_id is not None and requester.may("call_models") else None
    found = await services.accounts.find_developer(requester.acts_for)
    if found.team_id != requester.team_id:
        if found.id == requester.developer_id:
            return None  # an admin who acts for another team than their own, and named nobody
        raise InvalidInput(
            f"{found.name} isn't of the team {requester.team!r} that this request is for: name one of its developers, or another "
            "x-cairn-team.",
            param="x-cairn-developer",
        )
    return payer_of(found, requester)


def payer_of(found: DeveloperView, admin: Requester) -> Requester:
    """Return the developer whom an admin names to pay. NotPermitted where they may not call models, or are disabled.

    The key is still the admin's, and what it may, with its limit.
    """
    payer = Requester(found.team_id, found.team, found.id, found.name, admin.key_id, found.role, purpose=admin.purpose, models=admin.models)
    if found.disabled_at is not None:
        raise NotPermitted(f"{payer.name} is disabled, so calls can't be charged to them: name another developer in x-cairn-developer.")
    if not payer.may("call_models"):
        raise NotPermitted(f"{payer.name} has the role {payer.role}, which can't call models: name another developer in x-cairn-developer.")
    return payer


def _said(chunk: Any) -> tuple[str, str | None]:
    """The text of a chunk's one choice, and why that ended."""
    text, finish = "", None
    for choice in chunk.get("choices") or ():
        content = (choice.get("delta") or {}).get("content")
        text += content if isinstance(content, str) else ""
        finish = choice.get("finish_reason") or finish
    return text, finish
