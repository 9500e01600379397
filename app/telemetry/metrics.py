"""What is measured, under which name. Counters are raised where the thing happens; gauges are set when somebody looks.

Each process has its own: what workers did is read from PostgreSQL (jobs, knowledge, index), not from their memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds. 15 ms is the promise for a query, so it has an edge of its own."""


def _counter(name: str, what: str, *labels: str) -> Counter:
    return Counter(f"cairn_{name}", what, labels, registry=REGISTRY)


def _gauge(name: str, what: str, *labels: str) -> Gauge:
    return Gauge(f"cairn_{name}", what, labels, registry=REGISTRY)


_requests = _counter("http_requests", "Answered requests.", "method", "route", "status")
_seconds = Histogram(
    "cairn_http_request_seconds",
    "From the first byte in to the last out.",
    ("method", "route"),
    buckets=BUCKETS,
    registry=REGISTRY,
)
_live = _counter("live_events", "Events that came in live: accepted or duplicate.", "outcome")
_redactions = _counter("redactions", "Secrets taken out in this process, by kind.", "kind")
_queries = _counter("queries", "Knowledge queries: answered, empty or degraded.", "outcome")
_results = _counter("query_results", "Results given to knowledge queries.")
_prefetches = _counter("prefetches", "Questions searched ahead: ahead; of those used or wasted.", "outcome")
_messages = _counter("messages", "Messages between agents: published, delivered, acknowledged or dead.", "outcome")
_jobs = _gauge("jobs", "Jobs by state.", "state")
_pool = _gauge("database_pool", "Database connections: size, most, checked_out, overflow.", "kind")
_reads = _counter(
    "database_reads", "Reads that may be a moment old, by who answered: primary, or a replica. None without replicas.", "target"
)
_replicas = _gauge("replica_up", "Replicas: 1 in use, 0 left alone.", "replica")
_lag = _gauge("replica_lag_seconds", "What is older has been replayed; known from test to test.", "replica")
_behind = _gauge("replica_lag_bytes", "Write-ahead log that has yet to be replayed.", "replica")
_items = _gauge("knowledge_items", "Items of knowledge.")
_pending = _gauge("index_pending", "Changes that the vector index has yet to hear of.")
_points = _gauge("vector_points", "Points in the vector index: all, or unindexed (in no graph yet).", "kind")
_alerts = _counter("budget_alerts", "Budget alerts said by this process, by subject and rule.", "subject", "rule")
_holds = _counter("budget_holds", "Holds asked for: granted, refused or failed.", "outcome")
_attempts = _counter("provider_attempts", "Calls of providers: ok, or the kind of fault.", "provider", "outcome")
_rescues = _counter("stream_rescues", "Streams that broke in the middle: continued, restarted, different or failed.", "outcome")
_limited = _counter("rate_limited", "Requests refused because of their key's own limit, by limit.", "limit")
_breakers = _gauge("breaker_open", "Circuit breakers: 1 open, 0.5 half-open, 0 closed.", "provider")
_spared_usd = _counter("cache_saved_usd", "What answers given again cost when they were made, in dollars.", "cache", "tier")
_spared_seconds = _counter("cache_saved_seconds", "What they took when they were made, less the wait for them now.", "cache", "tier")
_caches = _gauge("cache", "What each tier of each cache has done and holds.", "cache", "tier", "kind")
_up = _gauge("up", "Dependencies: 1 ok, 0.5 degraded, 0 down.", "dependency")

JOB_STATES = ("queued", "running", "done", "failed")
_UP = {"ok": 1.0, "degraded": 0.5, "down": 0.0}


def request_answered(*, method: str, route: str, status: int, seconds: float) -> None:
    _requests.labels(method, route, str(status)).inc()
    _seconds.labels(method, route).observe(seconds)


def live_events(*, accepted: int, duplicates: int) -> None:
    _live.labels("accepted").inc(accepted)
    _live.labels("duplicate").inc(duplicates)


def redacted(kinds: Mapping[str, int]) -> None:
    for kind, count in kinds.items():
        _redactions.labels(kind).inc(count)


def query_answered(*, results: int, degraded: bool) -> None:
    _queries.labels("degraded" if degraded else "answered" if results else "empty").inc()
    _results.inc(results)


def prefetched(outcome: str) -> None:
    _prefetches.labels(outcome).inc()


def budget_alert(subject: str, rule: str) -> None:
    """Rules that name a day or a hold are one kind each."""
    _alerts.labels(subject, rule.split("-", 1)[0] if rule.startswith(("day-", "overrun-")) else rule).inc()


def hold_asked(outcome: str) -> None:
    _holds.labels(outcome).inc()


def provider_attempted(provider: str, outcome: str) -> None:
    _attempts.labels(provider, outcome).inc()


def stream_rescued(outcome: str) -> None:
    _rescues.labels(outcome).inc()


def cache_saved(cache: str, tier: str, *, usd: float, seconds: float) -> None:
    _spared_usd.labels(cache, tier).inc(usd)
    _spared_seconds.labels(cache, tier).inc(seconds)


def rate_limited(limit: str) -> None:
    _limited.labels(limit).inc()


def messages(outcome: str, count: int) -> None:
    _messages.labels(outcome).inc(count)


def set_breaker(provider: str, state: str) -> None:
    _breakers.labels(provider).set({"open": 1.0, "half-open": 0.5}.get(state, 0.0))


def set_cache(cache: str, tier: str, figures: Mapping[str, int]) -> None:
    for kind, figure in figures.items():
        _caches.labels(cache, tier, kind).set(figure)


def set_jobs(counts: Mapping[str, int]) -> None:
    for state in JOB_STATES:
        _jobs.labels(state).set(counts.get(state, 0))


def set_pool(*, size: int, most: int, checked_out: int, overflow: int) -> None:
    _pool.labels("size").set(size)
    _pool.labels("most").set(most)
    _pool.labels("checked_out").set(checked_out)
    _pool.labels("overflow").set(overflow)


def read(target: str) -> None:
    _reads.labels(target).inc()


def set_replica(replica: str, *, usable: bool, lag: tuple[float, int] | None) -> None:
    """`lag`: seconds and bytes; None: it was never told. One that is away keeps its last."""
    _replicas.labels(replica).set(float(usable))
    if lag is not None:
        _lag.labels(replica).set(lag[0])
        _behind.labels(replica).set(lag[1])


def set_knowledge(*, items: int, pending: int) -> None:
    _items.set(items)
    _pending.set(pending)


def set_points(*, points: int, unindexed: int) -> None:
    _points.labels("all").set(points)
    _points.labels("unindexed").set(unindexed)


def set_dependencies(states: Mapping[str, str]) -> None:
    for name, state in states.items():
        _up.labels(name).set(_UP[state])


def page() -> bytes:
    """Everything, as Prometheus reads it."""
    return generate_latest(REGISTRY)
