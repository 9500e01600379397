"""Lets answers be written through the engine: the writer that knowledge asks for, made of the caller who pays."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import msgspec

from app.accounts.requester import Requester
from app.inference.request import Asker, ChatRequest, Receipt, uncounted
from app.knowledge.answering.writing import Bill
from app.services.services import Services

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

    async def _asker(self) -> Asker:
        payer, used = self._payer, uncounted
        assert payer.developer_id is not None
        if payer.key_id is not None:
            admission = await self._services.limits.admit(payer.key_id, model=True)
            if admission is not None and admission.refusal is not None:
                raise admission.refusal
            used = uncounted if admission is None else admission.used
        return Asker(payer.developer_id, payer.team_id, uuid4().hex, PURPOSE, self._project, used)


def answer_writer(services: Services, payer: Requester | None, *, project: str | None) -> EngineWriter | None:
    """None: no model is to write (`knowledge.answer_model`), or nobody is there who pays: an admin key that names no developer."""
    if not services.settings.knowledge.answer_model or payer is None or payer.developer_id is None:
        return None
    return EngineWriter(services, payer, project=project)


def _said(chunk: Any) -> tuple[str, str | None]:
    """The text of a chunk's one choice, and why that ended."""
    text, finish = "", None
    for choice in chunk.get("choices") or ():
        content = (choice.get("delta") or {}).get("content")
        text += content if isinstance(content, str) else ""
        finish = choice.get("finish_reason") or finish
    return text, finish
