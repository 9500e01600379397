"""Synthetic knowledge for the measurements: invented engineering sentences, varied enough that no two embed alike."""

from __future__ import annotations

import random
from collections.abc import Iterator

SUBJECTS = [
    "the payment worker", "the login page", "our CI pipeline", "the search index", "the nightly export", "the mobile client",
    "the rate limiter", "the invoice service", "the feature flags", "the audit log", "the thumbnailer", "the webhook sender",
    "the session store", "the billing cron", "the GraphQL gateway", "the migration runner",
]  # fmt: skip
SYMPTOMS = [
    "timed out under load", "returned stale rows", "leaked file handles", "retried for ever", "lost its connection",
    "rounded amounts wrongly", "ran twice", "dropped the last page", "blocked the event loop", "ignored the time zone",
]  # fmt: skip
CAUSES = [
    "the pool had only {n} connections", "the cache key left out {name}", "`{name}` was read before it was set",
    "the index on {name} was missing", "a transaction stayed open across the call to {name}", "the limit of {n} was counted per process",
    "the proxy closed idle sockets after {n} seconds", "{name} compared strings instead of dates",
]  # fmt: skip
FIXES = [
    "raise the pool to {n}", "add {name} to the key", "set `{name}` in config/{name}.toml", "create the index concurrently",
    "commit before calling {name}", "share the counter in Redis", "send keep-alives every {n} seconds", "parse with {name} first",
]  # fmt: skip


def lessons(count: int, *, seed: int = 1) -> Iterator[tuple[str, str]]:
    """`count` pairs of a title and a text, the same for the same seed."""
    chosen = random.Random(seed)
    for number in range(count):
        name = f"{chosen.choice(['user', 'order', 'tenant', 'batch', 'token', 'retry'])}_{chosen.choice(['id', 'ttl', 'window', 'scope'])}_{number}"
        subject, symptom = chosen.choice(SUBJECTS), chosen.choice(SYMPTOMS)
        cause = chosen.choice(CAUSES).format(n=chosen.randint(2, 900), name=name)
        fix = chosen.choice(FIXES).format(n=chosen.randint(2, 900), name=name)
        title = f"{subject.capitalize()} {symptom}"
        yield title, f"{title} because {cause}. Fix: {fix}."


def questions(count: int, *, seed: int = 2) -> list[str]:
    """Questions about such lessons, all different: no cache answers them."""
    chosen = random.Random(seed)
    return [f"why had {chosen.choice(SUBJECTS)} {chosen.choice(SYMPTOMS)}, case {number}?" for number in range(count)]
