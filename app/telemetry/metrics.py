"""What is measured, under which name. Counters are raised where the thing happens; gauges are set when somebody looks.

Each process has its own: what workers did is read from PostgreSQL (jobs, knowledge, index), not from their memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from app.telemetry.measures import OTHER, Exported

REGISTRY = CollectorRegistry()
MEASURED = Exported(REGISTRY)
"""What happens with every request: see `measures.py`. Its measures are also read by the roll-ups (app/services/watching.py)."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds. 15 ms is the promise for a query, so it has an edge of its own."""
LONG_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


def _counter(name: str, what: str, *labels: str) -> Counter:
    return Counter(f"cairn_{name}", what, labels, registry=REGISTRY)


def _gauge(name: str, what: str, *labels: str) -> Gauge:
    return Gauge(f"cairn_{name}", what, labels, registry=REGISTRY)


requests = MEASURED.tally("cairn_http_requests", "Answered requests.", "method", "route", "status")
request_seconds = MEASURED.timing(
    "cairn_http_request_seconds", "From the first byte in to the last out.", "method", "route", buckets=BUCKETS
)
_connections = _gauge("connections", "Open connections: keyed (a key was shown on them) or unkeyed.", "kind")
_cuts = _counter(
    "connections_cut",
    "Connections cut or refused: head_slow, body_slow, answer_unread, too_many, too_many_of_address.",
    "reason",
)
_live = _counter("live_events", "Events that came in live: accepted or duplicate.", "outcome")
_redactions = _counter("redactions", "Secrets taken out in this process, by kind.", "kind")
queries = MEASURED.tally("cairn_queries", "Knowledge queries: answered, empty or degraded.", "outcome")
search_seconds = MEASURED.timing("cairn_knowledge_search_seconds", "Knowledge queries.", buckets=BUCKETS)
_results = _counter("query_results", "Results given to knowledge queries.")
_prefetches = _counter("prefetches", "Questions searched ahead: ahead; of those used or wasted.", "outcome")
_messages = _counter("messages", "Messages between agents: published, delivered, acknowledged or dead.", "outcome")
_jobs = _gauge("jobs", "Jobs by state.", "state")
_projections = _gauge(
    "projection_sessions",
    "Sessions that a projection has not caught up with (behind), and those that it failed on (parked: see `cairn doctor`).",
    "projection",
    "state",
)
_parked = _counter("projection_failures", "Sessions that a projection failed on in this process: each attempt.", "projection")
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
holds = MEASURED.tally("cairn_budget_holds", "Holds asked for: granted, refused or failed.", "outcome")
attempts = MEASURED.tally("cairn_provider_attempts", "Calls of providers: ok, or the kind of fault.", "provider", "outcome")
disputes = MEASURED.tally(
    "cairn_provider_disputes",
    "Answers that can't be true, charged at their hold: output (longer than asked for), usage (more than there can be).",
    "provider",
    "kind",
)
breaker_changes = MEASURED.tally("cairn_breaker_changes", "Circuit breakers that changed, by their new state.", "provider", "state")
database_seconds = MEASURED.timing(
    "cairn_database_statement_seconds", "Statements, by who sends them: the shared pool, the ledger.", "by", buckets=BUCKETS
)
database_wait = MEASURED.timing("cairn_database_wait_seconds", "For a connection of the pool.", buckets=BUCKETS)
embedding_seconds = MEASURED.timing("cairn_embedding_seconds", "Runs of the local embedding model.", buckets=BUCKETS)
embedded_texts = MEASURED.tally("cairn_embedded_texts", "Texts that the local model embedded.")
embedding_cache = MEASURED.tally("cairn_embedding_cache", "Texts looked up before they are embedded: hit, miss, evicted.", "outcome")
job_seconds = MEASURED.timing("cairn_job_seconds", "Attempts at jobs, in this process.", "kind", buckets=LONG_BUCKETS)
job_attempts = MEASURED.tally("cairn_job_attempts", "Attempts at jobs that ended in this process: done or failed.", "kind", "outcome")
alert_changes = MEASURED.tally("cairn_alert_changes", "Alerts that this process saw begin to fire, or end.", "rule", "state")
loop_lag = MEASURED.timing("cairn_event_loop_lag_seconds", "How late the event loop comes to what is due.", "role", buckets=BUCKETS)

