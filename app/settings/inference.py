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
    api_key_env: str | None = Field(None, description="the variable that holds its key; without its key a provider is left out")
    api_base: str | None = Field(
        None, pattern=r"^https?://\S+$", description="address of its API, for instance http://127.0.0.1:11434/v1; none: the provider's own"
    )
    input_usd_per_mtok: float | None = Field(None, ge=0, description="US dollars per million input tokens; none: the price list's")
    output_usd_per_mtok: float | None = Field(None, ge=0, description="US dollars per million output tokens; none: the price list's")
    cached_input_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description="US dollars per million input tokens read from its cache; none: as input if input and output are set, else the list's",
    )
    cache_write_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description="US dollars per million input tokens written to its cache; none: the list's, unless input and output are set: then as "
        "input, but 1.25 times that for Claude models, and twice for kinds other than anthropic, openai, azure, groq, gemini, local",
    )
    cache_write_1h_usd_per_mtok: float | None = Field(
        None,
        ge=0,
        description="US dollars per million input tokens written to its cache for an hour; none: the list's, unless input and output are "
        "set: then as its other cache writes, but twice the input price for Claude models and kinds that Cairn doesn't know",
    )
    embedding_usd_per_mtok: float | None = Field(None, ge=0, description="US dollars per million tokens embedded; none: the price list's")
    price_tiers: tuple[PriceTierSettings, ...] = Field((), description="what longer prompts cost, ascending; none: those of the price list")
    context_tokens: int | None = Field(
        None, ge=1, description="tokens of the model's context window; a longer prompt goes to the next provider"
    )
    image_tokens: int | None = Field(None, ge=1, description="tokens that the model counts for one image, at most")
    reasoning: bool | None = Field(
        None, description="the model may spend tokens on reasoning that it doesn't show; none: known by the model's name"
    )
    reasoning_apart: int | None = Field(
        None,
        ge=0,
        description="tokens of reasoning, at most, that it bills beside max_tokens; 0: it bills none; none: known by the model's name",
    )
    prefill: bool | None = Field(None, description="the model continues an assistant's unfinished message; none: known by kind")
    streams: bool = Field(
        True, description="answers may be asked for as a stream, and assembled, to notice silence early (kinds openai, groq and local)"
    )
    connections: int = Field(500, ge=1, description="connections to the provider that a server holds open")


class TimeoutSettings(Section):
    """Time limits of calls to providers, in seconds."""

    connect: float = Field(5, gt=0, description="seconds to open a connection to the provider")
    first_token: float = Field(15, gt=0, description="seconds from a stream's start to its first token")
    idle: float = Field(15, gt=0, description="seconds between two tokens of a stream")
    answer: float = Field(120, gt=0, description="seconds of one attempt that isn't streamed")
    total: float = Field(300, gt=0, description="seconds of a whole request, all attempts together")


class BreakerSettings(Section):
    failures: int = Field(5, ge=1, description="failures in a row that open a provider's breaker")
    reset_seconds: float = Field(60, gt=0, description="seconds that a breaker stays open before one request may probe the provider")
    window_seconds: float = Field(60, gt=0, description="seconds of the window in which calls and failures are counted")
    window_calls: int = Field(20, ge=1, description="calls within the window from which window_share applies")
    window_share: float = Field(0.5, gt=0, le=1, description="share of the window's calls whose failure opens the breaker too")


class InferenceSettings(Section):
    chain: tuple[str, ...] = Field(
        ("groq", "anthropic", "openai", "gemini", "local"), description='providers in the order in which the model "auto" asks them'
    )
    profiles: dict[str, tuple[str, ...]] = Field({}, description="chains by name; each name is a model that callers may ask for")
    retries: int = Field(
        1, ge=0, le=5, description="further attempts at the same provider, before the first byte, after a failure that is likely to pass"
    )
    rescue: bool = Field(True, description="continue a broken stream on the next provider")
    max_body_bytes: int = Field(20 * 2**20, gt=0, description="bytes of a model call's body; a larger one is refused with 413")
    hosted_tool_uses: int = Field(
        5,
        ge=1,
        le=100,
        description="uses of a tool that the provider itself runs, such as web search, within one call; where the caller sets no max_uses, "
        "the provider is told this, and the budget holds the price of as many",
    )
    batch_concurrency: int = Field(10, ge=1, description="requests of a batch that run at once, per first provider of their chains")
    embeddings_requests: int = Field(10, ge=1, description="embedding requests that share one call")
    embeddings_milliseconds: float = Field(
        100, ge=0, description="milliseconds that embedding requests wait for each other while others are under way"
    )
    timeouts: TimeoutSettings = TimeoutSettings()
    breaker: BreakerSettings = BreakerSettings()
