"""The sections of the settings, with bounds and defaults. `pipeline`, `caches`, `inference` and `agents` have further ones.

`config/cairn.toml` lists the same defaults for operators.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from app.settings.networks import Network, parse_networks
from app.settings.origins import PublicUrl, parse_origins
from app.settings.shipped import ROOT


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _split_urls(value: object) -> object:
    """Split the URLs of a variable or a file at white space, which no URL contains."""
    return tuple(value.split()) if isinstance(value, str) else value


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0: any free port")
    public_url: PublicUrl = Field(
        None,
        description="address under which people reach the server, for invitation links and OpenID; empty: the address of each request",
    )
    max_upload_bytes: int = Field(
        256 * 2**20, gt=0, description="maximum size of an uploaded transcript in bytes; a larger one is refused with 413"
    )
    max_body_bytes: int = Field(
        2**20, gt=0, description="maximum size of other request bodies in bytes, except model calls; a larger one is refused with 413"
    )
    shutdown_seconds: float = Field(10, gt=0, description="seconds that running requests have to finish when the server stops")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(parse_networks)] = Field(
        (),
        description=(
            "addresses and networks of reverse proxies whose headers x-forwarded-for, x-forwarded-proto and forwarded are trusted; "
            "from all other clients these headers are ignored"
        ),
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_origins)] = Field(
        (),
        description=(
            "origins of web pages whose scripts may call /v1 and /mcp, such as https://app.example.com, separated by white space; "
            "empty: no page of another origin may (CORS is off)"
        ),
    )
    header_timeout_seconds: float = Field(
        10, gt=0, description="maximum seconds from a request's first byte until its request line and headers are complete; then 408"
    )
    body_timeout_seconds: float = Field(
        30, gt=0, description="maximum seconds that a request body may pause or stay slower than min_body_bytes_per_second; then 408"
    )
    min_body_bytes_per_second: int = Field(
        500, ge=1, description="minimum rate of a request body in bytes per second; a slower request is ended after body_timeout_seconds"
    )
    write_timeout_seconds: float = Field(
        30, gt=0, description="maximum seconds during which a client reads nothing of a response; then its connection is closed"
    )
    max_connections: int = Field(
        8192,
        ge=16,
        description="maximum number of open connections; beyond it, the oldest connections without a valid key are closed",
    )
    max_connections_per_address: int = Field(
        256,
        ge=1,
        description="maximum number of connections without a valid key from one address; an IPv6 /64 network counts as one address",
    )


class DiskSettings(Section):
    """The disk that holds the data folder, whose free space `/readyz`, `cairn doctor` and the log tell."""

    low_bytes: int = Field(2 * 2**30, ge=0, description="free bytes below which the disk counts as nearly full")
    full_bytes: int = Field(256 * 2**20, ge=0, description="free bytes below which the disk counts as full; at most disk.low_bytes")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.full_bytes > self.low_bytes:
            raise ValueError("disk.full_bytes is above disk.low_bytes: a disk is nearly full before it is full")
        return self


class DatabaseSettings(Section):
    """Without a `url`, Cairn starts its own PostgreSQL in the data folder."""

    url: SecretStr | None = Field(None, description="URL of PostgreSQL; empty: Cairn starts its own in the data folder")
    replica_urls: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_urls)] = Field(
        (), description="URLs of streaming replicas, separated by white space; reads that may be slightly out of date go there"
    )
    replica_max_lag_seconds: float = Field(10, gt=0, description="replication lag in seconds above which a replica isn't read")
    replica_max_lag_bytes: int = Field(256 * 2**20, gt=0, description="replication lag in bytes of WAL above which a replica isn't read")
    replica_test_seconds: float = Field(2, gt=0, le=5, description="seconds between two checks of a replica's lag")
    pool_size: int = Field(20, ge=1, description="connections that a server's pool keeps open; for workers see worker.pool_size")
    max_overflow: int = Field(30, ge=0, description="connections beyond pool_size that a server may open under load")
    pre_ping: bool = Field(True, description="test a connection before use if it was idle for more than a second")
    recycle_seconds: int = Field(3600, gt=0, description="age in seconds after which a connection is replaced before its next use")
    acquire_timeout_seconds: float = Field(5, gt=0, description="maximum seconds to wait for a free connection; then 503")
    connect_timeout_seconds: float = Field(5, gt=0, description="maximum seconds to open a connection")
    statement_timeout_seconds: float = Field(15, gt=0, description="maximum seconds that a statement may run, or a transaction may be idle")
    embedded_max_connections: int = Field(120, ge=20, description="maximum number of connections to the embedded PostgreSQL")

    @model_validator(mode="after")
    def _lag_exceeds_its_probes(self) -> Self:
        if self.replica_max_lag_seconds <= self.replica_test_seconds:
            raise ValueError("replica_max_lag_seconds must be more than replica_test_seconds, the time between two measurements of the lag")
        return self


class QdrantSettings(Section):
    """Without a `url`, Cairn runs Qdrant's engine in a child process."""

    url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="URL of a Qdrant server; empty: Qdrant's engine runs in a child process"
    )
    api_key: SecretStr | None = Field(None, description="the Qdrant server's API key")
    collection: str = Field("cairn", description="name of the collection that holds the vectors")


