"""Every series of the roll-ups by name: its kind, its labels, its unit. docs/rollups.md is checked against this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timing", "counter", "level"]
"""A distribution: percentiles, count, sum. Something that is added up: sum. Something that stands: last, its mean, max."""


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    what: str


def _named(*every: Series) -> dict[str, Series]:
    return {each.name: each for each in every}


SERIES = _named(
    Series("http.seconds", "timing", ("class",), "seconds", "a request, from its first byte to the answer's last"),
    Series("http.requests", "counter", ("class", "status"), "requests", "answered requests"),
    Series(
        "inference.seconds",
        "timing",
        ("provider",),
        "seconds",
        "until a provider's whole answer, or its stream's first token",
    ),
    Series("inference.whole", "timing", ("provider",), "seconds", "a provider's answer to its last token"),
    Series("inference.first_token", "timing", ("provider",), "seconds", "a stream's first token"),
    Series("inference.per_token", "timing", ("provider",), "seconds", "each token of a stream after the first, on average of that stream"),
    Series("inference.attempts", "counter", ("provider", "outcome"), "calls", "calls of providers: ok, or the kind of fault"),
    Series("inference.disputes", "counter", ("provider", "kind"), "answers", "answers too long, or with a usage too high, to be true"),
    Series("inference.tokens", "counter", ("provider", "type"), "tokens", "tokens that were charged: input, output"),
    Series("inference.nanousd", "counter", ("provider",), "nano-dollars", "what was charged"),
    Series("inference.saved_nanousd", "counter", (), "nano-dollars", "what answers from the cache would have cost"),
    Series("search.seconds", "timing", (), "seconds", "a knowledge query"),
    Series("search.queries", "counter", ("outcome",), "queries", "knowledge queries: answered, empty, degraded"),
    Series("embedding.seconds", "timing", (), "seconds", "one run of the local model"),
    Series("embedding.texts", "counter", (), "texts", "texts that were really embedded"),
    Series("database.seconds", "timing", ("by",), "seconds", "a statement: of the shared pool, or of the ledger's own connections"),
    Series("database.wait", "timing", (), "seconds", "for a connection of the pool"),
    Series("cache.hits", "counter", ("cache", "tier"), "look-ups", "found"),
    Series("cache.misses", "counter", ("cache", "tier"), "look-ups", "not found in this tier"),
    Series("cache.lookups", "counter", ("cache",), "look-ups", "questions to a cache, whichever tier answers them"),
    Series("cache.evictions", "counter", ("cache",), "entries", "pushed out of memory before their time"),
    Series("cache.asked_again", "counter", ("cache",), "entries", "missed, though they were there within the hour: embeddings only"),
    Series("cache.bytes", "level", ("cache",), "bytes", "in memory"),
    Series("cache.entries", "level", ("cache",), "entries", "in memory"),
    Series("breaker.open", "level", ("provider",), "state", "1 open, 0.5 half-open, 0 closed"),
    Series("breaker.changes", "counter", ("provider", "state"), "changes", "breakers that became open, half-open, closed"),
    Series("queue.waiting", "level", (), "jobs", "jobs that may run now and wait for a worker"),
    Series("queue.running", "level", (), "jobs", "jobs under way"),
    Series("queue.oldest", "level", (), "seconds", "how long the oldest of those that wait has waited"),
    Series("queue.done", "counter", ("kind", "outcome"), "jobs", "attempts at jobs that ended: done, failed"),
    Series("queue.seconds", "timing", ("kind",), "seconds", "an attempt at a job"),
    Series("messages.waiting", "level", (), "messages", "messages between agents that were not yet acknowledged"),
    Series("index.pending", "level", (), "changes", "changes that the vector index has yet to hear of"),
    Series("pool.used", "level", (), "share", "connections in use of those that a process may open: its fullest moment"),
    Series("loop.lag", "timing", ("role",), "seconds", "how late the event loop comes to what is due"),
    Series("process.cpu", "level", ("role",), "cores", "what a process uses"),
    Series("process.memory", "level", ("role",), "bytes", "resident memory of a process"),
    Series("machine.cpu", "level", (), "share", "of the CPU that the container, or the machine, has"),
    Series("machine.memory", "level", (), "share", "of the memory that the container, or the machine, has"),
    Series("disk.used", "level", (), "share", "of the disk that holds the data folder"),
    Series("budget.holds", "counter", ("outcome",), "holds", "holds asked for: granted, refused, failed"),
)
