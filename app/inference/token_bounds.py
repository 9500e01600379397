"""Bounds the tokens of one attempt from above, before it is sent: app/budget prices them. Knows no price and no ledger."""

from __future__ import annotations

from collections.abc import Sequence

from app.budget.prices import TokenBounds
from app.inference.allowance import off_the_loop
from app.inference.chain import ChainProvider
from app.inference.own_parts import own_tokens
from app.inference.request import ChatRequest
from app.tokens import count_images, count_messages, count_text, image_chars

PROMPT_PARAMETERS = frozenset(
    {"functions", "response_format", "tool_choice", "function_call", "stop", "logit_bias", "user", "reasoning_effort"}
)
"""Parameters, besides the tools, that count as prompt tokens."""
MAX_BYTES_COUNTED = 2**20
"""Larger prompts are not tokenized, which would take seconds: bounded by one token per byte, at most the context window."""


async def bound_chat(request: ChatRequest, candidate: ChainProvider, *, max_tokens: int) -> TokenBounds:
    """Bound a chat completion whose choices may have `max_tokens` each. A long prompt is counted in a thread, a huge one not at all."""
    size = request.bytes - image_chars(request.messages)
    if size > MAX_BYTES_COUNTED:
        return bound_size(request, candidate, size=size, max_tokens=max_tokens)
    return await off_the_loop(lambda: count_chat(request, candidate, max_tokens=max_tokens), size)


def count_chat(request: ChatRequest, candidate: ChainProvider, *, max_tokens: int) -> TokenBounds:
    """Count a prompt's tokens: its messages, its tools and the parameters that the model reads."""
    counted = count_messages(
        request.messages,
        tools=request.tools,
        extra={name: value for name, value in request.parameters.items() if name in PROMPT_PARAMETERS},
        model=candidate.model,
        margin=candidate.profile.token_margin,
        images=candidate.images,
    )
    return TokenBounds(counted + own_tokens(candidate, request), max_tokens, request.choices)


def bound_size(request: ChatRequest, candidate: ChainProvider, *, size: int, max_tokens: int) -> TokenBounds:
    """Bound a prompt by its size in bytes without its images: no token is smaller than a byte, no provider reads beyond its window."""
    bound = size + count_images(request.messages, candidate.images) + own_tokens(candidate, request)
    if candidate.context_tokens is not None:
        bound = min(bound, candidate.context_tokens)
    return TokenBounds(bound, max_tokens, request.choices)


async def bound_texts(texts: Sequence[str], candidate: ChainProvider) -> TokenBounds:
    """Bound texts to embed: there is no output."""
    return await off_the_loop(lambda: count_texts(texts, candidate), sum(map(len, texts)))


def count_texts(texts: Sequence[str], candidate: ChainProvider) -> TokenBounds:
    """Count the tokens of texts to embed, and one more for each."""
    margin = candidate.profile.token_margin
    counted = sum(count_text(text, model=candidate.model, exact=margin == 1.0) for text in texts)
    return TokenBounds(int(counted * margin) + len(texts), 0)
