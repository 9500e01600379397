"""Asks a model through the engine: the team's `distiller` pays, and the calls count as an agent of the session that they are about."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from app.errors import (
    AllProvidersFailed,
    BudgetExceeded,
    ContentRejected,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    NotPermitted,
    RateLimited,
    TooLarge,
)
from app.inference.chat_engine import ChatEngine
from app.inference.request import CallContext, CallOrigin, ChatRequest
from app.knowledge.distillation.material import Batch
from app.knowledge.distillation.pausing import paused_by
from app.knowledge.distillation.payers import Distillers
from app.knowledge.distillation.prompt import INSTRUCTIONS, RESPONSE_FORMAT, build_message
from app.sessions.session import Session
from app.settings import DistillationSettings

PURPOSE = "distillation"
"""Also the name of the agent that a session's cost has these calls under."""
REFUSED = (ContentRejected, InvalidInput, TooLarge)
"""Errors that these passages would meet again: they are passed over."""
PAUSING = (AllProvidersFailed, BudgetExceeded, DeadlineExceeded, NotFound, NotPermitted, RateLimited)


class ModelCalls:
    """Makes the calls. An equal call that was answered before is answered from the completions cache: it isn't paid for twice."""

    def __init__(self, engine: ChatEngine, payers: Distillers, options: DistillationSettings) -> None:
        self._engine = engine
        self._payers = payers
        self._options = options

    async def ask(self, session: Session, batch: Batch) -> str | None:
        """Return the model's text; None: it, or its provider, refuses these passages. ProjectionPaused where no call can be made now."""
        try:
            context = await self._context(session)
        except NotPermitted as error:
            raise paused_by(error) from error
        try:
            answer = await self._engine.complete(self._request(batch), context)
        except REFUSED:
            return None
        except PAUSING as error:
            raise paused_by(error) from error
        return _text_of(answer.body)

    def _request(self, batch: Batch) -> ChatRequest:
        messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": build_message(batch)}]
        return ChatRequest(
            model=self._options.model,
            messages=messages,
            parameters={"temperature": 0, "response_format": RESPONSE_FORMAT},
            max_tokens=self._options.max_output_tokens,
            bytes=len(msgspec.json.encode(messages)),
            optional=frozenset({"temperature", "response_format"}),
        )

    async def _context(self, session: Session) -> CallContext:
        """Build the context. A session is always named: by that, no answer to similar passages is taken from the semantic cache."""
        origin = CallOrigin(session=session.external_id or str(session.id), agent=PURPOSE)
        payer = await self._payers.payer(session.team_id)
        return CallContext(payer, session.team_id, uuid4().hex, PURPOSE, origin=origin)


def _text_of(body: bytes) -> str | None:
    """Return the text of a completion's first choice; None where it has none: the model declined."""
    for choice in msgspec.json.decode(body).get("choices") or ():
        content = (choice.get("message") or {}).get("content")
        return content if isinstance(content, str) else None
    return None
