"""Estimates the worst-case price of a call before it is made, so that its hold is a true upper bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.budget.prices import MTOK, Price, TokenUsage
from app.tokens import ANY_IMAGE, ImageTokens, count_messages, count_text

MARGINS: Mapping[str, float] = {"openai": 1.0, "azure": 1.0, "anthropic": 1.15, "gemini": 1.15, "groq": 1.1}
"""By provider kind: how much its tokenizer may count above tiktoken's (Claude's counts 9 % more)."""
OTHER_MARGIN = 1.2


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that one attempt can cost. `max_tokens` is what must be sent for that to be true: each of the `choices` may have as many."""

    input_tokens: int
    max_tokens: int
    nanousd: int
    choices: int = 1

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.max_tokens * self.choices


def margin_of(kind: str) -> float:
    return MARGINS.get(kind, OTHER_MARGIN)


def of_chat(
    messages: Sequence[Mapping[str, object]],
    *,
    tools: Sequence[object],
    model: str,
    kind: str,
    price: Price,
    max_tokens: int,
    choices: int = 1,
    extra: Mapping[str, object] | None = None,
    images: ImageTokens = ANY_IMAGE,
) -> Estimate:
    """A chat completion. `kind`: the provider's; `choices`: how many answers are asked for, each up to `max_tokens`.

    `extra`: the other parameters that are sent: schemas and names are part of the prompt. `images`: what the model counts for one.
    """
    counted = count_messages(messages, tools=tools, extra=extra, model=model, margin=margin_of(kind), images=images)
    return _made(counted, max_tokens, price, choices)


def of_size(text_bytes: int, images: int, *, context_tokens: int | None, price: Price, max_tokens: int, choices: int = 1) -> Estimate:
    """A prompt too large to be counted: no token is smaller than a byte, and no provider reads more than its window.

    `images`: the tokens of all its images.
    """
    counted = text_bytes + images
    return _made(counted if context_tokens is None else min(counted, context_tokens), max_tokens, price, choices)


def of_embeddings(texts: Sequence[str], *, model: str, kind: str, price: Price) -> Estimate:
    margin = margin_of(kind)
    counted = sum(count_text(text, model=model, exact=margin == 1.0) for text in texts)
    return _made(int(counted * margin_of(kind)) + len(texts), 0, price)


def shrunk(
    estimate: Estimate, *, price: Price, least_tokens: int, affordable_nanousd: int | None = None, affordable_tokens: int | None = None
) -> Estimate | None:
    """The same call with as many output tokens as are affordable; None when fewer than `least_tokens` are (of each choice)."""
    most = estimate.max_tokens
    if affordable_tokens is not None:
        most = min(most, (affordable_tokens - estimate.input_tokens) // estimate.choices)
    if affordable_nanousd is not None:
        room = affordable_nanousd - _made(estimate.input_tokens, 0, price).nanousd
        if room < 0:
            return None
        if (output := price.at(estimate.input_tokens).output) > 0:
            most = min(most, room * MTOK // (output * estimate.choices))
    if most < least_tokens:
        return None
    return _made(estimate.input_tokens, most, price, estimate.choices)


def _made(input_tokens: int, max_tokens: int, price: Price, choices: int = 1) -> Estimate:
    """Prompt and answer are rounded up each for itself, so that a shrunk answer fits the room that the prompt leaves.

    At the dearest tier that the prompt may reach: no shorter one costs more.
    """
    price = price.at(input_tokens)
    prompt = replace(price, input=price.dearest_input).cost(TokenUsage(input=input_tokens))
    return Estimate(input_tokens, max_tokens, prompt + price.cost(TokenUsage(output=max_tokens * choices)), choices)