class RedisSettings(Section):
    """Without a `url`, servers share only what PostgreSQL holds."""

    url: SecretStr | None = Field(
        None,
        description=(
            "URL of Redis, through which servers share circuit breakers, caches, rate limits, replication positions and messages; "
            "empty: nothing is shared through Redis"
        ),
    )
    timeout_seconds: float = Field(0.5, gt=0, description="maximum seconds of one command; if it takes longer, Redis counts as unavailable")
    connections: int = Field(50, ge=1, description="maximum number of connections to Redis per process")


def _off(value: object) -> object:
    """Translate "off" into None."""
    return None if value == "off" else value


def _is_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not re.fullmatch(r"https?://\S+", value.get_secret_value()):
        raise ValueError("must be an address such as https://example.org/hook")
    return value


class BudgetSettings(Section):
    monthly_limit_usd: float = Field(8.33, ge=0, description="monthly limit of a new developer in US dollars")
    team_tokens_a_day: Annotated[int | None, BeforeValidator(_off)] = Field(
        2_700_000,
        ge=0,
        description=(
            "tokens that a team may use per day on average, or off; a month is limited to this number times its days, and a single "
            "day above it raises an alert"
        ),
    )
    time_zone: str = Field("UTC", description="time zone in which a month begins, for instance Europe/Berlin")
    timeout_seconds: float = Field(
        2, gt=0, le=60, description="maximum seconds to reserve a call's highest possible cost; after that the call is refused with 503"
    )
    default_max_tokens: int = Field(1024, ge=1, description="max_tokens of a call that names none; limits what is reserved for it")
    shrink: bool = Field(False, description="near the limit, lower a call's max_tokens to what is still affordable; the answer says so")
    shrink_min_tokens: int = Field(
        256, ge=1, description="lowest max_tokens to which a call is shrunk; if less is affordable, the call is refused"
    )
    process_silent_seconds: float = Field(
        30, ge=1, description="seconds without a heartbeat after which a server counts as dead; its reservations become unconfirmed charges"
    )
    webhook_url: Annotated[SecretStr | None, AfterValidator(_is_url)] = Field(None, description="older name of alerts.webhook_url")


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class AlertsSettings(Section):
    """Rules about what is measured, about budgets and about policies. All alerts go to one webhook."""

    enabled: bool = Field(
        True, description="evaluate the alert rules about measured series; rules about budgets and policies are always evaluated"
    )
    rules: Path = Field(ROOT / "config" / "alerts.toml", description="file with the alert rules and their thresholds")
    every_seconds: float = Field(15, ge=1, description="seconds between two evaluations of the rules about measured series")
    webhook_url: Annotated[SecretStr | None, AfterValidator(_is_url)] = Field(
        None, description="URL to which all alerts are posted, including those about budgets and policies"
    )
    review_day: Annotated[Weekday | None, BeforeValidator(_off)] = Field(
        None, description="day of the week on which each team's digest of items to review is posted to the webhook, or off"
    )


