"""What is asked of the engine, by whom; and what comes back beside the answer itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from app.budget.holds import Payer

CacheWish = Literal["auto", "always", "refresh", "never"]
"""By the rules; also a creative answer; a new answer, kept; neither read nor kept."""
Tier = Literal["miss", "memory", "redis", "database", "semantic"]


def uncounted(tokens: int) -> None:
    del tokens


@dataclass(frozen=True, slots=True)
class Asker:
    """Who pays for a request. `request_id` is the server's own: holds are unique by it. `used` hears what each attempt was charged for."""

    developer_id: UUID
    team_id: UUID
    request_id: str
    purpose: str = "chat"
    project: str | None = None
    used: Callable[[int], None] = field(default=uncounted, compare=False)

    @property
    def payer(self) -> Payer:
        return Payer(self.developer_id, self.team_id)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat completion. `parameters`: OpenAI's fields as they were given, without these; `bytes`: how large it came in."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    choices: int = 1
    bytes: int = 0
    cache: CacheWish = "auto"

    @property
    def tools(self) -> Sequence[Any]:
        found = self.parameters.get("tools")
        return found if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to vectors. `dimensions` None: the model's own."""

    model: str
    texts: Sequence[str]
    dimensions: int | None = None


@dataclass(slots=True)
class Receipt:
    """Who really answered, and what it cost, in nano-dollars. `left` None: no limit. `upstream_seconds`: spent waiting for providers.

    `saved`: what the answer cost when it was made; None: nothing was saved, or it isn't known yet. `similarity`: of another prompt whose
    answer this is.
    `asked_model`: the configured one (`model` is what the provider calls it); `produced`: its tokens. `disputed`: the provider made, or
    reported, more than can be true.
    """

    provider: str = ""
    model: str = ""
    attempts: int = 0
    nanousd: int = 0
    left: int | None = None
    cache: Tier = "miss"
    saved: int | None = None
    similarity: float | None = None
    dropped: tuple[str, ...] = ()
    shrunk_to: int | None = None
    upstream_seconds: float = 0.0
    asked_model: str = ""
    produced: int = 0
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole completion: the provider's JSON."""

    body: bytes
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Vectors:
    """In the order of the texts."""

    vectors: Sequence[Sequence[float]]
    tokens: int
    receipt: Receipt