_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
"""OpenTelemetry's names, as Prometheus spells them. The operation is chat or embeddings; the model is the configured one."""
server_seconds = MEASURED.timing(
    "gen_ai_server_request_duration_seconds",
    "From the question to the answer's last token; cache: where it came from.",
    *_GEN_AI,
    "cache",
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
first_token_seconds = MEASURED.timing(
    "gen_ai_server_time_to_first_token_seconds",
    "From the question to a stream's first token.",
    *_GEN_AI,
    buckets=(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
per_token_seconds = MEASURED.timing(
    "gen_ai_server_time_per_output_token_seconds",
    "Each token of a stream after the first, on average of that stream.",
    *_GEN_AI,
    buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
token_usage = MEASURED.timing(
    "gen_ai_client_token_usage",
    "Tokens of a call that were charged.",
    *_GEN_AI,
    "gen_ai_token_type",
    buckets=tuple(4.0**power for power in range(14)),
)
answer_seconds = MEASURED.timing(
    "cairn_ai_response_seconds", "Until a provider's whole answer, or its stream's first token.", "provider", buckets=BUCKETS
)
charged = MEASURED.tally("cairn_charged_nanousd", "What calls were charged, in nano-dollars.", "provider")
saved = MEASURED.tally("cairn_saved_nanousd", "What answers from the cache cost when they were made, in nano-dollars.")
_rescues = _counter("stream_rescues", "Streams that broke in the middle: continued, restarted, different or failed.", "outcome")
_limited = _counter("rate_limited", "Requests refused because of their key's own limit, by limit.", "limit")
_breakers = _gauge("breaker_open", "Circuit breakers: 1 open, 0.5 half-open, 0 closed.", "provider")
_spared_usd = _counter("cache_saved_usd", "What answers given again cost when they were made, in dollars.", "cache", "tier")
_spared_seconds = _counter("cache_saved_seconds", "What they took when they were made, less the wait for them now.", "cache", "tier")
_firing = _gauge("alerts_firing", "Alerts that fire, over all servers, by rule and severity.", "rule", "severity")
_budgets = _gauge(
    "budget_usd",
    "This month by developer, in dollars: spent, held, limit. Beyond 50, together: other.",
    "developer",
    "kind",
)
_hit_ratio = _gauge("cache_hit_ratio", "Of a cache's look-ups since the start, found in whichever tier.", "cache")
_cache_lookups = _gauge("cache_lookups", "Look-ups of a tier since the start: hit or miss.", "cache", "tier", "outcome")
_cache_bytes = _gauge("cache_bytes", "What a cache holds in this process's memory.", "cache")
_cache_entries = _gauge("cache_entries", "Entries that a cache holds in this process's memory.", "cache")
_cache_troubles = _gauge(
    "cache_troubles", "At a tier since the start: evictions, errors, and skipped while it was away.", "cache", "tier", "kind"
)
_queue_depth = _gauge("queue_depth", "What waits: jobs that may run, messages between agents, changes for the vector index.", "queue")
_queue_oldest = _gauge("queue_oldest_seconds", "How long the oldest job that may run has waited.")
_up = _gauge("up", "Dependencies: 1 ok, 0.5 degraded, 0 down.", "dependency")
_set_aside = _counter("set_aside", "Damaged parts that were set aside and are rebuilt, by part: vectors, embeddings or files.", "part")

MOST_DEVELOPERS = 50
JOB_STATES = ("queued", "running", "done", "failed")
_UP = {"ok": 1.0, "degraded": 0.5, "down": 0.0}


def request_answered(*, method: str, route: str, status: int, seconds: float) -> None:
    requests.add((method, route, str(status)))
    request_seconds.observe(seconds, (method, route))


def connection_cut(reason: str) -> None:
    _cuts.labels(reason).inc()


def set_connections(*, keyed: int, unkeyed: int) -> None:
    _connections.labels("keyed").set(keyed)
    _connections.labels("unkeyed").set(unkeyed)


def live_events(*, accepted: int, duplicates: int) -> None:
    _live.labels("accepted").inc(accepted)
    _live.labels("duplicate").inc(duplicates)


def redacted(kinds: Mapping[str, int]) -> None:
    for kind, count in kinds.items():
        _redactions.labels(kind).inc(count)


def query_answered(*, results: int, degraded: bool, seconds: float) -> None:
    queries.add(("degraded" if degraded else "answered" if results else "empty",))
    search_seconds.observe(seconds)
    _results.inc(results)


def prefetched(outcome: str) -> None:
    _prefetches.labels(outcome).inc()


def budget_alert(subject: str, rule: str) -> None:
    """Rules that name a day or a hold are one kind each."""
    _alerts.labels(subject, rule.split("-", 1)[0] if rule.startswith(("day-", "overrun-", "disputed-")) else rule).inc()


def hold_asked(outcome: str) -> None:
    holds.add((outcome,))


def provider_attempted(provider: str, outcome: str) -> None:
    attempts.add((provider, outcome))


def provider_disputed(provider: str, kind: str) -> None:
    disputes.add((provider, kind))


def alert_changed(rule: str, state: str) -> None:
    alert_changes.add((rule, state))


def breaker_changed(provider: str, state: str) -> None:
    breaker_changes.add((provider, state))


def embedded(*, texts: int, seconds: float) -> None:
    embedding_seconds.observe(seconds)
    embedded_texts.add((), texts)


def looked_up(*, hits: int, misses: int, evicted: int) -> None:
    """`evicted`: those of the misses that were there within the hour."""
    for outcome, count in (("hit", hits), ("miss", misses), ("evicted", evicted)):
        if count:
            embedding_cache.add((outcome,), count)


def job_ended(kind: str, outcome: str, seconds: float) -> None:
    job_attempts.add((kind, outcome))
    job_seconds.observe(seconds, (kind,))


def tokens_charged(operation: str, provider: str, model: str, *, given: int, produced: int, nanousd: int) -> None:
    """Of one call. `given` with those that the provider had cached, as OpenTelemetry counts them."""
    token_usage.observe(given, (operation, provider, model, "input"))
    if operation == "chat":
        token_usage.observe(produced, (operation, provider, model, "output"))
    charged.add((provider,), nanousd)


def first_token(provider: str, model: str, seconds: float) -> None:
    first_token_seconds.observe(seconds, ("chat", provider, model))
    answer_seconds.observe(seconds, (provider,))


def answered(operation: str, provider: str, model: str, *, cache: str, seconds: float) -> None:
    """A request that was answered to its end."""
    server_seconds.observe(seconds, (operation, provider, model, cache))


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


def set_jobs(counts: Mapping[str, int]) -> None:
    for state in JOB_STATES:
        _jobs.labels(state).set(counts.get(state, 0))


def set_projection(name: str, *, behind: int, parked: int) -> None:
    _projections.labels(name, "behind").set(behind)
    _projections.labels(name, "parked").set(parked)


def projection_parked(name: str) -> None:
    _parked.labels(name).inc()


def set_pool(*, size: int, most: int, checked_out: int, overflow: int) -> None:
    _pool.labels("size").set(size)
    _pool.labels("most").set(most)
    _pool.labels("checked_out").set(checked_out)
    _pool.labels("overflow").set(overflow)


def set_queues(*, jobs: int, oldest_seconds: float) -> None:
    _queue_depth.labels("jobs").set(jobs)
    _queue_oldest.set(oldest_seconds)


def set_messages_waiting(count: int) -> None:
    _queue_depth.labels("messages").set(count)


def set_firing(alerts: Iterable[tuple[str, str]]) -> None:
    """(rule, severity) of each that fires."""
    _firing.clear()
    for rule, severity in alerts:
        _firing.labels(rule, severity).inc()


def set_budgets(spending: Sequence[tuple[str, float, float, float | None]]) -> None:
    """(developer, spent, held, limit) in dollars, who spent most first. Without a limit there is no figure of it."""
    _budgets.clear()
    for place, (name, spent, held, limit) in enumerate(spending):
        shown = name if place < MOST_DEVELOPERS else OTHER
        for kind, value in (("spent", spent), ("held", held), ("limit", limit)):
            if value is not None:
                _budgets.labels(shown, kind).inc(value)


def set_cache(name: str, tiers: Mapping[str, Mapping[str, int]]) -> None:
    """The figures of each tier by their kind; memory is asked first, so its look-ups are the cache's."""
    for tier, figures in tiers.items():
        _cache_lookups.labels(name, tier, "hit").set(figures["hits"])
        _cache_lookups.labels(name, tier, "miss").set(figures["misses"])
        for kind in figures.keys() & {"evictions", "errors", "skipped"}:
            _cache_troubles.labels(name, tier, kind).set(figures[kind])
    memory = tiers["memory"]
    asked = memory["hits"] + memory["misses"]
    _hit_ratio.labels(name).set(sum(figures["hits"] for figures in tiers.values()) / asked if asked else 0.0)
    _cache_bytes.labels(name).set(memory["bytes"])
    _cache_entries.labels(name).set(memory["entries"])


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
    _queue_depth.labels("index").set(pending)


def set_points(*, points: int, unindexed: int) -> None:
    _points.labels("all").set(points)
    _points.labels("unindexed").set(unindexed)


def set_dependencies(states: Mapping[str, str]) -> None:
    for name, state in states.items():
        _up.labels(name).set(_UP[state])


def set_aside(part: str) -> None:
    _set_aside.labels(part).inc()


def page() -> bytes:
    """Everything, as Prometheus reads it."""
    return generate_latest(REGISTRY)
