"""Settings, section by section, with bounds and defaults. `config/cairn.toml` says the same to operators."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    NoDecode,
)

ROOT = Path(__file__).resolve().parents[2]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _apart(value: object) -> object:
    """A variable or a file holds several URLs with white space between them: no URL has any in it."""
    return tuple(value.split()) if isinstance(value, str) else value


Network = IPv4Network | IPv6Network
WRITE_NETWORKS = 'write addresses or networks, such as ["10.1.2.3", "172.18.0.0/16"], in a variable with spaces between them'


def _networks(value: object) -> object:
    """Addresses and CIDR networks. What a slip of the pen would trust by accident is refused."""
    listed = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ValueError(f"is no list of networks: {WRITE_NETWORKS}")  # noqa: TRY004 - pydantic tells ValueError alone
    return tuple(_network(str(each)) for each in listed)


def _network(text: str) -> Network:
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is no address and no network: {WRITE_NETWORKS}") from None
    if found.prefixlen == 0:
        raise ValueError(f"'{text}' would trust everybody: {WRITE_NETWORKS}")
    if ip_address(text.partition("/")[0]) != found.network_address:
        raise ValueError(f"'{text}' is an address within a network: write {found} for the network, or the address alone")
    return found


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0: any that is free")
    max_upload_bytes: int = Field(256 * 2**20, gt=0, description="bytes of a transcript; a larger one is refused with 413")
    max_body_bytes: int = Field(
        2**20, gt=0, description="bytes of any other request body, except model calls; a larger one is refused with 413"
    )
    shutdown_seconds: float = Field(10, gt=0, description="seconds that requests under way have to finish when the server stops")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (),
        description="of reverse proxies: only their x-forwarded-for, x-forwarded-proto and forwarded are believed",
    )
    header_timeout_seconds: float = Field(10, gt=0, description="for a request's line and headers, from its first byte")
    body_timeout_seconds: float = Field(30, gt=0, description="a body may pause, or lag behind min_body_bytes_per_second, for so long")
    min_body_bytes_per_second: int = Field(500, ge=1, description="a slower body is cut after body_timeout_seconds")
    write_timeout_seconds: float = Field(30, gt=0, description="a client may leave what was sent to it unread for so long")
    max_connections: int = Field(8192, ge=16, description="open at once; past it those that wait longest without a key go")
    max_connections_per_address: int = Field(256, ge=1, description="without a key; an IPv6 /64 is one address")


class DatabaseSettings(Section):
    """Without a `url`, Cairn starts its own PostgreSQL in the data folder."""

    url: SecretStr | None = Field(None, description="PostgreSQL's URL; none: Cairn starts its own in the data folder")
    replica_urls: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_apart)] = Field(
        (), description="streaming replicas of it: what may be a moment old is read there"
    )
    replica_max_lag_seconds: float = Field(10, gt=0, description="a replica that is further behind is left alone")
    replica_max_lag_bytes: int = Field(256 * 2**20, gt=0, description="a replica that is further behind, in bytes of WAL, is left alone")
    replica_test_seconds: float = Field(2, gt=0, le=5, description="how often each is asked how far it is")
    pool_size: int = Field(20, ge=1, description="connections of a server's pool that are kept open; a worker has worker.pool_size")
    max_overflow: int = Field(30, ge=0, description="connections beyond pool_size that a server may open under load")
    pre_ping: bool = Field(True, description="test a connection that has rested for a second before it is used")
    recycle_seconds: int = Field(3600, gt=0, description="age in seconds from which a connection is replaced before its next use")
    acquire_timeout_seconds: float = Field(5, gt=0, description="seconds to wait for a free connection, then 503")
    connect_timeout_seconds: float = Field(5, gt=0, description="seconds to open a connection")
    statement_timeout_seconds: float = Field(15, gt=0, description="seconds that a statement may run, or a transaction rest")
    embedded_max_connections: int = Field(120, ge=20, description="connections that the embedded PostgreSQL accepts")

    @model_validator(mode="after")
    def _lag_is_told_by_tests(self) -> Self:
        if self.replica_max_lag_seconds <= self.replica_test_seconds:
            raise ValueError("replica_max_lag_seconds must be more than replica_test_seconds: a lag is only known from test to test")
        return self


class QdrantSettings(Section):
    """Without a `url`, Cairn runs Qdrant's engine in a child process."""

    url: str | None = Field(None, pattern=r"^https?://\S+$", description="a Qdrant server's URL; none: its engine runs in a child process")
    api_key: SecretStr | None = Field(None, description="the Qdrant server's API key")
    collection: str = Field("cairn", description="name of the collection that holds the vectors")


