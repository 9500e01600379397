"""Requests to the engine, their requester, and what is returned beside the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from app.budget.holds import Payer
from app.budget.prices import TokenUsage
from app.inference.allowed_models import AllowedModels
from app.inference.answer_events import WholeAnswer
from app.inference.chain import ChainProvider
from app.inference.conversation import Conversation, DialectName, Text, Turn

CacheMode = Literal["auto", "always", "refresh", "never"]
"""Cache policy: by the rules; store creative answers too; ask again and store; neither read nor store."""
CacheBypass = Literal["off", "request", "fields", "tools", "creative"]
"""The reason why the cache took no part: switched off, the request says so, more than text is asked, tools without a session, may vary."""
Tier = Literal["miss", "memory", "redis", "database", "semantic"]


def uncounted(tokens: int) -> None:
    del tokens


@dataclass(frozen=True, slots=True)
class CallOrigin:
    """The coding session that a call belongs to, and the agent in it that makes it, by the caller's own ids. None: not told."""

    session: str | None = None
    agent: str | None = None
    parent_agent: str | None = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """The requester, who pays. `request_id`: the server's own, unique per hold. `used`: called with each attempt's charged tokens.

    `key_id`: the key that the call came with, which may have a limit of its own; `models`: what that key may ask for, None: every model.
    """

    developer_id: UUID
    team_id: UUID
    request_id: str
    purpose: str = "chat"
    project: str | None = None
    used: Callable[[int], None] = field(default=uncounted, compare=False)
    origin: CallOrigin = CallOrigin()
    key_id: UUID | None = None
    models: AllowedModels = None

    @property
    def payer(self) -> Payer:
        return Payer(self.developer_id, self.team_id, self.key_id)


@dataclass(frozen=True, slots=True)
class OriginalRequest:
    """A request as its caller sent it. `body` None: what is asked has changed since; `headers`: those that a provider should have."""

    dialect: DialectName
    body: Mapping[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)

    def rewritten(self) -> OriginalRequest:
        """Return it without the body, which no longer says what is asked."""
        return replace(self, body=None)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat completion. `parameters`: OpenAI's other fields as given; `bytes`: the size of the request as received.

    `optional`: names of parameters that are left out, not tried, where the model isn't known to take them.
    `chain`: the providers to ask, in order; `Catalog.resolve` fills it in, once per request.
    `conversation`: the same, typed, where the caller's dialect is another: it may say more, `lost` names what.
    `original`: the request as the caller sent it, for a provider of the same dialect.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    choices: int = 1
    bytes: int = 0
    cache: CacheMode = "auto"
    optional: frozenset[str] = frozenset()
    chain: Sequence[ChainProvider] = field(default=(), repr=False)
    conversation: Conversation | None = field(default=None, repr=False)
    original: OriginalRequest | None = field(default=None, repr=False)
    lost: tuple[str, ...] = ()

    def continued(self, text: str, *, max_tokens: int | None) -> ChatRequest:
        """Return the request with the beginning of its answer, which the model is to continue, and what is left of its bound."""
        conversation = self.conversation
        if conversation is not None:
            conversation = replace(conversation, turns=(*conversation.turns, Turn("assistant", (Text(text),))))
        return replace(
            self,
            messages=[*self.messages, {"role": "assistant", "content": text}],
            max_tokens=max_tokens,
            bytes=self.bytes + len(text),
            conversation=conversation,
            original=None if self.original is None else self.original.rewritten(),
        )

    @property
    def tools(self) -> Sequence[Any]:
        found = self.parameters.get("tools")
        return found if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to embed. `dimensions` None: the model's default."""

    model: str
    texts: Sequence[str]
    dimensions: int | None = None


@dataclass(slots=True)
class Receipt:
    """The provider that answered and the cost in nano-dollars. `left`: remaining budget, None without a limit.

    `upstream_seconds`: time spent waiting for providers. `asked_model`: the configured name (`model`: the provider's own).
    `input_tokens`: the prompt's upper bound, by our own count, as held.
    `charged`: the tokens of all attempts. `settling`: the settlement of a stream that the caller left; its end tells the cost.
    `disputed`: the provider's reported usage is impossible, or it produced more than asked for.
    `saved`: the price of a cached answer when it was made; None if nothing was saved, or it isn't known yet.
    `similarity`: cosine to the prompt whose answer this is, in the semantic cache.
    """

    provider: str = ""
    model: str = ""
    attempts: int = 0
    nanousd: int = 0
    left: int | None = None
    cache: Tier = "miss"
    bypass: CacheBypass | None = None
    saved: int | None = None
    similarity: float | None = None
    dropped: tuple[str, ...] = ()
    shrunk_to: int | None = None
    upstream_seconds: float = 0.0
    asked_model: str = ""
    input_tokens: int = 0
    charged: TokenUsage = field(default_factory=TokenUsage)
    settling: asyncio.Task[None] | None = None
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class CompletionAnswer:
    """A whole completion, as the provider's JSON in Chat Completions. `typed`: the same, where the provider speaks another dialect."""

    body: bytes
    receipt: Receipt
    typed: WholeAnswer | None = None


@dataclass(frozen=True, slots=True)
class Vectors:
    """One vector per text, in the order of the texts."""

    vectors: Sequence[Sequence[float]]
    tokens: int
    receipt: Receipt
