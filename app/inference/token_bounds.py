"""Bounds the tokens of one attempt from above, before it is sent: app/budget prices them. Knows no price and no ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.budget.prices import CacheWrites, TokenBounds
from app.inference.allowance import off_the_loop
from app.inference.cache_marks import asked_writes
from app.inference.chain import ChainProvider
from app.inference.hosted_tools import defined_by_vendor, hosted_tools, is_contained, name_of, rounds_of, uses_of
from app.inference.request import ChatRequest
from app.tokens import count_json, count_media, count_messages, count_text, document_chars, media_chars

PROMPT_PARAMETERS = frozenset(
    {"functions", "response_format", "tool_choice", "function_call", "stop", "logit_bias", "user", "reasoning_effort"}
)
"""Parameters, besides the tools, that count as prompt tokens."""
MAX_BYTES_COUNTED = 2**20
"""Larger prompts are not tokenized, which would take seconds: bounded by one token per byte, at most the context window."""
HOSTED_TOOL_TOKENS = 1500
"""Tokens that a vendor writes into the prompt for a tool of its own, at most: Anthropic's computer takes 735, and 499 beside it."""
MEDIA_SHARE = 16
"""Reading the sizes of pictures takes a sixteenth of the time of counting a text as long, or less."""


async def bound_chat(request: ChatRequest, candidate: ChainProvider, *, max_tokens: int) -> TokenBounds:
    """Bound a chat completion whose choices may have `max_tokens` each.

    A long prompt and its documents are read in a thread, the text of a huge one isn't counted at all.
    """
    media, files = media_chars(request.messages), document_chars(request.messages)
    size = request.bytes - media
    count = count_size if size > MAX_BYTES_COUNTED else count_prompt
    work = (0 if count is count_size else size) + files + (media - files) // MEDIA_SHARE
    prompt = await off_the_loop(lambda: count(request, candidate), work)
    tools = hosted_tools(request.conversation)
    return TokenBounds(
        prompt + HOSTED_TOOL_TOKENS * len(defined_by_vendor(request.conversation)),
        max_tokens,
        request.choices,
        cache_writes=cache_writes(request, candidate),
        reasoning_tokens=candidate.reasoning_apart,
        tool_uses=uses_of(tools),
        tool_tokens=rounds_of(tools) * (candidate.context_tokens or 0),
        untold_tools=frozenset(name_of(tool) for tool in tools if is_contained(tool)),
    )


def count_prompt(request: ChatRequest, candidate: ChainProvider) -> int:
    """Count a prompt's tokens: its messages, tools and the parameters that the model reads; or all that was sent, if that goes on."""
    margin = candidate.profile.token_margin
    if (body := sent_on(request, candidate)) is not None:
        words = count_json(body, model=candidate.model, margin=margin)
    else:
        words = count_messages(
            request.messages,
            tools=request.tools,
            extra={name: value for name, value in request.parameters.items() if name in PROMPT_PARAMETERS},
            model=candidate.model,
            margin=margin,
        )
    return words + count_media(request.messages, candidate.media, window=candidate.context_tokens)


def count_size(request: ChatRequest, candidate: ChainProvider) -> int:
    """Bound a prompt by its size in bytes without its media: no token is smaller than a byte, no provider reads beyond its window."""
    size, window = request.bytes - media_chars(request.messages), candidate.context_tokens
    media = count_media(request.messages, candidate.media, window=window)
    if window is None:
        return size + media
    return min(size + media, window) if candidate.media.within_window else min(size, window) + media


def sent_on(request: ChatRequest, candidate: ChainProvider) -> Mapping[str, Any] | None:
    """Return the request as the caller sent it, where this provider gets it so."""
    original = request.original
    return None if original is None or original.dialect != candidate.profile.dialect else original.body


def cache_writes(request: ChatRequest, candidate: ChainProvider) -> CacheWrites:
    """Return the longest lifetime of a cache write that the provider may bill."""
    if not candidate.profile.caches_when_asked:
        return "1h"
    given: tuple[object, ...] = (request.messages, request.tools)
    return asked_writes([*given, request.parameters, sent_on(request, candidate)])


async def bound_texts(texts: Sequence[str], candidate: ChainProvider) -> TokenBounds:
    """Bound texts to embed: there is no output."""
    return await off_the_loop(lambda: count_texts(texts, candidate), sum(map(len, texts)))


def count_texts(texts: Sequence[str], candidate: ChainProvider) -> TokenBounds:
    """Count the tokens of texts to embed, and one more for each."""
    margin = candidate.profile.token_margin
    counted = sum(count_text(text, model=candidate.model, exact=margin == 1.0) for text in texts)
    return TokenBounds(int(counted * margin) + len(texts), 0)