class RedisSettings(Section):
    """Without a `url` nothing is shared but what PostgreSQL holds."""

    url: SecretStr | None = Field(
        None, description="Redis's URL, which servers share breakers, caches, limits, positions and messages over; none: they don't"
    )
    timeout_seconds: float = Field(0.5, gt=0, description="of one command: slower is away")
    connections: int = Field(50, ge=1, description="connections open at once, per process")


class VectorsSettings(Section):
    timeout_seconds: float = Field(5, gt=0, description="seconds of one call to the vector engine or the Qdrant server")
    hnsw_m: int = Field(16, ge=4, description="edges of a point in the HNSW graph: more find more and need more memory")
    hnsw_ef_construct: int = Field(
        200, ge=16, description="neighbours considered while the HNSW graph is built: more find more and build slower"
    )
    ef: int = Field(0, ge=0, le=4096, description="how broadly a graph is searched; 0: as measured when it was built")
    recall: float = Field(0.99, gt=0, le=1, description="what is measured for: of the ten nearest, so many are found")
    oversampling: float = Field(2.0, ge=1, description="int8 candidates rescored with full vectors, as a multiple of the results asked for")
    reindex_after: int = Field(5000, ge=1, description="points without a graph before a re-index starts by itself …")
    reindex_share: float = Field(0.1, ge=0, le=1, description="… where they are at least this share of all")


class EmbeddingsSettings(Section):
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: workers take a GPU where there is one; cpu; cuda: servers take it too"
    )
    runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        "auto", description="auto, openvino or onnxruntime; auto: OpenVINO where the precision is bf16, else ONNX Runtime"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto, fp32 or bf16; auto: bf16 where the CPU multiplies it, else fp32"
    )
    threads: int = Field(0, ge=0, description="0: as many as there are cores, at most 4")
    batch_padded_tokens: int = Field(2048, ge=256, description="tokens of a batch, padding included: bounds its memory")
    timeout_seconds: float = Field(60, gt=0, description="seconds of embedding, the wait for a turn included; then 503")
    bulk_texts_a_caller: int = Field(4096, ge=1, description="that may wait at once; more are refused with 429")
    bulk_texts: int = Field(16_384, ge=1, description="of all callers together; more are refused with 503")
    bulk_wait_seconds: float = Field(90, gt=0, description="a caller's texts that would take longer are refused with 429")


class SessionsSettings(Section):
    max_line_bytes: int = Field(16 * 2**20, ge=1024, description="a longer line is skipped and counted")
    max_text_chars: int = Field(64_000, ge=1000, description="a longer text is cut, after redaction, and counted")
    max_live_events: int = Field(1000, ge=1, description="events in one request; more are refused")
    upload_ttl_hours: float = Field(24, gt=0, description="hours after which a dead job's unredacted upload is deleted")


class WorkerSettings(Section):
    concurrency: int = Field(2, ge=1, description="jobs that a worker runs at once")
    poll_seconds: float = Field(0.2, gt=0, description="seconds between looks for a job while there is none")
    lease_seconds: float = Field(30, ge=1, description="a job whose worker has been silent for so many seconds is taken over")
    max_attempts: int = Field(5, ge=1, description="attempts at a job, after which it is dead")
    backoff_seconds: float = Field(2, gt=0, description="seconds before a job's second attempt; doubled before each further one")
    backoff_max_seconds: float = Field(300, gt=0, description="the longest wait in seconds before another attempt")
    give_up_hours: float = Field(24, gt=0, description="a job waits so long for a part that is away")
    stop_seconds: float = Field(
        5, ge=0, description="seconds that jobs under way have to finish when the worker stops; then they are handed back"
    )
    pool_size: int = Field(5, ge=1, description="a worker's database connections; under load it may open as many again")
    backfill_sessions: int = Field(20, ge=1, description="sessions that one backfill job brings up to date")
    nice: int = Field(10, ge=0, le=19, description="of an embedded worker: who asks goes before what is read and learnt")


class KnowledgeSettings(Section):
    merge_threshold: float = Field(
        0.95, gt=0, le=1, description="cosine from which two items may be merged; the guards in app/likeness/ decide too"
    )
    min_relevance: float = Field(0.30, ge=0, le=1, description="items with a lower score are not shown")
    min_confidence: float = Field(
        0.055, ge=0, le=1, description="passages are shown where the question is answered with at least this probability"
    )
    max_items: int = Field(3, ge=0, description="of a question's results, where it asks for passages too")
    max_tokens: int = Field(1500, ge=100, le=20_000, description="of all results' texts together, unless the question says otherwise")
    candidates: int = Field(40, ge=10, description="items that are ranked for a question about items alone")
    embedding_timeout_seconds: float = Field(
        1.0, gt=0, description="a question whose vector takes longer is answered by its words alone, and says so"
    )
    max_query_chars: int = Field(8000, ge=100, description="characters of a question; a longer one is refused")
    max_limit: int = Field(100, ge=1, description="results that a question may ask for")
    answer_model: str = Field(
        "", max_length=200, description="who writes answers: `auto`, a profile or a provider's model; empty: nobody, they are quoted"
    )
    answer_max_tokens: int = Field(500, ge=50, le=2048, description="of an answer that a model writes")
    answer_prompt_tokens: int = Field(3000, ge=200, le=20_000, description="of the passages that it is shown")
    answer_timeout_seconds: float = Field(
        20, gt=0, le=300, description="an answer that takes a model longer is quoted instead, and says so"
    )


