"""Bounds on one attempt's output and reported usage, in tokens; beyond them the provider is no longer believed.

A hold covers the `max_tokens` that a provider is asked for. A provider that ignores them, or reports an impossible usage, would spend
more than was held. Knows no wire format and no ledger.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TypeVar

from app.budget.prices import TokenBounds, TokenUsage
from app.inference.chain import ChainProvider
from app.tokens import count_text, first_tokens

T = TypeVar("T")

OUTPUT_MARGIN, OUTPUT_MARGIN_TOKENS = 0.2, 16
"""Tolerance above the held output: tokenizers differ."""
COARSEST_TOKENIZER = 3
"""Lower bound: the provider's tokenizer may make up to 3 times fewer tokens than tiktoken, but hardly fewer than there are words."""
INPUT_FACTOR, INPUT_MARGIN_TOKENS = 2, 2_000
"""Tolerance above our own upper bound of the prompt: a provider may add a system prompt of its own."""
MAX_BYTES_IN_THE_LOOP = 16_384
"""Longer texts are counted in a thread: tiktoken releases the GIL, but takes 10 ms for 50 kB."""
STREAM_BYTES, STREAM_BYTES_A_TOKEN = 2**20, 8_192
"""Upper bound of a stream's JSON, fixed and per token: a chunk of one token with 20 log probabilities takes 4 kB."""


def max_output(bounds: TokenBounds) -> int:
    """Return how many output tokens of an answer are accepted, all choices together."""
    return math.ceil(bounds.output_tokens * (1 + OUTPUT_MARGIN)) + OUTPUT_MARGIN_TOKENS


def max_stream_bytes(bounds: TokenBounds) -> int:
    """Return how many bytes of JSON of a stream are accepted: chunks without text escape the count of tokens."""
    return STREAM_BYTES + max_output(bounds) * STREAM_BYTES_A_TOKEN


def implausibility(usage: TokenUsage, bounds: TokenBounds, candidate: ChainProvider, *, thinks: bool) -> str | None:
    """Return why a reported usage can't be true; None if it can.

    `thinks`: the model may produce hidden reasoning, which some providers bill beside `max_tokens`: the bound is then doubled.
    """
    output = max_output(bounds) + (bounds.output_tokens if thinks else 0)
    if usage.output > output:
        return f"It reported {usage.output:,} output tokens: {bounds.output_tokens:,} were asked for."
    most = bounds.billed_input_tokens
    window = math.inf if candidate.context_tokens is None else max(candidate.context_tokens, most)
    if usage.input > min(window, INPUT_FACTOR * most + INPUT_MARGIN_TOKENS):
        return f"It reported {usage.input:,} input tokens: the prompt has at most {most:,}."
    for name, uses in usage.tool_uses.items():
        if name in candidate.price.tools and uses > (asked := bounds.tool_uses.get(name, 0)):
            return f"It reported {uses:,} uses of {name}: {asked:,} were allowed."
    return None


def fewest_tokens(text: str, *, model: str) -> int:
    """Return the fewest tokens that the provider's own tokenizer may make of a text, so that no honest answer is cut."""
    return _fewest(count_text(text, model=model), len(text.split()))


def _fewest(tokens: int, words: int) -> int:
    return min(tokens, max(words, -(-tokens // COARSEST_TOKENIZER)))


def beginning(text: str, tokens: int, *, model: str) -> str:
    """Return the longest prefix of a text that may still have at most `tokens` tokens."""
    text = first_tokens(text, tokens * COARSEST_TOKENIZER, model=model)
    fits, too_long = 0, len(text) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if fewest_tokens(text[:middle], model=model) <= tokens:
            fits = middle
        else:
            too_long = middle
    return text[:fits]


class Truncator:
    """Cuts successive texts so that together they have at most `tokens` tokens."""

    def __init__(self, tokens: int, *, model: str) -> None:
        self._left = tokens
        self._model = model

    def cut(self, text: str) -> str:
        kept = beginning(text, self._left, model=self._model)
        self._left = 0 if len(kept) < len(text) else max(0, self._left - fewest_tokens(kept, model=self._model))
        return kept


class OutputCount:
    """Counts a streamed answer's output, and tokenizes only where that decides whether it has passed `limit` tokens.

    No token is smaller than a byte: as long as the bytes fit, nothing is tokenized. Pieces are counted apart, which differs by
    a few tokens a cut, either way, from the whole: far less than OUTPUT_MARGIN.
    """

    def __init__(self, limit: int, *, model: str) -> None:
        self.limit = limit
        self._model = model
        self._tokens, self._words = 0, 0
        self._waiting: list[str] = []
        self._bytes = 0

    async def passed(self, text: str) -> bool:
        """Add a piece of text; return True once the answer exceeds the limit."""
        if not text:
            return False
        self._waiting.append(text)
        self._bytes += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if _fewest(self._tokens, self._words) + self._bytes <= self.limit:
            return False
        await self._count()
        return _fewest(self._tokens, self._words) > self.limit

    async def _count(self) -> None:
        text, size = "".join(self._waiting), self._bytes
        self._waiting, self._bytes = [], 0
        self._tokens += await off_the_loop(lambda: count_text(text, model=self._model), size)
        self._words += len(text.split())


async def off_the_loop(count: Callable[[], T], size: int) -> T:
    """Run a token count, or other work on a prompt, in a thread if the text is long. `size`: of the text, in bytes or characters."""
    return count() if size <= MAX_BYTES_IN_THE_LOOP else await asyncio.to_thread(count)
