"""What a call may cost at most: before it is made, so that a hold is a true upper bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.budget.prices import MTOK, Price, Usage
from app.tokens import count_messages, count_text

MARGINS: Mapping[str, float] = {"openai": 1.0, "azure": 1.0, "anthropic": 1.15, "gemini": 1.15, "groq": 1.1}
"""By provider kind: how much its tokenizer may count above tiktoken's (Claude's counts 9 % more)."""
OTHER_MARGIN = 1.2


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that one attempt can cost. `max_tokens` is what must be sent for that to be true."""

    input_tokens: int
    max_tokens: int
    nanousd: int

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.max_tokens


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
) -> Estimate:
    """A chat completion. `kind`: the provider's; `choices`: how many answers are asked for, each up to `max_tokens`."""
    counted = count_messages(messages, tools=tools, model=model, margin=margin_of(kind))
    return _made(counted, max_tokens * choices, price)


def of_embeddings(texts: Sequence[str], *, model: str, kind: str, price: Price) -> Estimate:
    counted = sum(count_text(text, model=model) for text in texts)
    return _made(int(counted * margin_of(kind)) + len(texts), 0, price)


def shrunk(estimate: Estimate, *, price: Price, affordable_nanousd: int, least_tokens: int) -> Estimate | None:
    """The same call with as many output tokens as are affordable; None when fewer than `least_tokens` are."""
    prompt = _made(estimate.input_tokens, 0, price).nanousd
    room = affordable_nanousd - prompt
    if price.output == 0 or room < 0:
        return None
    tokens = min(estimate.max_tokens, room * MTOK // price.output)
    if tokens < least_tokens:
        return None
    made = _made(estimate.input_tokens, tokens, price)
    # Rounding up the sum may pass the room by one nano-dollar.
    return made if made.nanousd <= affordable_nanousd else _made(estimate.input_tokens, tokens - 1, price)


def _made(input_tokens: int, output_tokens: int, price: Price) -> Estimate:
    dearest = replace(price, input=price.dearest_input)
    return Estimate(input_tokens, output_tokens, dearest.cost(Usage(input=input_tokens, output=output_tokens)))