def _off(value: object) -> object:
    return None if value == "off" else value


def _is_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not re.fullmatch(r"https?://\S+", value.get_secret_value()):
        raise ValueError("must be an address such as https://example.org/hook")
    return value


class BudgetSettings(Section):
    monthly_limit_usd: float = Field(8.33, ge=0, description="US dollars a month that a new developer may spend")
    team_tokens_a_day: Annotated[int | None, BeforeValidator(_off)] = Field(
        2_700_000,
        ge=0,
        description="tokens a day of a team: its monthly limit is that times the month's days, a day above raises an alert; or off",
    )
    time_zone: str = Field("UTC", description="the time zone in which months and days begin, for instance Europe/Berlin")
    timeout_seconds: float = Field(2, gt=0, le=5, description="seconds to write a hold; if it isn't durable by then, the call is refused")
    default_max_tokens: int = Field(1024, ge=1, description="max_tokens that is sent where the caller gives none")
    shrink: bool = Field(False, description="whether max_tokens is lowered near the limit to what is affordable")
    shrink_min_tokens: int = Field(256, ge=1, description="tokens below which max_tokens is not lowered: the call is refused instead")
    process_silent_seconds: float = Field(
        30, ge=1, description="seconds without a heartbeat after which a process counts as dead and its holds as unreconciled"
    )
    webhook_url: Annotated[SecretStr | None, AfterValidator(_is_url)] = Field(
        None, description="the former name of alerts.webhook_url, still read"
    )


class AlertsSettings(Section):
    """Rules about what is measured and about budgets. All alerts go to one webhook."""

    enabled: bool = Field(True, description="whether rules about series are evaluated; those about budgets always are")
    rules: Path = Field(ROOT / "config" / "alerts.toml", description="the file of the rules and their thresholds")
    every_seconds: float = Field(15, ge=1, description="seconds between evaluations of the rules about series")
    webhook_url: Annotated[SecretStr | None, AfterValidator(_is_url)] = Field(None, description="alerts are posted here")


