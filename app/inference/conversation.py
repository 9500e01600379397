"""The typed conversation: turns of parts, tools and generation options, whatever the dialect that a caller or a provider speaks.

Dialects (`dialects/`) read their JSON into it and write their JSON from it. It knows no dialect, no provider, no price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

DialectName = Literal["chat", "messages", "responses", "gemini"]
"""OpenAI's Chat Completions, Anthropic's Messages, OpenAI's Responses, and Gemini's format, which only providers speak."""
Role = Literal["system", "developer", "user", "assistant"]
"""The speaker. A tool's result is a part of a user's turn, as in Messages."""
CacheLifetime = Literal["5m", "1h"]
"""Time for which the provider keeps the prompt up to a marked part; the longer one costs more to write."""
ToolKind = Literal["function", "custom"]
"""A function takes a JSON object; a custom tool takes free text (Codex's `apply_patch`)."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text that somebody said. `cache`: the provider is asked to keep the prompt up to here. `citations`: the sources of a model's text."""

    text: str
    cache: CacheLifetime | None = None
    citations: tuple[Opaque, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentSource:
    """A file's content: base64 `data`, a `url` that the provider fetches, or a `file_id` at the provider. Exactly one is set."""

    data: str | None = None
    url: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. `media_type`: "image/png" …, None if unknown (a URL). `detail`: OpenAI's "low", "high" or "auto"."""

    source: ContentSource
    media_type: str | None = None
    detail: str | None = None
    cache: CacheLifetime | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A file to read, such as a PDF or a plain text."""

    source: ContentSource
    media_type: str | None = None
    name: str | None = None
    cache: CacheLifetime | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording. `data`: base64; `format`: "wav", "mp3"."""

    data: str
    format: str


@dataclass(frozen=True, slots=True)
class ToolInvocation:
    """A call that the model asks for. `arguments`: as the model wrote them, a JSON object for a function, free text for a custom tool."""

    id: str
    name: str
    arguments: str
    kind: ToolKind = "function"
    cache: CacheLifetime | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call. `parts`: texts, images, documents."""

    call_id: str
    parts: tuple[Part, ...]
    failed: bool = False
    kind: ToolKind = "function"
    cache: CacheLifetime | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """A model's thinking. `signature`: the proof of the model's vendor, opaque; `sealed`: thinking that only the vendor can read (Messages'
    `redacted_thinking`, Responses' `encrypted_content`). `id`: of the item in Responses, "" if it has none; None: not sealed there."""

    text: str
    signature: str | None = None
    sealed: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalText:
    """The model's words where it declines to answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part that only its own dialect understands: passed on untouched there, named as dropped elsewhere."""

    dialect: DialectName
    type: str
    data: Mapping[str, Any] = field(hash=False)


Part = Text | Image | Document | Audio | ToolInvocation | ToolResult | Thinking | RefusalText | Opaque


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's turn. `name`: of the speaker, in dialects that have it.

    `places`: the path of each part in the caller's request, for refusals, where the turn and the part don't tell it.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    places: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolNamespace:
    """A named group of tools. Only Responses has them. `tool`: the name that the tool has within it."""

    name: str
    tool: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool that the model may call: one of the caller's. `schema`: of its arguments (function), None for a custom tool.

    `format`: a custom tool's grammar, as given. `strict`: the arguments must follow the schema. `namespace`: its group, whose name is a
    part of the tool's `name` here, so that dialects without groups can say it.
    """

    name: str
    description: str | None = None
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    kind: ToolKind = "function"
    strict: bool | None = None
    format: Mapping[str, Any] | None = field(default=None, hash=False)
    cache: CacheLifetime | None = None
    namespace: ToolNamespace | None = None


@dataclass(frozen=True, slots=True)
class HostedTool:
    """A tool that the provider itself runs (web search, code execution): only its own dialect knows it, and each use has a price."""

    dialect: DialectName
    type: str
    data: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """The rule for calling tools: freely ("auto"), "none", at least one ("required"), or the one `named`."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None
    kind: ToolKind = "function"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The model's permission to think. `effort`: OpenAI's word; `budget_tokens`: Anthropic's bound; `adaptive`: the model decides;
    `summary`: "auto", "concise" or "detailed", if a summary is wanted. `enabled` False: no thinking."""

    enabled: bool = True
    effort: str | None = None
    budget_tokens: int | None = None
    adaptive: bool = False
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """The form of the answer: any JSON object, or JSON that follows a schema."""

    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    name: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """Generation options. None: the provider's default. `other`: options that only the caller's dialect has, by its own names."""

    max_tokens: int | None = None
    choices: int = 1
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    reasoning: Reasoning | None = None
    output_format: OutputFormat | None = None
    verbosity: str | None = None
    user: str | None = None
    other: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request to a model. `model`: as the caller named it. `dialect`: the caller's, whose names `options.other` has; None: nobody's."""

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[ToolDefinition | HostedTool, ...] = ()
    options: Options = Options()
    dialect: DialectName | None = None

    def parts(self) -> Iterator[Part]:
        """Yield every part, those inside tool results included."""
        for turn in self.turns:
            for part in turn.parts:
                yield part
                if isinstance(part, ToolResult):
                    yield from part.parts


def without_parts(turns: Sequence[Turn], kind: type[Part]) -> tuple[Turn, ...]:
    """Return the turns without the parts of one kind, and without turns that held nothing else."""
    kept = (Turn(turn.role, tuple(part for part in turn.parts if not isinstance(part, kind)), turn.name) for turn in turns)
    return tuple(turn for turn in kept if turn.parts)
