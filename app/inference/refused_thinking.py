"""Ask again without thinking, once, where a provider refuses what another one signed. Nothing was delivered or charged until then.

A conversation keeps each thought's signature for the vendor that made it. After a fallback another vendor, or another account of the same
one, may be asked: it can't verify them, and refuses the whole request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from app.errors import ContentRejected
from app.inference.answer_events import WholeAnswer
from app.inference.conversation import Conversation, Thinking, without_parts
from app.inference.conversations import AnswerStream, ConversationEngine
from app.inference.profiles import error_words
from app.inference.request import CacheMode, CallContext, OriginalRequest, Receipt

DROPPED = "thinking"
"""The name of what the second request leaves out."""
EDITS = "context_management"
_WORDS, _THOUGHT = error_words().thinking, ("thinking", "thought")


class ThinkingRetryEngine(ConversationEngine):
    """Answers conversations; where thinking is refused, once more without it, as a request of its own in the log."""

    async def complete(
        self,
        conversation: Conversation,
        context: CallContext,
        *,
        size: int = 0,
        cache: CacheMode = "auto",
        original: OriginalRequest | None = None,
    ) -> tuple[WholeAnswer, Receipt]:
        try:
            return await super().complete(conversation, context, size=size, cache=cache, original=original)
        except ContentRejected as refusal:
            if not refuses_thinking(refusal, conversation):
                raise
        bare, rewritten = without_thinking(conversation), original and original.rewritten()
        answer, receipt = await super().complete(bare, _again(context), size=size, cache=cache, original=rewritten)
        receipt.dropped = (*receipt.dropped, DROPPED)
        return answer, receipt

    async def open_stream(
        self,
        conversation: Conversation,
        context: CallContext,
        *,
        size: int = 0,
        cache: CacheMode = "auto",
        original: OriginalRequest | None = None,
    ) -> AnswerStream:
        try:
            return await super().open_stream(conversation, context, size=size, cache=cache, original=original)
        except ContentRejected as refusal:
            if not refuses_thinking(refusal, conversation):
                raise
        bare, rewritten = without_thinking(conversation), original and original.rewritten()
        stream = await super().open_stream(bare, _again(context), size=size, cache=cache, original=rewritten)
        stream.receipt.dropped = (*stream.receipt.dropped, DROPPED)
        return stream


def refuses_thinking(refusal: ContentRejected, conversation: Conversation) -> bool:
    """Tell whether a provider refused a request for the thinking in it, or for thinking that is missing where thinking is asked for."""
    said = refusal.message.lower()
    thinks = conversation.options.reasoning is not None or any(isinstance(part, Thinking) for part in conversation.parts())
    return thinks and any(each in said for each in _THOUGHT) and any(words in said for words in _WORDS)


def without_thinking(conversation: Conversation) -> Conversation:
    """Return a conversation without thoughts that doesn't ask for any: with thinking on, earlier turns would have to begin with it."""
    other = {name: _without_clearing(value) if name == EDITS else value for name, value in conversation.options.other.items()}
    options = replace(conversation.options, reasoning=None, other=other)
    return replace(conversation, turns=without_parts(conversation.turns, Thinking), options=options)


def _without_clearing(management: Any) -> Any:
    """Return Anthropic's `context_management` without the edits of thinking, which are refused where there is none."""
    edits = management.get("edits") if isinstance(management, Mapping) else None
    if not isinstance(edits, list):
        return management
    return {**management, "edits": [each for each in edits if not str(each.get("type")).startswith("clear_thinking")]}


def _again(context: CallContext) -> CallContext:
    return replace(context, request_id=uuid4().hex)
