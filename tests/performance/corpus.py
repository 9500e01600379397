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


TECHNOLOGIES = [
    "Redis", "Kafka", "NATS", "PostgreSQL", "Kubernetes", "Terraform", "React", "Svelte", "Django", "FastAPI", "gRPC", "Protobuf", "Nginx",
    "Envoy", "S3", "Elasticsearch", "Celery", "Docker", "systemd", "SQLAlchemy", "Webpack", "Vite", "Go modules", "Cargo", "Gradle", "OAuth",
    "SAML", "Prometheus", "Grafana", "OpenTelemetry", "Playwright", "pytest", "Jest", "TypeScript", "Rust's borrow checker", "asyncio",
    "WebSockets", "CORS", "DNS", "TLS", "IPv6", "cron", "bash", "git", "GitHub Actions", "Android", "iOS", "SQLite", "ClickHouse", "Airflow",
]  # fmt: skip
CIRCUMSTANCES = [
    "after the upgrade to version {n}", "on the staging cluster", "while two deploys overlapped", "when the clock went back an hour",
    "for customers with more than {n} users", "only on ARM machines", "behind the company proxy", "in the first minute after a restart",
    "with a cold cache", "during the nightly backup", "when a field was empty", "for names with accents", "on Windows paths",
    "once the disk was {n} % full", "inside a container without a shell", "for requests larger than {n} kB", "in the demo environment",
    "since the refactoring of {name}", "on every {n}th call", "when the network dropped packets",
]  # fmt: skip
LESSONS = [
    "Look at {name} in the logs first", "The tests didn't see it because they mock {name}", "We now alert when it passes {n}",
    "Rolling back made it worse", "A retry hides it for a while", "The documentation of {name} is wrong about this",
    "Reviewed with the platform team", "It had been so since the first commit", "The fix is behind the flag {name}",
    "Measured {n} ms before and {n} ms less after",
]  # fmt: skip


def varied_lessons(count: int, *, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Longer ones, of 16 million combinations: what fills an index that is measured."""
    chosen = random.Random(seed)
    for title, body in lessons(count, seed=seed):
        technology, name = chosen.choice(TECHNOLOGIES), f"{chosen.choice(['user', 'order', 'tenant', 'batch'])}_{chosen.randint(1, 999)}"
        when, moral = (chosen.choice(each).format(n=chosen.randint(2, 900), name=name) for each in (CIRCUMSTANCES, LESSONS))
        yield f"{title} with {technology} {when}", f"{body.removesuffix('.')}, {when}, as {technology} does it. {moral}."


def varied_questions(count: int, *, seed: int = 2) -> list[str]:
    """Questions about those, all different."""
    chosen = random.Random(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        when = chosen.choice(CIRCUMSTANCES).format(n=chosen.randint(2, 900), name="it")
        made[f"why has {chosen.choice(SUBJECTS)} {chosen.choice(SYMPTOMS)} with {chosen.choice(TECHNOLOGIES)} {when}?"] = None
    return list(made)
