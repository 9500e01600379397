"""The sections of the settings, with bounds and defaults; caches and the door to models have modules of their own.

`config/cairn.toml` lists the same defaults for operators.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from app.settings.networks import Network, parse_networks

ROOT = Path(__file__).resolve().parents[2]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _split_urls(value: object) -> object:
    """Split the URLs of a variable or a file at white space, which no URL contains."""
    return tuple(value.split()) if isinstance(value, str) else value


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0: any that is free")
    max_upload_bytes: int = Field(256 * 2**20, gt=0, description="bytes of a transcript; a larger one is refused with 413")
    max_body_bytes: int = Field(
        2**20, gt=0, description="bytes of any other request body, except model calls; a larger one is refused with 413"
    )
    shutdown_seconds: float = Field(10, gt=0, description="seconds that requests under way have to finish when the server stops")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(parse_networks)] = Field(
        (),
        description="addresses and networks of reverse proxies: only their x-forwarded-for, x-forwarded-proto and forwarded are believed",
    )
    header_timeout_seconds: float = Field(
        10, gt=0, description="seconds from a request's first byte until its line and headers are complete; then 408"
    )
    body_timeout_seconds: float = Field(
        30, gt=0, description="seconds that a body may pause, or lag behind min_body_bytes_per_second; then 408"
    )
    min_body_bytes_per_second: int = Field(
        500, ge=1, description="bytes a second that a body must bring; a slower one is cut after body_timeout_seconds"
    )
    write_timeout_seconds: float = Field(
        30, gt=0, description="seconds that a client may leave an answer unread; then its connection is cut"
    )
    max_connections: int = Field(
        8192,
        ge=16,
        description="connections that a server holds open; beyond them, those that have waited longest without a key are closed",
    )
    max_connections_per_address: int = Field(256, ge=1, description="connections without a key from one address; an IPv6 /64 counts as one")


class DatabaseSettings(Section):
    """Without a `url`, Cairn starts its own PostgreSQL in the data folder."""

    url: SecretStr | None = Field(None, description="PostgreSQL's URL; none: Cairn starts its own in the data folder")
    replica_urls: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_urls)] = Field(
        (), description="URLs of streaming replicas, with white space between them: reads that may be a moment old go there"
    )
    replica_max_lag_seconds: float = Field(10, gt=0, description="seconds of replication lag above which a replica isn't read")
    replica_max_lag_bytes: int = Field(256 * 2**20, gt=0, description="bytes of WAL above which a replica that lags isn't read")
    replica_test_seconds: float = Field(2, gt=0, le=5, description="seconds between two probes of a replica's lag")
    pool_size: int = Field(20, ge=1, description="connections of a server's pool that are kept open; a worker has worker.pool_size")
    max_overflow: int = Field(30, ge=0, description="connections beyond pool_size that a server may open under load")
    pre_ping: bool = Field(True, description="test a connection that has rested for a second before it is used")
    recycle_seconds: int = Field(3600, gt=0, description="age in seconds from which a connection is replaced before its next use")
    acquire_timeout_seconds: float = Field(5, gt=0, description="seconds to wait for a free connection, then 503")
    connect_timeout_seconds: float = Field(5, gt=0, description="seconds to open a connection")
    statement_timeout_seconds: float = Field(15, gt=0, description="seconds that a statement may run, or a transaction rest")
    embedded_max_connections: int = Field(120, ge=20, description="connections that the embedded PostgreSQL accepts")

    @model_validator(mode="after")
    def _lag_exceeds_its_probes(self) -> Self:
        if self.replica_max_lag_seconds <= self.replica_test_seconds:
            raise ValueError("replica_max_lag_seconds must be more than replica_test_seconds, the time between two measurements of the lag")
        return self


class QdrantSettings(Section):
    """Without a `url`, Cairn runs Qdrant's engine in a child process."""

    url: str | None = Field(None, pattern=r"^https?://\S+$", description="a Qdrant server's URL; none: its engine runs in a child process")
    api_key: SecretStr | None = Field(None, description="the Qdrant server's API key")
    collection: str = Field("cairn", description="name of the collection that holds the vectors")


class RedisSettings(Section):
    """Without a `url`, servers share only what PostgreSQL holds."""

    url: SecretStr | None = Field(
        None, description="Redis's URL, which servers share breakers, caches, limits, positions and messages over; none: they don't"
    )
    timeout_seconds: float = Field(0.5, gt=0, description="seconds of one command; a Redis that is slower counts as unavailable")
    connections: int = Field(50, ge=1, description="connections to Redis that a process holds open")


