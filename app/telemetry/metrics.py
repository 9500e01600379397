"""Raise and set what is measured: a function for each thing that happens. What there is, measures.py declares.

Counters are raised where the thing happens; gauges are set when somebody looks. Each process has its own: what workers did is read
from PostgreSQL (jobs, knowledge, index), not from their memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import generate_latest

from app.telemetry import measures
from app.telemetry.registry import OTHER

REGISTRY = measures.MEASURES.registry
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_DEVELOPERS = 50
MAX_UNKNOWN_TYPES = 100
"""Kinds of unknown records shown by name: they come from transcripts, so what comes after them is counted as OTHER."""
JOB_STATES = ("queued", "running", "done", "failed")
_unknown_types: set[tuple[str, str]] = set()
_UP = {"ok": 1.0, "degraded": 0.5, "down": 0.0}


def request_answered(*, method: str, route: str, status: int, seconds: float) -> None:
    measures.requests.add((method, route, str(status)))
    measures.request_seconds.observe(seconds, (method, route))


def connection_cut(reason: str) -> None:
    measures.connections_cut.labels(reason).inc()


def set_connections(*, keyed: int, unkeyed: int) -> None:
    measures.connections.labels("keyed").set(keyed)
    measures.connections.labels("unkeyed").set(unkeyed)


def live_events(*, accepted: int, duplicates: int) -> None:
    measures.live_events.labels("accepted").inc(accepted)
    measures.live_events.labels("duplicate").inc(duplicates)


def unknown_records(format: str, kinds: Mapping[str, int]) -> None:  # noqa: A002 - the contract's word
    """Count records whose kind no parser knows, by kind, as a parse report names them."""
    for kind, count in kinds.items():
        if (format, kind) not in _unknown_types and len(_unknown_types) < MAX_UNKNOWN_TYPES:
            _unknown_types.add((format, kind))
        measures.unknown_records.labels(format, kind if (format, kind) in _unknown_types else OTHER).inc(count)


def redacted(kinds: Mapping[str, int]) -> None:
    for kind, count in kinds.items():
        measures.redactions.labels(kind).inc(count)


def hook_received(ide: str, event: str) -> None:
    """Count a hook. `event`: of those that Cairn knows, so that the label stays bounded; else `other`."""
    measures.hooks.labels(ide, event).inc()


def hook_prompt(outcome: str) -> None:
    measures.hook_prompts.labels(outcome).inc()


def nudged(kind: str) -> None:
    """Count a finding that a session was told of. `kind`: one of the few that there are."""
    measures.hook_nudges.labels(kind).inc()


def policy_broken(policy: str) -> None:
    """Count a violation. `policy`: a shipped one's id, or `own`."""
    measures.policy_violations.add((policy,))


def policy_alert(policy: str) -> None:
    measures.policy_alerts.labels(policy).inc()


def set_trouble(found: Mapping[tuple[str, str], int]) -> None:
    """Set the trouble that sessions are in, by kind and name."""
    measures.open_trouble.clear()
    for (kind, name), count in found.items():
        measures.open_trouble.labels(kind, name).set(count)


def query_answered(*, results: int, degraded: bool, seconds: float) -> None:
    measures.queries.add(("degraded" if degraded else "answered" if results else "empty",))
    measures.search_seconds.observe(seconds)
    measures.query_results.inc(results)


def context_served(*, entries: int, tokens: int) -> None:
    measures.contexts.labels("filled" if entries else "empty").inc()
    measures.context_tokens.inc(tokens)


def tool_called(tool: str, outcome: str) -> None:
    measures.tool_calls.labels(tool, outcome).inc()


def budget_alert(subject: str, rule: str) -> None:
    """Count an alert of a budget. Those that name a day or a hold are one label value each."""
    measures.budget_alerts.labels(subject, rule.split("-", 1)[0] if rule.startswith(("day-", "overrun-", "disputed-")) else rule).inc()


def hold_asked(outcome: str) -> None:
    measures.holds.add((outcome,))


def provider_attempted(provider: str, outcome: str) -> None:
    measures.attempts.add((provider, outcome))


def provider_disputed(provider: str, kind: str) -> None:
    measures.disputes.add((provider, kind))


def alert_changed(rule: str, state: str) -> None:
    measures.alert_changes.add((rule, state))


def breaker_changed(provider: str, state: str) -> None:
    measures.breaker_changes.add((provider, state))


def embedded(*, texts: int, seconds: float) -> None:
    measures.embedding_seconds.observe(seconds)
    measures.embedded_texts.add((), texts)


def looked_up(*, hits: int, misses: int, evicted: int) -> None:
    """Count lookups of embeddings, each once. `evicted`: of texts not cached any more, though looked up within the last hour."""
    for outcome, count in (("hit", hits), ("miss", misses), ("evicted", evicted)):
        if count:
            measures.embedding_cache.add((outcome,), count)


def job_ended(kind: str, outcome: str, seconds: float) -> None:
    measures.job_attempts.add((kind, outcome))
    measures.job_seconds.observe(seconds, (kind,))


def tokens_charged(operation: str, provider: str, model: str, *, given: int, produced: int, nanousd: int) -> None:
    """Record the tokens and the charge of one call. `given` includes tokens that the provider had cached, as OpenTelemetry counts them."""
    measures.token_usage.observe(given, (operation, provider, model, "input"))
    if operation == "chat":
        measures.token_usage.observe(produced, (operation, provider, model, "output"))
    measures.charged.add((provider,), nanousd)


