"""Whether it was good enough, and for a stress test where it broke and on what. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.performance.load.record import Record, Summary, summary
from tests.performance.load.watch import Look

MAX_P95_MS = 2000.0
GROWTH_SHARE, GROWTH_MB = 0.15, 60.0
"""Memory grows when its median of the last quarter is above that of the second by more than both: caches fill in the first."""
MIN_LOOKS = 40
NEARLY = 0.95
"""Of the best throughput: who reaches that with fewer users had reached the limit."""
BUSY_CORES = 0.9


def failures(routes: Sequence[Summary], looks: Sequence[Look]) -> list[str]:
    """Why the exit status is 1, in words; empty when it was good."""
    found = [f"{each.route}: p95 is {each.p95:,.0f} ms, above {MAX_P95_MS:,.0f}" for each in routes if each.p95 > MAX_P95_MS]
    if failed := sum(each.failed for each in routes if each.route != "all"):
        found.append(f"{failed} requests failed")
    if any(look.pool and look.in_use is not None and look.in_use >= look.pool for look in looks):
        found.append("the pool of database connections ran dry")
    if (grown := growth_mb(looks)) is not None:
        found.append(f"memory grew by {grown:,.0f} MB between the second and the last quarter")
    return found


def growth_mb(looks: Sequence[Look]) -> float | None:
    """None: it doesn't grow, or too little was seen to tell."""
    seen = [look.memory_mb for look in looks if look.memory_mb]
    if len(seen) < MIN_LOOKS:
        return None
    quarter = len(seen) // 4
    before, after = median(seen[quarter : 2 * quarter]), median(seen[-quarter:])
    return after - before if after - before > max(GROWTH_MB, GROWTH_SHARE * before) else None


def breaking(steps: Sequence[tuple[int, Summary]]) -> tuple[int, str] | None:
    """The first step (its users) that broke something, and what; None: nothing did."""
    for users, step in steps:
        if step.failed:
            return users, f"{step.failed} of {step.requests} requests failed"
        if step.p95 > MAX_P95_MS:
            return users, f"p95 reached {step.p95:,.0f} ms"
    return None


def saturated(steps: Sequence[tuple[int, Summary]]) -> tuple[int, Summary]:
    """The first step whose throughput more users raised no further; the last one where it still grew."""
    best = max(step.a_second for _, step in steps)
    return next((users, step) for users, step in steps if step.a_second >= NEARLY * best)


def bound(looks: Sequence[Look], cores: int) -> str:
    """What was busy while it broke."""
    if not looks:
        return "too short to tell"
    own, family, ours = (
        median(values) if (values := [v for v in column if v is not None]) else 0.0
        for column in zip(*((look.server_cores, look.cores, look.our_cores) for look in looks), strict=True)
    )
    found = []
    if own >= BUSY_CORES:
        found.append(f"one core of Python in the server's process ({own:.1f} cores)")
    if family + ours >= BUSY_CORES * cores:
        found.append(f"all {cores} cores (server and its children {family:.1f}, this script {ours:.1f})")
    if ours >= BUSY_CORES:
        found.append(f"this script itself ({ours:.1f} cores): the server may bear more")
    if any(look.pool and look.in_use is not None and look.in_use >= look.pool for look in looks):
        found.append("the pool of database connections")
    return "; ".join(found) or f"nothing here: server {own:.1f} cores, with its children {family:.1f}, this script {ours:.1f}"


def steps_of(record: Record, bounds: Sequence[tuple[float, float, int]]) -> list[tuple[int, Summary]]:
    """Each step's users with what came of it, without its first third: who has just come is no measure."""
    made = []
    for since, until, users in bounds:
        settled = since + (until - since) / 3
        made.append((users, summary(f"{users} users", record.between(settled, until), until - settled)))
    return made