class VectorsSettings(Section):
    timeout_seconds: float = Field(5, gt=0, description="seconds of one call to the vector engine or the Qdrant server")
    hnsw_m: int = Field(16, ge=4, description="edges of a point in the HNSW graph: more find more and need more memory")
    hnsw_ef_construct: int = Field(
        200, ge=16, description="neighbours considered while the HNSW graph is built: more find more and build slower"
    )
    ef: int = Field(
        0,
        ge=0,
        le=4096,
        description="candidates of a search in the HNSW graph; 0: the fewest that reach `recall`, measured when it was built",
    )
    recall: float = Field(0.99, gt=0, le=1, description="share of the ten nearest vectors that a search must find; `ef` is measured for it")
    oversampling: float = Field(2.0, ge=1, description="int8 candidates rescored with full vectors, as a multiple of the results asked for")
    reindex_after: int = Field(
        5000, ge=1, description="points outside the HNSW graph from which a re-index starts by itself, if reindex_share is reached too"
    )
    reindex_share: float = Field(
        0.1, ge=0, le=1, description="share of all points that must lie outside the HNSW graph before a re-index starts by itself"
    )


class EmbeddingsSettings(Section):
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto, cpu or cuda; auto: workers use an NVIDIA GPU where there is one; cuda: servers too"
    )
    runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        "auto", description="auto, openvino or onnxruntime; auto: OpenVINO where the precision is bf16, else ONNX Runtime"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto, fp32 or bf16; auto: bf16 where the CPU multiplies it, else fp32"
    )
    threads: int = Field(0, ge=0, description="threads that embed; 0: one for each core, at most 4")
    batch_padded_tokens: int = Field(2048, ge=256, description="tokens of a batch, padding included: bounds its memory")
    timeout_seconds: float = Field(60, gt=0, description="seconds of embedding, the wait for a turn included; then 503")
    bulk_texts_a_caller: int = Field(
        4096, ge=1, description="texts of one caller of /v1/embeddings that may wait for Cairn's own model; more are refused with 429"
    )
    bulk_texts: int = Field(
        16_384, ge=1, description="texts of all callers of /v1/embeddings that may wait for Cairn's own model; more are refused with 503"
    )
    bulk_wait_seconds: float = Field(
        90, gt=0, description="seconds that a caller's texts may take, waiting included; those that would take longer are refused with 429"
    )


class SessionsSettings(Section):
    max_line_bytes: int = Field(16 * 2**20, ge=1024, description="bytes of a line of a transcript; a longer one is skipped and counted")
    max_text_chars: int = Field(64_000, ge=1000, description="characters of an event's text, after redaction; a longer one is cut")
    max_live_events: int = Field(1000, ge=1, description="events in one request of a live session; more are refused with 422")
    upload_ttl_hours: float = Field(24, gt=0, description="hours after which a dead job's unredacted upload is deleted")


class WorkerSettings(Section):
    concurrency: int = Field(2, ge=1, description="jobs that a worker runs at once")
    poll_seconds: float = Field(0.2, gt=0, description="seconds between attempts to claim a job while none is due")
    lease_seconds: float = Field(30, ge=1, description="seconds without a sign of its worker after which another worker takes a job over")
    max_attempts: int = Field(5, ge=1, description="attempts at a job; after the last one it has failed for good")
    backoff_seconds: float = Field(2, gt=0, description="seconds before a job's second attempt; doubled before each further one")
    backoff_max_seconds: float = Field(300, gt=0, description="seconds before another attempt at a job, at most")
    give_up_hours: float = Field(
        24,
        gt=0,
        description="hours that a job waits for a dependency that is unavailable, such as Qdrant; its attempts don't count meanwhile",
    )
    stop_seconds: float = Field(
        5, ge=0, description="seconds that jobs under way have to finish when the worker stops; then they are handed back"
    )
    pool_size: int = Field(5, ge=1, description="a worker's database connections; under load it may open as many again")
    backfill_sessions: int = Field(20, ge=1, description="sessions that one backfill job brings up to date")
    nice: int = Field(10, ge=0, le=19, description="nice value (0 to 19) of an embedded worker, so that requests go before its jobs")


class KnowledgeSettings(Section):
    merge_threshold: float = Field(
        0.95, gt=0, le=1, description="cosine from which two items may be merged; the guards in app/likeness/ decide too"
    )
    min_relevance: float = Field(0.30, ge=0, le=1, description="score below which items are not shown")
    min_confidence: float = Field(
        0.055, ge=0, le=1, description="probability that its passages answer a question, below which Cairn abstains and shows none"
    )
    max_items: int = Field(3, ge=0, description="items among the results of a question that asks for passages too")
    max_tokens: int = Field(
        1500, ge=100, le=20_000, description="tokens of all results' texts together, unless the question gives its own bound"
    )
    candidates: int = Field(40, ge=10, description="items that are ranked for a question about items alone")
    embedding_timeout_seconds: float = Field(
        1.0, gt=0, description="seconds to embed a question; if it takes longer, only its words are searched, and the answer says so"
    )
    max_query_chars: int = Field(8000, ge=100, description="characters of a question; a longer one is refused with 422")
    max_limit: int = Field(100, ge=1, description="results that a question may ask for, at most")
    answer_model: str = Field(
        "",
        max_length=200,
        description="model that writes answers: `auto`, a profile or a provider's model; empty: none, answers are quoted",
    )
    answer_max_tokens: int = Field(
        500, ge=50, le=2048, description="tokens of an answer that a model writes; they are held before the call, on the asker's budget"
    )
    answer_prompt_tokens: int = Field(3000, ge=200, le=20_000, description="tokens of the passages that the model is shown")
    answer_timeout_seconds: float = Field(
        20, gt=0, le=300, description="seconds that a model may take to write an answer; then the answer is quoted, and says so"
    )