class CacheSizeSettings(Section):
    """Bounds of a cache's memory, and its eviction policy."""

    policy: Literal["lru", "lfu", "w-tinylfu"] = Field(
        "w-tinylfu", description="what is evicted from memory when it is full: lru, lfu or w-tinylfu"
    )
    entries: int = Field(2000, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(64 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")


class CompletionsCacheSettings(CacheSizeSettings):
    """The cache of completions: a repeated prompt of a team costs nothing. Never shared across teams."""

    enabled: bool = Field(True, description="answer a team's repeated prompt from the cache")
    ttl_seconds: float = Field(7200, gt=0, description="seconds that an answer is kept, except those of temperature 0")
    deterministic_ttl_seconds: float = Field(86_400, gt=0, description="of temperature 0")


class SemanticCacheSettings(Section):
    """The answer of another prompt that asks the same in other words. Measured in docs/decisions/0013 before it was left off."""

    enabled: bool = Field(False, description="answer a prompt that asks the same in other words from the cache")
    threshold: float = Field(0.95, ge=0.9, le=1, description="cosine; the guards decide too")
    entries: int = Field(2000, ge=1, le=20_000, description="prompts kept in each server's memory")
    timeout_seconds: float = Field(0.05, gt=0, le=1, description="what a miss may wait for it")


class QueriesCacheSettings(CacheSizeSettings):
    """The cache of knowledge queries: a repeated question only checks for changes. Never shared across teams."""

    enabled: bool = Field(True, description="answer a team's repeated question from the cache until what it covers has changed")
    policy: Literal["lru", "lfu", "w-tinylfu"] = Field(
        "lru", description="what is evicted from memory when it is full: lru, lfu or w-tinylfu"
    )
    entries: int = Field(200, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")
    ttl_seconds: float = Field(300, gt=0, description="seconds that an answer is kept")


class EmbeddingsCacheSettings(CacheSizeSettings):
    """Vectors of texts that were embedded before: 1.8 kB an entry."""

    entries: int = Field(10_000, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(20 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")
    ttl_seconds: float = Field(86_400, gt=0, description="seconds that a text's vector is kept")


class KeysCacheSettings(CacheSizeSettings):
    """The cache of keys and their requesters."""

    policy: Literal["lru", "lfu", "w-tinylfu"] = Field(
        "lru", description="what is evicted from memory when it is full: lru, lfu or w-tinylfu"
    )
    entries: int = Field(10_000, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")
    ttl_seconds: float = Field(30, gt=0, le=300, description="a key revoked on another server is refused within this time")


class PrewarmSettings(Section):
    """The warm-up: the most used entries are loaded behind a start, never in its way."""

    enabled: bool = Field(True, description="bring the entries used most back into memory after a start; needs cache.database")
    entries: int = Field(500, ge=1, description="of each cache")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="of each cache")
    seconds: float = Field(5, gt=0, description="of each cache")
    noted_seconds: float = Field(30, gt=0, description="how often uses are written down")


class PrefetchSettings(Section):
    """Prefetching: the question that usually follows is searched while nobody asks."""

    enabled: bool = Field(False, description="search ahead what usually follows a question")
    remembered: int = Field(2000, ge=1, description="questions whose followers are known")
    min_seen: int = Field(2, ge=1, description="how often one must have followed the other")
    quiet_seconds: float = Field(0.25, gt=0, description="without a question, before one is searched ahead")


class CacheSettings(Section):
    completions: CompletionsCacheSettings = CompletionsCacheSettings()
    semantic: SemanticCacheSettings = SemanticCacheSettings()
    queries: QueriesCacheSettings = QueriesCacheSettings()
    embeddings: EmbeddingsCacheSettings = EmbeddingsCacheSettings()
    keys: KeysCacheSettings = KeysCacheSettings()
    prewarm: PrewarmSettings = PrewarmSettings()
    prefetch: PrefetchSettings = PrefetchSettings()
    tier_timeout_seconds: float = Field(0.02, gt=0, description="a lower tier that is slower is passed over")
    database: bool = Field(True, description="PostgreSQL as the lowest tier")


class MessagesSettings(Section):
    """Between agents: on Redis where a team has one, else in PostgreSQL."""

    max_payload_bytes: int = Field(65_536, ge=1, le=2**20, description="bytes of a message's payload; a larger one is refused")
    max_messages: int = Field(10_000, ge=1, description="kept of a channel; the oldest go first")
    max_age_hours: float = Field(168, gt=0, description="hours that a message is kept")
    max_groups: int = Field(2000, ge=1, description="of a channel")
    visibility_seconds: float = Field(60, gt=0, description="a message that isn't acknowledged by then is given to the next one who asks")
    max_deliveries: int = Field(5, ge=1, description="then it is a dead letter")
    dead_letter_hours: float = Field(720, gt=0, description="hours that a dead letter is kept")
    poll_seconds: float = Field(5, gt=0, description="who waits looks round so often for what a silent consumer left")


PerMinute = Annotated[int | None, BeforeValidator(_off)]


class LimitsSettings(Section):
    """Limits of each key, within any minute, or off. The admin key has none."""

    model_requests_a_minute: PerMinute = Field(None, ge=1, le=10**9, description="completions and embeddings")
    model_tokens_a_minute: PerMinute = Field(None, ge=1, le=10**12, description="of those, prompt and answer, counted after each call")
    requests_a_minute: PerMinute = Field(None, ge=1, le=10**9, description="every other /v1 route")
    timeout_seconds: float = Field(0.1, gt=0, description="a Redis that is slower is away: each server counts for itself")


class TelemetrySettings(Section):
    """Traces. Off without an endpoint, and then nothing of OpenTelemetry's is imported."""

    otlp_endpoint: str | None = Field(None, pattern=r"^https?://\S+$", description="a collector's, OTLP over HTTP: http://127.0.0.1:4318")
    otlp_headers: SecretStr | None = Field(None, description="name=value,…: a collector's key")
    sample: float = Field(1.0, ge=0, le=1, description="share of the traces that begin here; a caller's own decision is kept")
    content: bool = Field(False, description="put prompts, redacted, into spans")


class DashboardSettings(Section):
    """The pages under /dashboard."""

    enabled: bool = Field(True, description="serve the pages under /dashboard")
    session_hours: float = Field(8, gt=0, le=720, description="then a key is asked for again")
    sign_in_tries: int = Field(10, ge=1, description="wrong keys of an address within sign_in_minutes, per server; a right one gets in")
    sign_in_minutes: float = Field(5, gt=0, description="minutes within which wrong keys are counted")
    live_seconds: float = Field(2, gt=0, description="how often a page that is open asks whether something changed")
    max_live: int = Field(300, ge=1, description="pages that are open at once, per server; more are shown, but not live")


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")
    format: Literal["console", "json"] = Field("console", description="console, or json: one object a line")