def first_token(provider: str, model: str, seconds: float) -> None:
    measures.first_token_seconds.observe(seconds, ("chat", provider, model))
    measures.answer_seconds.observe(seconds, (provider,))


def answered(operation: str, provider: str, model: str, *, cache: str, seconds: float) -> None:
    """Record a request that was answered to its end."""
    measures.server_seconds.observe(seconds, (operation, provider, model, cache))


def stream_rescued(outcome: str) -> None:
    measures.stream_rescues.labels(outcome).inc()


def cache_saved(cache: str, tier: str, *, usd: float, seconds: float) -> None:
    measures.cache_saved_usd.labels(cache, tier).inc(usd)
    measures.cache_saved_seconds.labels(cache, tier).inc(seconds)


def rate_limited(limit: str) -> None:
    measures.rate_limited.labels(limit).inc()


def messages(outcome: str, count: int) -> None:
    measures.messages.labels(outcome).inc(count)


def set_breaker(provider: str, state: str) -> None:
    measures.breaker_open.labels(provider).set({"open": 1.0, "half-open": 0.5}.get(state, 0.0))


def set_jobs(counts: Mapping[str, int]) -> None:
    for state in JOB_STATES:
        measures.jobs.labels(state).set(counts.get(state, 0))


def set_projection(name: str, *, behind: int, parked: int) -> None:
    measures.projection_sessions.labels(name, "behind").set(behind)
    measures.projection_sessions.labels(name, "parked").set(parked)


def projection_parked(name: str) -> None:
    measures.projection_failures.labels(name).inc()


def distillation_call(outcome: str) -> None:
    measures.distillation_calls.labels(outcome).inc()


def distilled(counts: Mapping[str, int]) -> None:
    for outcome, count in counts.items():
        measures.distilled_items.labels(outcome).inc(count)


def set_pool(*, size: int, limit: int, checked_out: int, overflow: int) -> None:
    measures.database_pool.labels("size").set(size)
    measures.database_pool.labels("most").set(limit)
    measures.database_pool.labels("checked_out").set(checked_out)
    measures.database_pool.labels("overflow").set(overflow)


def set_queues(*, jobs: int, oldest_seconds: float) -> None:
    measures.queue_depth.labels("jobs").set(jobs)
    measures.queue_oldest.set(oldest_seconds)


def set_messages_waiting(count: int) -> None:
    measures.queue_depth.labels("messages").set(count)


def set_firing(alerts: Iterable[tuple[str, str]]) -> None:
    """Set the firing alerts, each as (rule, severity)."""
    measures.alerts_firing.clear()
    for rule, severity in alerts:
        measures.alerts_firing.labels(rule, severity).inc()


def set_budgets(spending: Sequence[tuple[str, float, float, float | None]]) -> None:
    """Set the budgets of (developer, spent, held, limit) in dollars, who spent most first. A limit of None: no figure of it."""
    measures.budget_usd.clear()
    for place, (name, spent, held, limit) in enumerate(spending):
        shown = name if place < MAX_DEVELOPERS else OTHER
        for kind, value in (("spent", spent), ("held", held), ("limit", limit)):
            if value is not None:
                measures.budget_usd.labels(shown, kind).inc(value)


def set_cache(name: str, tiers: Mapping[str, Mapping[str, int]]) -> None:
    """Set a cache's figures, by tier and kind. Memory is asked first, so its lookups are the cache's."""
    for tier, figures in tiers.items():
        measures.cache_lookups.labels(name, tier, "hit").set(figures["hits"])
        measures.cache_lookups.labels(name, tier, "miss").set(figures["misses"])
        for kind in figures.keys() & {"evictions", "errors", "skipped"}:
            measures.cache_troubles.labels(name, tier, kind).set(figures[kind])
    memory = tiers["memory"]
    asked = memory["hits"] + memory["misses"]
    measures.cache_hit_ratio.labels(name).set(sum(figures["hits"] for figures in tiers.values()) / asked if asked else 0.0)
    measures.cache_bytes.labels(name).set(memory["bytes"])
    measures.cache_entries.labels(name).set(memory["entries"])


def read(target: str) -> None:
    measures.database_reads.labels(target).inc()


def set_replica(replica: str, *, usable: bool, lag: tuple[float, int] | None) -> None:
    """Set a replica's state. `lag`: seconds and bytes; None: never probed. One that is unreachable keeps its last."""
    measures.replica_up.labels(replica).set(float(usable))
    if lag is not None:
        measures.replica_lag_seconds.labels(replica).set(lag[0])
        measures.replica_lag_bytes.labels(replica).set(lag[1])


def set_knowledge(*, items: int, pending: int) -> None:
    measures.knowledge_items.set(items)
    measures.index_pending.set(pending)
    measures.queue_depth.labels("index").set(pending)


def set_points(*, points: int, unindexed: int) -> None:
    measures.vector_points.labels("all").set(points)
    measures.vector_points.labels("unindexed").set(unindexed)


def set_dependencies(states: Mapping[str, str]) -> None:
    for name, state in states.items():
        measures.up.labels(name).set(_UP[state])


def set_aside(part: str) -> None:
    measures.set_aside.labels(part).inc()


def page() -> bytes:
    """Write every metric as Prometheus reads it."""
    return generate_latest(REGISTRY)
