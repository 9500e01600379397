"""How the performance scripts measure: percentiles, memory, and the verdict against a target. Times nothing by itself."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `target` is the most it may be (the least, where `at_least`); None: only reported."""

    component: str
    name: str
    unit: str
    value: float
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that at least `share` of all are not above."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latencies(component: str, name: str, milliseconds: list[float], *, p95_target: float | None = None) -> list[Figure]:
    """p50, p95 and p99 of a list of milliseconds, the p95 against its target."""
    return [
        Figure(component, f"{name} p50", "ms", percentile(milliseconds, 0.50)),
        Figure(component, f"{name} p95", "ms", percentile(milliseconds, 0.95), p95_target),
        Figure(component, f"{name} p99", "ms", percentile(milliseconds, 0.99)),
    ]


async def timed(call: Callable[[], Awaitable[object]], *, iterations: int, warm_up: int) -> list[float]:
    """Milliseconds of each call, one after the other; the warm-up isn't counted."""
    for _ in range(warm_up):
        await call()
    spent = []
    for _ in range(iterations):
        began = time.perf_counter()
        await call()
        spent.append((time.perf_counter() - began) * 1000)
    return spent


def resident_mb(processes: Iterable[psutil.Process]) -> float:
    """Memory of these processes together, in MB: proportional set size where the system tells it, resident set size elsewhere."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total / 1e6


def cpu_seconds(*processes: psutil.Process) -> float:
    """What they have used, in user and kernel: it says what a thing costs, also on a machine that others use too."""
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


def machine() -> str:
    """What the figures were taken on: its load, and its speed, since a shared host's varies by half within an hour."""
    steps = 1_000_000
    best = math.inf
    for _ in range(3):
        began, total = time.perf_counter(), 0
        for step in range(steps):
            total += step * step
        best = min(best, time.perf_counter() - began)
    load = ", ".join(f"{each:.1f}" for each in psutil.getloadavg())
    return f"the machine meanwhile: load {load} on {os.cpu_count()} cores; {steps / best / 1e6:.1f} million steps/s of a plain Python loop"


def show(figures: Iterable[Figure]) -> None:
    """A table that a person likes to read."""
    table = Table("component", "figure", "measured", "target", "")
    for figure in figures:
        bound = "" if figure.target is None else f"{'≥' if figure.at_least else '≤'} {figure.target:g} {figure.unit}"
        verdict = "" if figure.target is None else ("met" if figure.met else "[red]MISSED[/red]")
        table.add_row(figure.component, figure.name, f"{figure.value:,.2f} {figure.unit}", bound, verdict)
    Console().print(table)
