"""The interface of a provider client, whatever its wire format. One contract suite runs against every implementation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.budget.prices import TokenUsage
from app.inference.answers import Chunk, Completion
from app.inference.conversation import Conversation

MAX_ANSWER_BYTES = 64 * 2**20
ANSWER_BYTES, BYTES_A_TOKEN, BYTES_A_PROBABLE_TOKEN = 8 * 2**20, 512, 8_192
"""Upper bound of a whole answer's JSON: fixed, per token, and per token with 20 log probabilities (some 4 kB)."""


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A request in a provider's own dialect. `asked`: what it says, typed, to read the answer by; `headers`: of the caller's dialect."""

    body: Mapping[str, Any]
    asked: Conversation | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One attempt's call. `parameters`: OpenAI's, filtered to what this provider supports, with `max_tokens`.

    `written`: the request as a provider of another dialect takes it, which then says all: of the parameters only the bounds count.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]
    written: WrittenCall | None = None

    @property
    def max_bytes(self) -> int:
        """The most bytes read of a whole answer: decoding a larger one would block the event loop."""
        tokens = int(self.parameters.get("max_tokens") or 0) * int(self.parameters.get("n") or 1)
        each = BYTES_A_PROBABLE_TOKEN if self.parameters.get("logprobs") else BYTES_A_TOKEN
        return min(MAX_ANSWER_BYTES, ANSWER_BYTES + tokens * each)


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """One vector per text, in the order of the texts."""

    vectors: Sequence[Sequence[float]]
    model: str | None
    usage: TokenUsage | None


class Wire(Protocol):
    """A provider client. Times out only while connecting: the engine bounds answers, and cancels."""

    async def complete(self, call: ProviderCall) -> Completion:
        """Return a whole answer. Raises ProviderError."""

    def stream(self, call: ProviderCall) -> AsyncGenerator[Chunk]:
        """Yield chunks without keep-alives, up to the provider's own finish; raises ProviderError otherwise. Closing it disconnects."""

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        """Return one vector per text. Raises ProviderError."""

    def supports(self, parameter: str) -> bool:
        """Tell whether the provider supports a parameter of OpenAI's chat completions; others are dropped and reported."""

    async def close(self) -> None: ...
