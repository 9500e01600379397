"""Every measure, declared once: name, help, kind, labels, unit, and whether it is rolled up. Reads top to bottom by what is measured.

From here come Prometheus's metrics (`metrics.py` raises and sets them), the series of the roll-ups (app/alerts/series.py), and what
metrics.md and rollups.md in docs/reference say, which a test compares. Names and labels are an interface: dashboards and rules read them.
"""

from __future__ import annotations

from app.telemetry.registry import Key, Measures, RollUp
from app.telemetry.route_classes import class_of

MEASURES = Measures()
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds. 15 ms is the promise for a query, so it has an edge of its own."""
LONG_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
_counter, _gauge, _fast_counter, _timing, _series = (
    MEASURES.counter,
    MEASURES.gauge,
    MEASURES.fast_counter,
    MEASURES.timing,
    MEASURES.series,
)


# HTTP

requests = _fast_counter(
    "cairn_http_requests", "HTTP requests answered.", "method", "route", "status",
    roll_up=RollUp("http.requests", "requests", ("class", "status"), lambda key: (class_of(key[1]), key[2])),
)  # fmt: skip
request_seconds = _timing(
    "cairn_http_request_seconds", "Duration of HTTP requests, from the request's first byte to the answer's last.", "method", "route",
    buckets=BUCKETS, roll_up=RollUp("http.seconds", "seconds", ("class",), lambda key: (class_of(key[1]),)),
)  # fmt: skip
connections = _gauge("cairn_connections", "Open connections, by kind: keyed (a valid key was shown on them), unkeyed.", "kind")
connections_cut = _counter(
    "cairn_connections_cut",
    "Connections closed or refused by the server, by reason: head_slow, body_slow, answer_unread, too_many, too_many_of_address.",
    "reason",
)
rate_limited = _counter(
    "cairn_rate_limited", "Requests refused with 429 by a key's own limits, by limit: requests, model_requests, model_tokens.", "limit"
)


# Calls of models. OpenTelemetry's names, as Prometheus spells them: the operation is chat or embeddings, the model the configured one.

_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


def _own_answers(key: Key) -> Key | None:
    """Keep what a provider answered itself, by provider, of chat only: an answer from a cache says nothing about it."""
    operation, provider, _model, *cache = key
    return (provider,) if operation == "chat" and cache in ([], ["miss"]) else None


server_seconds = _timing(
    "gen_ai_server_request_duration_seconds",
    "Duration of model calls, from the request to the answer's last token; cache: the tier that answered, or miss.",
    *_GEN_AI, "cache",
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    roll_up=RollUp("inference.whole", "seconds", ("provider",), _own_answers, "Duration of a provider's answer, to its last token."),
)  # fmt: skip
first_token_seconds = _timing(
    "gen_ai_server_time_to_first_token_seconds", "Time from a streamed request to the stream's first token.", *_GEN_AI,
    buckets=(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    roll_up=RollUp("inference.first_token", "seconds", ("provider",), _own_answers),
)  # fmt: skip
per_token_seconds = _timing(
    "gen_ai_server_time_per_output_token_seconds", "Time per output token of a stream after its first, averaged over the stream.", *_GEN_AI,
    buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
    roll_up=RollUp("inference.per_token", "seconds", ("provider",), _own_answers),
)  # fmt: skip
token_usage = _timing(
    "gen_ai_client_token_usage", "Tokens charged for a model call, by type: input, output.", *_GEN_AI, "gen_ai_token_type",
    buckets=tuple(4.0**power for power in range(14)),
    roll_up=RollUp("inference.tokens", "tokens", ("provider", "type"), lambda key: (key[1], key[3]), summed=True),
)  # fmt: skip
answer_seconds = _timing(
    "cairn_ai_response_seconds", "Time to a provider's answer: to its end, or to the first token where it is streamed.", "provider",
    buckets=BUCKETS, roll_up=RollUp("inference.seconds", "seconds"),
)  # fmt: skip
attempts = _fast_counter(
    "cairn_provider_attempts", "Calls to model providers, by outcome: ok, or the kind of failure.", "provider", "outcome",
    roll_up=RollUp("inference.attempts", "calls"),
)  # fmt: skip
disputes = _fast_counter(
    "cairn_provider_disputes",
    "Answers that can't be true and were charged at the reserved amount, by kind: output (longer than allowed), usage (too many tokens).",
    "provider", "kind", roll_up=RollUp("inference.disputes", "answers"),
)  # fmt: skip
charged = _fast_counter(
    "cairn_charged_nanousd", "Charges for model calls, in nano-dollars.", "provider", roll_up=RollUp("inference.nanousd", "nano-dollars")
)
saved = _fast_counter(
    "cairn_saved_nanousd", "Original cost of answers served from caches, in nano-dollars.",
    roll_up=RollUp("inference.saved_nanousd", "nano-dollars"),
)  # fmt: skip
stream_rescues = _counter(
    "cairn_stream_rescues",
    "Streams that broke before their end, by what the client got: continued, restarted, different (another text), failed (an error).",
    "outcome",
)
breaker_changes = _fast_counter(
    "cairn_breaker_changes", "State changes of providers' circuit breakers, by new state: open, half-open, closed.", "provider", "state",
    roll_up=RollUp("breaker.changes", "changes"),
)  # fmt: skip
breaker_open = _gauge(
    "cairn_breaker_open", "State of a provider's circuit breaker: 1 open, 0.5 half-open, 0 closed.", "provider",
    roll_up=RollUp("breaker.open", "state"),
)  # fmt: skip


# Money

holds = _fast_counter(
    "cairn_budget_holds", "Holds requested before a model call, by outcome: granted, refused (the budget is spent), failed.", "outcome",
    roll_up=RollUp("budget.holds", "holds"),
)  # fmt: skip
budget_alerts = _counter(
    "cairn_budget_alerts",
    "Alerts about budgets raised by this process, by subject (developer, team) and rule (the alert's name, such as 50%).",
    "subject",
    "rule",
)
budget_usd = _gauge(
    "cairn_budget_usd",
    "Budgets of this month in US dollars: spent, held, limit. The 50 developers who spent most; the others together as `other`.",
    "developer",
    "kind",
)


# Knowledge and sessions

queries = _fast_counter(
    "cairn_queries", "Knowledge queries, by outcome: answered, empty, degraded (a part was unavailable).", "outcome",
    roll_up=RollUp("search.queries", "queries"),
)  # fmt: skip
search_seconds = _timing(
    "cairn_knowledge_search_seconds", "Duration of knowledge queries.", buckets=BUCKETS, roll_up=RollUp("search.seconds", "seconds")
)
query_results = _counter("cairn_query_results", "Results returned to knowledge queries.")
contexts = _counter("cairn_contexts", "Session contexts returned, by outcome: filled, empty.", "outcome")
context_tokens = _counter("cairn_context_tokens", "Tokens of the session contexts returned.")
tool_calls = _counter("cairn_mcp_calls", "Calls of MCP tools, by tool and outcome: answered, refused, failed.", "tool", "outcome")
live_events = _counter("cairn_live_events", "Session events received live, by outcome: accepted, duplicate.", "outcome")
hooks = _counter("cairn_hooks", "IDEs' hooks received, by IDE and event; events that Cairn doesn't know: other.", "ide", "event")
hook_prompts = _counter(
    "cairn_hook_prompts",
    "Prompts received by hooks, by result: given (knowledge was added), nothing_relevant, nothing_asked, failed (the search failed "
    "or was too slow).",
    "outcome",
)
policy_violations = _fast_counter(
    "cairn_policy_violations",
    "Violations of policies, each once over all servers, by policy: a shipped one's id, or own (a project's own).",
    "policy",
    roll_up=RollUp("policies.broken", "violations"),
)
policy_alerts = _counter(
    "cairn_policy_alerts", "Alerts about broken policies raised by this process, by policy: a shipped one's id, or own (a project's own).",
    "policy",
)  # fmt: skip
open_trouble = _gauge(
    "cairn_open_trouble",
    "Trouble that sessions of the last hour are in, by kind and name: health (off_track, stuck, blocked), loop (which of them).",
    "kind",
    "name",
)
hook_nudges = _counter(
    "cairn_hook_nudges", "Findings that sessions were told of by hooks, by kind: loop, policy (a rule was broken).", "kind"
)
unknown_records = _counter(
    "cairn_transcript_unknown_records",
    "Records of transcripts read by this process whose kind this version doesn't know, by format and kind: the agent's format has changed.",
    "format",
    "type",
)
redactions = _counter("cairn_redactions", "Secrets redacted by this process, by kind of secret.", "kind")
projection_sessions = _gauge(
    "cairn_projection_sessions",
    "Sessions that a projection has yet to process (behind) or failed on (parked: `cairn doctor` lists them).",
    "projection",
    "state",
)
projection_failures = _counter("cairn_projection_failures", "Failed attempts of a projection at a session, in this process.", "projection")
distillation_calls = _counter(
    "cairn_distillation_calls",
    "Calls of a model that distil sessions, by outcome: answered, unreadable (its reply was no JSON with items), refused.",
    "outcome",
)
distilled_items = _counter(
    "cairn_distilled_items",
    "Items that models distilled, by outcome: kept, or the reason why one was dropped: malformed, type, unfit (not a statement), citation "
    "(a quote isn't in the session), contradicted (by a person), guess (the session only guessed), words, names, unfaithful (it says what "
    "its quotes don't), surplus.",
    "outcome",
)
knowledge_items = _gauge("cairn_knowledge_items", "Knowledge items stored.")
index_pending = _gauge("cairn_index_pending", "Changes not yet applied to the vector index.", roll_up=RollUp("index.pending", "changes"))
vector_points = _gauge("cairn_vector_points", "Points in the vector index: all, or unindexed (not yet in its HNSW graph).", "kind")


# Embeddings

embedding_seconds = _timing(
    "cairn_embedding_seconds", "Duration of one run of the local embedding model.", buckets=BUCKETS,
    roll_up=RollUp("embedding.seconds", "seconds"),
)  # fmt: skip
embedded_texts = _fast_counter("cairn_embedded_texts", "Texts embedded by the local model.", roll_up=RollUp("embedding.texts", "texts"))
embedding_cache = _fast_counter(
    "cairn_embedding_cache",
    "Lookups in the cache of embeddings, by outcome: hit, miss, evicted (no longer cached, though looked up within the last hour).",
    "outcome",
    roll_up=RollUp(
        "cache.asked_again", "entries", ("cache",), lambda key: ("embeddings",) if key == ("evicted",) else None,
        "Lookups of entries that had been looked up within the last hour and were evicted since: embeddings only.",
    ),
)  # fmt: skip


# PostgreSQL

database_seconds = _timing(
    "cairn_database_statement_seconds", (
        "Duration of SQL statements, by connection: house (the shared pool), ledger (the ledger's own)."
    ), "by",
    buckets=BUCKETS, roll_up=RollUp("database.seconds", "seconds"),
)  # fmt: skip
database_wait = _timing(
    "cairn_database_wait_seconds", "Time waited for a connection of the shared pool.", buckets=BUCKETS,
    roll_up=RollUp("database.wait", "seconds"),
)  # fmt: skip
database_pool = _gauge(
    "cairn_database_pool",
    "Connections of the shared pool: size, most (the upper limit), checked_out (in use), overflow (above size).",
    "kind",
)
_series("pool.used", "level", "Connections of the shared pool in use, as a share of its upper limit.", unit="share")
database_reads = _counter(
    "cairn_database_reads", "Reads that may be slightly stale, by target: primary, or a replica. Only counted with replicas.", "target"
)
replica_up = _gauge("cairn_replica_up", "State of a read replica: 1 in use, 0 not used (it fails or lags).", "replica")
replica_lag_seconds = _gauge("cairn_replica_lag_seconds", "Replication lag in seconds, at the last probe.", "replica")
replica_lag_bytes = _gauge("cairn_replica_lag_bytes", "Replication lag in bytes of write-ahead log, at the last probe.", "replica")


# Caches

cache_saved_usd = _counter("cairn_cache_saved_usd", "Original cost of answers served from a cache, in US dollars.", "cache", "tier")
cache_saved_seconds = _counter(
    "cairn_cache_saved_seconds",
    "Seconds saved by a cache: the original duration of its answers, less the time to serve them.",
    "cache",
    "tier",
)
cache_hit_ratio = _gauge("cairn_cache_hit_ratio", "Share of a cache's lookups that any tier answered, since this process started.", "cache")
cache_lookups = _gauge("cairn_cache_lookups", "Lookups in a tier since this process started: hit, miss.", "cache", "tier", "outcome")
cache_bytes = _gauge(
    "cairn_cache_bytes", "Memory that a cache uses in this process, in bytes.", "cache", roll_up=RollUp("cache.bytes", "bytes")
)
cache_entries = _gauge(
    "cairn_cache_entries", "Entries that a cache holds in this process's memory.", "cache", roll_up=RollUp("cache.entries", "entries")
)
cache_troubles = _gauge(
    "cairn_cache_troubles",
    "Problems of a tier since this process started: evictions, errors, skipped (not used while unavailable).",
    "cache",
    "tier",
    "kind",
)
_series("cache.hits", "counter", "Lookups that a tier answered.", "cache", "tier", unit="look-ups")
_series("cache.misses", "counter", "Lookups that a tier could not answer.", "cache", "tier", unit="look-ups")
_series("cache.lookups", "counter", "Lookups in a cache, whichever tier answers.", "cache", unit="look-ups")
_series("cache.evictions", "counter", "Entries evicted from memory before they expired.", "cache", unit="entries")


# Jobs and messages

jobs = _gauge("cairn_jobs", "Jobs, by state: queued, running, done, failed.", "state")
job_seconds = _timing(
    "cairn_job_seconds",
    "Duration of attempts at jobs, in this process.",
    "kind",
    buckets=LONG_BUCKETS,
    roll_up=RollUp("queue.seconds", "seconds"),
)
job_attempts = _fast_counter(
    "cairn_job_attempts", "Attempts at jobs that ended in this process, by outcome: done, failed.", "kind", "outcome",
    roll_up=RollUp("queue.done", "jobs"),
)  # fmt: skip
queue_depth = _gauge(
    "cairn_queue_depth", "Waiting work, by queue: jobs (ready to run), messages (unacknowledged), index (changes not yet applied).", "queue"
)
queue_oldest = _gauge(
    "cairn_queue_oldest_seconds", "Age of the oldest job that is ready to run, in seconds.", roll_up=RollUp("queue.oldest", "seconds")
)
_series("queue.waiting", "level", "Jobs ready to run that no worker has taken.", unit="jobs")
_series("queue.running", "level", "Jobs being run.", unit="jobs")
messages = _counter(
    "cairn_messages",
    "Messages between agents, by outcome: published, delivered, acknowledged, dead (given up after too many deliveries).",
    "outcome",
)
_series("messages.waiting", "level", "Messages between agents not yet acknowledged.", unit="messages")


# Processes and machines

loop_lag = _timing(
    "cairn_event_loop_lag_seconds", "Event loop lag: delay of a process's event loop, in seconds.", "role", buckets=BUCKETS,
    roll_up=RollUp("loop.lag", "seconds"),
)  # fmt: skip
_series("process.cpu", "level", "CPU that a process uses, in cores.", "role", unit="cores")
_series("process.memory", "level", "Resident memory of a process.", "role", unit="bytes")
_series("machine.cpu", "level", "CPU in use, as a share of what the container or the machine has.", unit="share")
_series("machine.memory", "level", "Memory in use, as a share of what the container or the machine has.", unit="share")
_series("disk.used", "level", "Disk in use, as a share of the disk that holds the data folder.", unit="share")
loop_restarts = _counter(
    "cairn_loop_restarts", "Rounds of a background loop that failed and were repeated, since this server started.", "loop"
)
loop_up = _gauge("cairn_loop_up", "State of a background loop: 1 running, 0 its last round failed and is repeated.", "loop")
up = _gauge("cairn_up", "State of a dependency: 1 ok, 0.5 degraded, 0 down.", "dependency")
set_aside = _counter("cairn_set_aside", "Damaged parts that were set aside to be rebuilt, by part: vectors, embeddings, files.", "part")
alerts_firing = _gauge(
    "cairn_alerts_firing", "Alerts about series that are firing, over all servers, by rule and severity.", "rule", "severity"
)
alert_changes = _fast_counter(
    "cairn_alert_changes",
    "Alerts about series that began to fire or were resolved, as evaluated by this process, by rule and state.",
    "rule",
    "state",
)