def _off(value: object) -> object:
    """Translate "off" into None."""
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
        description="tokens a day of a team, or off; a month's total is limited to this times its days, and a day above it raises an alert",
    )
    time_zone: str = Field("UTC", description="time zone in which a month begins, for instance Europe/Berlin")
    timeout_seconds: float = Field(2, gt=0, le=60, description="seconds until a hold must be durable; then the call is refused with 503")
    default_max_tokens: int = Field(1024, ge=1, description="max_tokens of a call that gives none, so that its hold is an upper bound")
    shrink: bool = Field(False, description="lower a call's max_tokens to what is still affordable, near the limit; the answer says so")
    shrink_min_tokens: int = Field(256, ge=1, description="tokens below which max_tokens is not lowered: the call is refused instead")
    process_silent_seconds: float = Field(
        30, ge=1, description="seconds of silence after which a process counts as dead and its open holds as unreconciled"
    )
    webhook_url: Annotated[SecretStr | None, AfterValidator(_is_url)] = Field(None, description="older name of alerts.webhook_url")


class AlertsSettings(Section):
    """Rules about what is measured and about budgets. All alerts go to one webhook."""

    enabled: bool = Field(True, description="evaluate the rules about series; those about budgets always are")
    rules: Path = Field(ROOT / "config" / "alerts.toml", description="file of the alert rules and their thresholds")
    every_seconds: float = Field(15, ge=1, description="seconds between evaluations of the rules about series")
    webhook_url: Annotated[SecretStr | None, AfterValidator(_is_url)] = Field(
        None, description="URL that all alerts are posted to, those about budgets too"
    )


class MessagesSettings(Section):
    """Messages between agents: on Redis if a team has one, else in PostgreSQL."""

    max_payload_bytes: int = Field(65_536, ge=1, le=2**20, description="bytes of a message's payload; a larger one is refused")
    max_messages: int = Field(10_000, ge=1, description="messages kept of a channel; the oldest are deleted first")
    max_age_hours: float = Field(168, gt=0, description="hours that a message is kept")
    max_groups: int = Field(2000, ge=1, description="groups of consumers that a channel may have")
    visibility_seconds: float = Field(
        60, gt=0, description="seconds in which a consumer must acknowledge a message; then it is delivered again"
    )
    max_deliveries: int = Field(
        5, ge=1, description="deliveries of a message; if the last one isn't acknowledged either, it becomes a dead letter"
    )
    dead_letter_hours: float = Field(720, gt=0, description="hours that a dead letter is kept")
    poll_seconds: float = Field(
        5, gt=0, description="seconds between polls of a waiting consumer for messages that another one left unacknowledged"
    )


PerMinute = Annotated[int | None, BeforeValidator(_off)]


class LimitsSettings(Section):
    """Rates of each key, within any minute. The admin key has none."""

    model_requests_a_minute: PerMinute = Field(
        None, ge=1, le=10**9, description="completions and embeddings that a key may ask for within a minute, or off"
    )
    model_tokens_a_minute: PerMinute = Field(
        None,
        ge=1,
        le=10**12,
        description="tokens, of prompts and answers, that a key may use within a minute, or off; counted after each call",
    )
    requests_a_minute: PerMinute = Field(
        None, ge=1, le=10**9, description="requests to all other /v1 routes that a key may make within a minute, or off"
    )
    timeout_seconds: float = Field(0.1, gt=0, description="seconds of Redis's answer; if it is slower, each server counts for itself")


class TelemetrySettings(Section):
    """Traces. Without an endpoint there are none, and OpenTelemetry isn't imported."""

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="URL of a collector that takes OTLP over HTTP, for instance http://127.0.0.1:4318; none: no traces",
    )
    otlp_headers: SecretStr | None = Field(
        None, description="headers sent to the collector, such as its key: name=value, with commas between them"
    )
    sample: float = Field(
        1.0, ge=0, le=1, description="share (0 to 1) of the traces begun here that are sent; a caller's own decision is kept"
    )
    content: bool = Field(False, description="put prompts, redacted, into spans")


class DashboardSettings(Section):
    """The pages under /dashboard."""

    enabled: bool = Field(True, description="serve the pages under /dashboard")
    session_hours: float = Field(8, gt=0, le=720, description="hours that a sign-in to the dashboard lasts")
    sign_in_tries: int = Field(
        10, ge=1, description="wrong keys that a server takes from one address within sign_in_minutes; a right key is always taken"
    )
    sign_in_minutes: float = Field(5, gt=0, description="minutes within which wrong keys are counted")
    live_seconds: float = Field(2, gt=0, description="seconds between an open page's questions whether something changed")
    max_live: int = Field(
        300, ge=1, description="pages per server that are kept up to date while they are open; further ones are shown, but not updated"
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe events that are logged: debug, info, warning or error"
    )
    format: Literal["console", "json"] = Field("console", description="format of the log: console, or json (one object a line)")
