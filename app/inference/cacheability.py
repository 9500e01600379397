"""Decide which requests may use the cache, and which answers may be kept: whole, finished by the model, text only, without a secret."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from app.inference import cached_answer, semantic
from app.inference.cached_answer import CachedAnswer
from app.inference.request import CacheBypass, CallContext, ChatRequest
from app.inference.semantic import CacheQuestion
from app.redaction import suspicious
from app.settings import CompletionsCacheSettings

MAX_CHECKED_CHARS = 65_536
"""Longer answers are not scanned for secrets while the caller waits, so they are not cached."""
TOOL_ROLES, TOOL_CALLS = frozenset({"tool", "function"}), ("tool_calls", "function_call")
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


def bypass_of(request: ChatRequest, asker: CallContext, options: CompletionsCacheSettings) -> CacheBypass | None:
    """Return why a request is neither read from the cache nor stored nor joined to an equal one in flight; None: it may be.

    A turn with tools only within one known session. A creative request (temperature, several choices) only if it asks for it; of an agent
    also one without a temperature, so that the same request again, which is how agents regenerate, gets a new answer.
    """
    given = request.parameters
    if not options.enabled:
        return "off"
    if request.cache == "never":
        return "request"
    if any(given.get(name) for name in cached_answer.UNCACHEABLE_FIELDS):
        return "fields"
    if uses_tools(request) and asker.origin.session is None:
        return "tools"
    temperature = given.get("temperature")
    varies = temperature > 0 if temperature is not None else _of_an_agent(request, asker)
    return "creative" if request.cache != "always" and (varies or request.choices > 1) else None


def plan(request: ChatRequest, asker: CallContext, options: CompletionsCacheSettings, *, by_meaning: bool) -> CachePlan:
    """Plan the cache's use for a request that may use it, its chain resolved. An agent gets no answer to another question."""
    ttl = options.deterministic_ttl_seconds if request.parameters.get("temperature") == 0 else options.ttl_seconds
    question = semantic.question_of(request, asker) if by_meaning and not _of_an_agent(request, asker) else None
    session = asker.origin.session if uses_tools(request) else None
    return CachePlan(cached_answer.key_of(request, asker, session=session), request.cache != "refresh", ttl, question)


def uses_tools(request: ChatRequest) -> bool:
    """Tell whether a request offers tools, or its conversation holds a call of one or a result."""
    if any(request.parameters.get(name) for name in cached_answer.TOOL_FIELDS):
        return True
    return any(each.get("role") in TOOL_ROLES or any(each.get(name) for name in TOOL_CALLS) for each in request.messages)


def _of_an_agent(request: ChatRequest, asker: CallContext) -> bool:
    """Tell whether a request is a coding agent's: it names its session, or uses tools."""
    return asker.origin.session is not None or uses_tools(request)


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
