"""Decide which requests may use the cache, and which answers may be kept: whole, finished by the model, text only, without a secret."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from app.inference import cached_answer, semantic
from app.inference.cached_answer import CachedAnswer
from app.inference.request import CallContext, ChatRequest
from app.inference.semantic import CacheQuestion
from app.redaction import suspicious
from app.settings import CompletionsCacheSettings

MAX_CHECKED_CHARS = 65_536
"""Longer answers are not scanned for secrets while the caller waits, so they are not cached."""
FINISHES = frozenset({"stop", "length"})
STEP_CHARS = 8_192
REACH_CHARS = 16_384
"""Upper bound of how far a redaction rule reads from where a secret begins (the longest: a JWT)."""


@dataclass(frozen=True, slots=True)
class CachePlan:
    """A request's use of the cache. `read`: a cached answer may serve it; `question`: what the semantic cache compares, if it may."""

    key: bytes
    read: bool
    ttl_seconds: float
    question: CacheQuestion | None = None


def may_use(request: ChatRequest, options: CompletionsCacheSettings) -> bool:
    """Tell whether a request may be read from the cache or stored. Creative ones (temperature, several choices) only if it asks for it."""
    given = request.parameters
    temperature = given.get("temperature")
    creative = request.choices > 1 or (temperature is not None and temperature > 0)
    if request.conversation is not None and request.conversation.tools:
        return False  # also those that Chat Completions can't say
    if not options.enabled or request.cache == "never" or any(given.get(name) for name in cached_answer.UNCACHEABLE_FIELDS):
        return False
    return request.cache == "always" or not creative


def plan(request: ChatRequest, asker: CallContext, options: CompletionsCacheSettings, *, by_meaning: bool) -> CachePlan:
    """Plan the cache's use for a request that may use it, its chain resolved."""
    ttl = options.deterministic_ttl_seconds if request.parameters.get("temperature") == 0 else options.ttl_seconds
    question = semantic.question_of(request, asker) if by_meaning else None
    return CachePlan(cached_answer.key_of(request, asker), request.cache != "refresh", ttl, question)


async def keepable(found: CachedAnswer) -> bool:
    """Tell whether an answer may be cached. Long texts are scanned in steps, yielding to the event loop: 25,000 characters take 0.5 ms."""
    choices = msgspec.json.decode(found.body).get("choices") or []
    texts = [choice["message"].get("content") for choice in choices]
    if not all(isinstance(text, str) and text and len(text) <= MAX_CHECKED_CHARS for text in texts):
        return False
    if any(choice.get("finish_reason") not in FINISHES or choice["message"].get("tool_calls") for choice in choices):
        return False
    for text in texts:
        if await holds_secret(text):
            return False
    return bool(texts)


async def holds_secret(text: str) -> bool:
    """Tell whether a text holds a secret, in windows that overlap by more than the longest secret, so that none is missed."""
    if suspicious(text[: STEP_CHARS + REACH_CHARS]):
        return True
    for start in range(STEP_CHARS, len(text) - REACH_CHARS, STEP_CHARS):
        await asyncio.sleep(0)
        if suspicious(text[start : start + STEP_CHARS + REACH_CHARS]):
            return True
    return False
