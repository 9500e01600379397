"""The cache: hit rates of each policy on traces, the cost of a hit and of a set; and the same from a shell:

python tests/performance/measure_cache.py [--markdown]
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from app import settings
from app.cache.memory import MemoryCache
from app.errors import UnknownFormat
from app.sessions import formats
from app.sessions.event import Event
from app.sessions.formats.tally import ParseTally
from app.settings import EvictionPolicy
from tests.performance.measure import Figure

POLICIES: tuple[EvictionPolicy, ...] = ("lru", "lfu", "w-tinylfu")
SLOTS, KEYS, REQUESTS = 2000, 20_000, 200_000
DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def zipf(exponent: float, *, keys: int = KEYS, requests: int = REQUESTS, seed: int = 1) -> Iterator[bytes]:
    """Independent draws: the n-th most wanted key comes 1 / n^exponent as often as the first."""
    weights = list(itertools.accumulate(1 / (rank + 1) ** exponent for rank in range(keys)))
    chance = random.Random(seed)
    for _ in range(requests):
        yield bisect.bisect(weights, chance.random() * weights[-1]).to_bytes(4, "big")


def scanned() -> Iterator[bytes]:
    """zipf 1.0, and every 10,000 requests somebody reads 2,000 keys once, in order."""
    for place, key in enumerate(zipf(1.0)):
        yield key
        if place % 10_000 == 9_999:
            yield from (b"scan" + (place + number).to_bytes(4, "big") for number in range(2000))


def shifted() -> Iterator[bytes]:
    """zipf 1.0, whose popularity moves on four times: what was wanted most is wanted no more."""
    for place, key in enumerate(zipf(1.0)):
        yield bytes([5 * place // REQUESTS]) + key


def sessions() -> Iterator[bytes]:
    """What the agents of the real sessions did, in order: each tool call with its input is a key."""
    for path in sorted(path for path in (DATA / "transcripts").rglob("*") if path.suffix in {".md", ".jsonl"}):
        content = path.read_bytes()
        try:
            found = formats.detect(content[: formats.HEAD_BYTES])
        except UnknownFormat:
            continue
        for each in formats.parse(iter([content]), format=found, limits=settings.SessionsSettings(), tally=ParseTally()):
            if isinstance(each, Event) and each.tool is not None:
                yield f"{each.tool.name}\0{each.tool.input}".encode(errors="replace")


def traces() -> dict[str, list[bytes]]:
    found = {f"zipf {exponent}": list(zipf(exponent)) for exponent in (0.8, 1.0, 1.2)}
    found |= {"zipf 1.0 with scans": list(scanned()), "zipf 1.0, popularity shifts": list(shifted())}
    if (DATA / "transcripts").is_dir():
        found["tool calls of the real sessions"] = list(sessions())
    return found


def hit_rate(policy: EvictionPolicy, trace: Sequence[bytes], slots: int) -> float:
    """Each miss is set, as a cache of answers does."""
    memory = MemoryCache(policy, entries=slots, max_bytes=2**30, jitter=0)
    hits = 0
    for key in trace:
        if memory.get(key) is None:
            memory.set(key, b"1", 1e6)
        else:
            hits += 1
    return hits / len(trace)


def repeated(trace: Sequence[bytes]) -> float:
    """The most that any cache can hit: every request but the first of each key."""
    return 1 - len(set(trace)) / len(trace)


def policies() -> list[Figure]:
    """Hit rates against the published targets (60 % on zipf 1.0, 40 % wherever a cache can), then microseconds."""
    figures = []
    for name, trace in traces().items():
        slots = SLOTS if len(trace) > 10 * SLOTS else max(50, len(set(trace)) // 10)
        best = repeated(trace)
        for policy in POLICIES:
            target = None if policy != "w-tinylfu" or best < 0.45 else 60.0 if name == "zipf 1.0" else 40.0
            label = f"hits, {name} ({slots:,} of {len(set(trace)):,}), {policy}"
            figures.append(Figure("cache", label, "%", 100 * hit_rate(policy, trace, slots), target, at_least=True))
    for policy in POLICIES:
        figures += _costs(policy)
    return figures


def _costs(policy: EvictionPolicy) -> list[Figure]:
    memory = MemoryCache(policy, entries=SLOTS, max_bytes=2**30)
    keys = [number.to_bytes(4, "big") for number in range(SLOTS)]
    spent: dict[str, float] = {}
    for name, act in (("set", lambda key: memory.set(key, b"x" * 200, 1e6)), ("hit", memory.get)):
        began = time.perf_counter()
        for _ in range(10):
            for key in keys:
                act(key)
        spent[name] = (time.perf_counter() - began) / (10 * SLOTS) * 1e6
    return [Figure("cache", f"{name}, {policy}", "µs", value) for name, value in spent.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="the table of docs/decisions")
    options = parser.parse_args()
    found = traces()
    head = ["trace", "slots", "at most", *POLICIES]
    if options.markdown:
        print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for name, trace in found.items():
        slots = SLOTS if len(trace) > 10 * SLOTS else max(50, len(set(trace)) // 10)
        cells = [
            name,
            f"{slots:,}",
            f"{100 * repeated(trace):.0f} %",
            *(f"{100 * hit_rate(each, trace, slots):.1f} %" for each in POLICIES),
        ]
        print(("| " + " | ".join(cells) + " |") if options.markdown else "  ".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main()
