"""Settings of the door to models: providers, their prices, chains, time limits, breakers."""

from __future__ import annotations

from pydantic import Field

from app.settings.sections import Section


class PriceTierSettings(Section):
    """The price of a call whose prompt has more tokens than `above_tokens`."""

    above_tokens: int = Field(ge=1, description="tokens of a prompt above which these prices hold, for all of its tokens")
    input_usd_per_mtok: float = Field(ge=0, description="US dollars per million input tokens")
    output_usd_per_mtok: float = Field(ge=0, description="US dollars per million output tokens")
    cached_input_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description="US dollars per million input tokens read from the provider's cache; needed where the price below the tier has it",
    )
    cache_write_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description="US dollars per million input tokens written to the provider's cache; needed where the price below the tier has it",
    )
    cache_write_1h_usd_per_mtok: float | None = Field(
        None, ge=0, description="the same for writes that last an hour; needed where the price below the tier has it"
    )


class ProviderSettings(Section):
    """One entry of `[providers.NAME]`. `kind` is litellm's name of the provider; "openai" and "local" serve any compatible `api_base`."""

    kind: str = Field(min_length=1, description="litellm's name of the provider; openai and local serve any compatible api_base")
    model: str = Field(min_length=1, description="the provider's name of its model")
    embedding_model: str | None = Field(None, description="the provider's name of its embedding model; none: it embeds nothing")
    api_key_env: str | None = Field(None, description="the variable that holds its key; without its key a provider is not used")
    api_base: str | None = Field(
        None, pattern=r"^https?://\S+$", description="address of its API, for instance http://127.0.0.1:11434/v1; none: the provider's own"
    )
    input_usd_per_mtok: float | None = Field(None, ge=0, description="US dollars per million input tokens; none: the price list's")
    output_usd_per_mtok: float | None = Field(None, ge=0, description="US dollars per million output tokens; none: the price list's")
    cached_input_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description=(
            "US dollars per million input tokens read from its cache; empty: the input price if input and output are set, else the "
            "price list's"
        ),
    )
    cache_write_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description=(
            "US dollars per million input tokens written to its cache; empty: the price list's. If input and output are set: the "
            "input price; 1.25 times that for Claude models; twice for kinds other than anthropic, openai, azure, groq, gemini and "
            "local"
        ),
    )
    cache_write_1h_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description=(
            "US dollars per million input tokens written to its cache for an hour; empty: the price list's. If input and output are "
            "set: the same as other cache writes, but twice the input price for Claude models and for kinds that Cairn doesn't know"
        ),
    )
    embedding_usd_per_mtok: float | None = Field(None, ge=0, description="US dollars per million embedded tokens; empty: the price list's")
    price_tiers: tuple[PriceTierSettings, ...] = Field(
        (), description="higher prices for longer prompts, in ascending order; empty: those of the price list"
    )
    context_tokens: int | None = Field(
        None, ge=1, description="size of the model's context window in tokens; a longer prompt goes to the next provider"
    )
    image_tokens: int | None = Field(None, ge=1, description="maximum tokens that the model counts for one image")
    reasoning: bool | None = Field(
        None, description="the model may bill reasoning tokens that it doesn't show; empty: decided by the model's name"
    )
    reasoning_apart: int | None = Field(
        None,
        ge=0,
        description="maximum reasoning tokens that it bills on top of max_tokens; 0: none; empty: decided by the model's name",
    )
    prefill: bool | None = Field(None, description="the model can continue an unfinished assistant message; empty: decided by `kind`")
    streams: bool = Field(
        True,
        description=(
            "request plain answers as streams and assemble them, to notice a silent provider early (kinds openai, groq and local)"
        ),
    )
    connections: int = Field(500, ge=1, description="maximum connections of a server to the provider")


class TimeoutSettings(Section):
    """Time limits of calls to providers, in seconds."""

    connect: float = Field(5, gt=0, description="maximum seconds to open a connection to the provider")
    first_token: float = Field(15, gt=0, description="maximum seconds until a provider's first token")
    idle: float = Field(15, gt=0, description="maximum seconds between two tokens of a stream")
    answer: float = Field(120, gt=0, description="maximum seconds of one attempt that isn't streamed")
    total: float = Field(300, gt=0, description="maximum seconds of a whole request, all attempts included")


class BreakerSettings(Section):
    failures: int = Field(5, ge=1, description="consecutive failures after which a provider is paused (its circuit breaker opens)")
    reset_seconds: float = Field(60, gt=0, description="seconds that a provider stays paused before one trial request")
    window_seconds: float = Field(60, gt=0, description="seconds of the sliding window in which calls and failures are counted")
    window_calls: int = Field(20, ge=1, description="minimum number of calls in the window for window_share to apply")
    window_share: float = Field(0.5, gt=0, le=1, description="share (0 to 1) of failed calls in the window that also pauses the provider")


class InferenceSettings(Section):
    chain: tuple[str, ...] = Field(
        ("groq", "anthropic", "openai", "gemini", "local"), description='providers in the order in which the model "auto" tries them'
    )
    profiles: dict[str, tuple[str, ...]] = Field({}, description="named provider chains; callers use the name as the model")
    retries: int = Field(1, ge=0, le=5, description="retries at the same provider after a temporary failure, before the first byte")
    rescue: bool = Field(True, description="continue an interrupted stream with the next provider")
    max_body_bytes: int = Field(
        20 * 2**20, gt=0, description="maximum size of a model call's body in bytes; a larger one is refused with 413"
    )
    hosted_tool_uses: int = Field(
        5,
        ge=1,
        le=100,
        description=(
            "maximum uses per call of a tool that the provider itself runs, such as web search, if the caller sets no max_uses; it "
            "is sent to the provider, and the price of that many uses is reserved"
        ),
    )
    batch_concurrency: int = Field(10, ge=1, description="requests of a batch that run at once, per provider that is first in their chain")
    embeddings_requests: int = Field(10, ge=1, description="maximum number of embedding requests that share one call to a provider")
    embeddings_milliseconds: float = Field(
        100, ge=0, description="maximum milliseconds that an embedding request waits for others to share a call, while calls are running"
    )
    timeouts: TimeoutSettings = TimeoutSettings()
    breaker: BreakerSettings = BreakerSettings()