class MessagesSettings(Section):
    """Messages between agents: on Redis if a team has one, else in PostgreSQL."""

    max_payload_bytes: int = Field(
        65_536, ge=1, le=2**20, description="maximum size of a message's payload in bytes; a larger one is refused"
    )
    max_messages: int = Field(10_000, ge=1, description="maximum messages stored per channel; the oldest are deleted first")
    max_age_hours: float = Field(168, gt=0, description="hours after which a message is deleted")
    max_groups: int = Field(2000, ge=1, description="maximum consumer groups per channel")
    visibility_seconds: float = Field(
        60, gt=0, description="seconds within which a consumer must acknowledge a message; after that it is delivered again"
    )
    max_deliveries: int = Field(
        5, ge=1, description="maximum deliveries of a message; if the last one isn't acknowledged, it becomes a dead letter"
    )
    dead_letter_hours: float = Field(720, gt=0, description="hours after which a dead letter is deleted")
    poll_seconds: float = Field(
        5, gt=0, description="seconds between two checks of a waiting consumer for messages that others left unacknowledged"
    )


PerMinute = Annotated[int | None, BeforeValidator(_off)]


class LimitsSettings(Section):
    """Rates of each key, within any minute. The admin key has none."""

    model_requests_a_minute: PerMinute = Field(
        None, ge=1, le=10**9, description="maximum model calls (completions and embeddings) of a key per minute, or off"
    )
    model_tokens_a_minute: PerMinute = Field(
        None,
        ge=1,
        le=10**12,
        description=(
            "maximum tokens (prompt and answer) of a key per minute, or off; counted after each call, so that running calls may exceed it"
        ),
    )
    requests_a_minute: PerMinute = Field(
        None, ge=1, le=10**9, description="maximum requests of a key to all other /v1 routes per minute, or off"
    )
    timeout_seconds: float = Field(
        0.1, gt=0, description="maximum seconds to wait for Redis; if it is slower, each server counts separately"
    )


class TelemetrySettings(Section):
    """Traces. Without an endpoint there are none, and OpenTelemetry isn't imported."""

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="URL of a collector that accepts OTLP over HTTP, for instance http://127.0.0.1:4318; empty: no traces",
    )
    otlp_headers: SecretStr | None = Field(
        None, description="headers sent to the collector, such as its key: name=value, separated by commas"
    )
    sample: float = Field(
        1.0,
        ge=0,
        le=1,
        description=(
            "share (0 to 1) of the traces started here that are sent; for a trace started by a caller, the caller's decision counts"
        ),
    )
    content: bool = Field(False, description="include prompts (redacted and shortened) in traces")


class DashboardSettings(Section):
    """The pages under /dashboard."""

    enabled: bool = Field(True, description="serve the pages under /dashboard")
    session_hours: float = Field(8, gt=0, le=720, description="hours that a sign-in to the dashboard lasts")
    sign_in_tries: int = Field(
        10, ge=1, description="maximum wrong keys from one address within sign_in_minutes, per server; a correct key is always accepted"
    )
    sign_in_minutes: float = Field(5, gt=0, description="minutes of the window in which wrong keys are counted")
    live_seconds: float = Field(2, gt=0, description="seconds between two checks of an open page for changes")
    max_live: int = Field(
        300, ge=1, description="maximum open pages per server that are updated live; further pages are shown, but not updated"
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="minimum severity of logged events: debug, info, warning or error"
    )
    format: Literal["console", "json"] = Field("console", description="format of the log: console, or json (one object per line)")
