"""What the engine asks of a provider, whatever its wire format. One contract suite runs against every implementation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.budget.prices import Usage
from app.inference.answers import Chunk, Completion

MAX_ANSWER_BYTES = 64 * 2**20
ANSWER_BYTES, BYTES_A_TOKEN, BYTES_A_PROBABLE_TOKEN = 8 * 2**20, 512, 8_192
"""The most that a whole answer takes in JSON: with 20 log probabilities a token has some 4 kB."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt's prompt. `parameters`: OpenAI's, already bounded to what this provider takes, `max_tokens` among them."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]

    @property
    def max_bytes(self) -> int:
        """Return how much is read of a whole answer: reading and decoding a larger one would keep everybody waiting."""
        tokens = int(self.parameters.get("max_tokens") or 0) * int(self.parameters.get("n") or 1)
        each = BYTES_A_PROBABLE_TOKEN if self.parameters.get("logprobs") else BYTES_A_TOKEN
        return min(MAX_ANSWER_BYTES, ANSWER_BYTES + tokens * each)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in the order of the texts."""

    vectors: Sequence[Sequence[float]]
    model: str | None
    usage: Usage | None


class Wire(Protocol):
    """Times out on connecting only: how long an answer may take is the engine's to say, which cancels."""

    async def complete(self, call: Call) -> Completion:
        """Fault when there is no whole answer."""

    def stream(self, call: Call) -> AsyncGenerator[Chunk]:
        """Chunks as they come, no comments or keep-alives. Ends after the provider's own finish, else Fault. Closing it hangs up."""

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> Embedded:
        """Fault unless there is one vector for each text."""

    def supports(self, parameter: str) -> bool:
        """Whether the provider takes a parameter of OpenAI's chat completions; what it doesn't is dropped and reported."""

    async def close(self) -> None: ...
