"""The facts of each kind of provider: which format it speaks, what it takes, how it counts and charges, the words of its errors.

A provider is one entry here and at most one wire. Knows no wire, no address of a team's own and no price: what is a model's own (window,
images, reasoning) is in the price list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal

Dialect = Literal["chat", "messages", "gemini"]
THINKING_TOKENS: Mapping[str, int] = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16_384}
"""Reasoning tokens that litellm grants Anthropic's models per `reasoning_effort`; what is set aside for them anywhere else, too."""
CACHE_WRITE_FACTORS = Fraction(5, 4), Fraction(2)
"""Anthropic's surcharges on a cache write that lasts five minutes, and on one that lasts an hour."""
AS_INPUT, UNKNOWN_FACTORS = (Fraction(1), Fraction(1)), (Fraction(2), Fraction(2))
"""The factors of kinds without a surcharge; and of kinds that nobody described, since a Claude model may stand behind one."""
DocumentSource = Literal["inline", "url", "file_id"]
_SPOKEN = frozenset({"role", "content", "name"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorWords:
    """Words by which an error reply tells what it is, in lower case. `…_starts`: how its message begins, since it may quote the prompt."""

    too_long: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    key_codes: tuple[str, ...] = ()
    key_starts: tuple[str, ...] = ()
    quota_codes: tuple[str, ...] = ()
    quota_starts: tuple[str, ...] = ()
    thinking: tuple[str, ...] = ()
    """Words, beside "thinking", of a refusal that is about signed thoughts, or about their absence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderProfile:
    """One kind of provider. The defaults are those of a kind nobody described: dearer, fewer fields, no prefill."""

    kind: str
    dialect: Dialect | None = None
    """The format that a wire of ours speaks to it; None: litellm translates."""
    api_base: str | None = None
    """The vendor's own address; None with a dialect: each team's own, so it must be set."""
    runs_here: bool = False
    """It runs in this process: it can't be down, bounds its own queue, and batches by itself."""
    replaced_by: str | None = None
    """The settings to write in its place, where Cairn doesn't take this kind."""
    streams: bool = False
    """A plain request may be asked as a stream and put together again (`assembly.py`)."""
    prefill: bool = False
    """It continues an assistant's unfinished message; others begin a new one."""

    not_taken: frozenset[str] | None = None
    """Parameters that it doesn't take; None: litellm knows. Through litellm: what that would drop, listed so that the first request needn't
    wait for it to load; a test compares."""
    takes_unlisted: bool = False
    """It bills nothing, so it also gets unlisted parameters, for example `top_k`."""
    bound_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Its name of `max_tokens`, at the vendor's own address."""
    takes_efforts: bool = False
    """Its models think when asked to, whether or not they are listed as `reasoning`, up to the effort "max"."""
    thinking_below_bound: bool = False
    """It refuses (400) thinking tokens that aren't below `max_tokens`."""
    effort_tokens: Mapping[str, int] = field(default_factory=lambda: THINKING_TOKENS, hash=False)
    """Reasoning tokens to expect for each `reasoning_effort`."""

    message_fields: Mapping[str, frozenset[str]] | None = field(default=None, hash=False)
    """By role: a message's fields that don't lead to a refusal. Clients send answers back with all that came in them. None: any."""
    takes_anthropic_fields: bool = False
    """It takes marks for the prompt cache and signed thoughts, or ignores what it doesn't know."""
    takes_developer: bool = False
    """It knows the role `developer`, at the vendor's own address: see `vendor_fields.as_system`. To others it is `system`."""
    takes_refusals: bool = False
    """It knows refusals as such: to others they are what the model said."""
    object_arguments: bool = False
    """A call's arguments are an object in its format, not a text: litellm "repairs" or refuses other texts."""
    max_call_id_chars: int | None = None
    """It refuses longer ids of tool calls. litellm puts Gemini's signatures into them, which take hundreds of characters."""
    fetches_urls: bool = False
    """It fetches a URL as a file or video, at a price that can't be known beforehand."""

    token_margin: float = 1.2
    """The factor by which its tokenizer may count above tiktoken's."""
    cache_write_factors: tuple[Fraction, Fraction] = UNKNOWN_FACTORS
    """The most that a write to its prompt cache costs, as factors of the price of input: of the short lifetime, and of an hour."""
    caches_when_asked: bool = False
    """It writes to its prompt cache only what a request marks; others may do so by themselves."""
    documents: frozenset[DocumentSource] = frozenset()
    """It reads PDFs that come so."""
    errors: ErrorWords = ErrorWords()
    mends_litellm: bool = False
    """litellm's support of it is worked around: embeddings go to the vendor directly, finishes are its own events' (`wires/gemini.py`)."""

    @property
    def needs_address(self) -> bool:
        """True if the settings must tell its address."""
        return self.dialect is not None and self.api_base is None

    def thinking_tokens(self, parameters: Mapping[str, Any]) -> int:
        """Return the reasoning tokens for a `reasoning_effort`; they are added to the default `max_tokens` if the caller sets none."""
        return self.effort_tokens.get(str(parameters.get("reasoning_effort")), 0)


OPENAI = ProviderProfile(
    kind="openai",
    dialect="chat",
    api_base="https://api.openai.com/v1",
    streams=True,
    not_taken=frozenset(),
    bound_name="max_completion_tokens",
    takes_developer=True,
    takes_refusals=True,
    max_call_id_chars=40,
    token_margin=1.0,
    documents=frozenset({"inline"}),
    cache_write_factors=AS_INPUT,
    errors=ErrorWords(
        too_long=("context_length_exceeded", "maximum context length", "context window", "reduce the length"),
        policy=("content_policy", "content_filter", "safety system", "usage policy", "flagged"),
        key_codes=("invalid_api_key",),
        quota_codes=("insufficient_quota",),
    ),
)
GROQ = ProviderProfile(
    kind="groq",
    dialect="chat",
    api_base="https://api.groq.com/openai/v1",
    streams=True,
    prefill=True,
    not_taken=frozenset({"logit_bias", "logprobs", "top_logprobs", "n", "modalities", "store", "verbosity"}),
    message_fields={
        "system": _SPOKEN,
        "user": _SPOKEN,
        "assistant": _SPOKEN | {"tool_calls", "function_call", "reasoning"},
        "tool": _SPOKEN | {"tool_call_id"},
        "function": _SPOKEN,
    },
    max_call_id_chars=40,
    token_margin=1.1,
    cache_write_factors=AS_INPUT,
)
LOCAL = ProviderProfile(
    kind="local",
    dialect="chat",
    streams=True,
    not_taken=frozenset(),
    takes_unlisted=True,
    takes_anthropic_fields=True,
    cache_write_factors=AS_INPUT,
)
"""A team's own server of OpenAI's format."""
ANTHROPIC = ProviderProfile(
    kind="anthropic",
    prefill=True,
    not_taken=frozenset({
        "n", "presence_penalty", "frequency_penalty", "seed", "logit_bias", "logprobs", "top_logprobs", "functions", "function_call",
        "verbosity",
    }),
    takes_efforts=True,
    thinking_below_bound=True,
    takes_anthropic_fields=True,
    object_arguments=True,
    token_margin=1.15,  # Claude's counts 9 % more
    cache_write_factors=CACHE_WRITE_FACTORS,
    caches_when_asked=True,
    documents=frozenset({"inline"}),
    errors=ErrorWords(
        too_long=("prompt is too long",),
        quota_starts=("your credit balance",),
        thinking=("signature", "redacted_thinking", "expected `thinking`", "must start with a thinking block", "cannot be modified"),
    ),
)  # fmt: skip
GEMINI = ProviderProfile(
    kind="gemini",
    api_base="https://generativelanguage.googleapis.com/v1beta",
    not_taken=frozenset({"seed", "logit_bias", "top_logprobs", "user", "function_call", "verbosity"}),
    object_arguments=True,
    fetches_urls=True,
    token_margin=1.15,
    documents=frozenset({"inline"}),
    cache_write_factors=AS_INPUT,
    errors=ErrorWords(
        too_long=("exceeds the maximum number of tokens", "input token count"),
        policy=("blocked by",),
        key_codes=("api_key_invalid",),
        key_starts=("api key not valid", "api key expired"),  # a bad key has status 400, and is told only by how its message begins
    ),
    mends_litellm=True,
)
AZURE = ProviderProfile(
    kind="azure",
    replaced_by="kind = 'openai' and api_base = 'https://NAME.openai.azure.com/openai/v1'",
    token_margin=1.0,
    cache_write_factors=AS_INPUT,
    errors=ErrorWords(policy=("content management policy", "responsibleai")),
)
BUILT_IN = ProviderProfile(kind="cairn", runs_here=True)
"""Cairn's own embedding model."""
PROFILES: Mapping[str, ProviderProfile] = {each.kind: each for each in (OPENAI, GROQ, LOCAL, ANTHROPIC, GEMINI, AZURE, BUILT_IN)}
OTHERS_WORDS = ErrorWords(too_long=("too many tokens", "input is too long"))
"""Words of kinds without an entry."""


def profile_of(kind: str) -> ProviderProfile:
    """Return a kind's facts; the safe defaults for a kind without an entry, which litellm translates."""
    return PROFILES.get(kind) or ProviderProfile(kind=kind)


def error_words() -> ErrorWords:
    """Return the words of all kinds: a server of any kind may pass on another vendor's error."""
    given = [*(each.errors for each in PROFILES.values()), OTHERS_WORDS]
    return ErrorWords(**{each.name: tuple(word for words in given for word in getattr(words, each.name)) for each in fields(ErrorWords)})
