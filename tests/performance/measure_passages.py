"""Questions over HTTP against one project of 20,000 passages: latency one by one, throughput of 32 at once, memory.

python tests/performance/measure_passages.py [--passages=20000] [--iterations=500]

Passages come in as sessions do, through the worker: minutes for 20,000. Every question is new, asks for both kinds and filters on the
project; ten results of 1,500 tokens at most.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.performance.callers import closed_loop, connected
from tests.performance.corpus import varied_lessons, varied_questions
from tests.performance.filled import project
from tests.performance.measure import Figure, latencies, machine, percentile, show
from tests.performance.measure_search import AT_ONCE, asking, checked, memory
from tests.running import Running, running

PASSAGES = 20_000
A_SESSION, AN_EXCHANGE = 400, 8
INGEST_SECONDS = 3_600
WARM_UP = 200


def passages_at_size(iterations: int, scratch: Path, passages: int = PASSAGES) -> list[Figure]:
    """All figures of one server that has read so many passages."""
    with running(scratch / "passages", env={"CAIRN_LOG__LEVEL": "warning"}) as server:
        began = time.perf_counter()
        _ingest(server, scratch, passages)
        seconds = time.perf_counter() - began
        figures = asyncio.run(_asked(server, iterations, f"{passages:,} passages"))
        rate = Figure("passages", "ingested, embedded and indexed", "/s", passages / seconds, at_least=True)
        return [*figures, rate, *memory(server)]


async def _asked(server: Running, iterations: int, name: str) -> list[Figure]:
    asked = varied_questions(3 * iterations + WARM_UP, seed=int(time.time()))
    async with connected(server.url, AT_ONCE, {"authorization": f"Bearer {server.key}"}) as connections:
        await closed_loop(connections, WARM_UP, asking(asked[:WARM_UP], projects=1))
        alone = await closed_loop(connections[:1], iterations, asking(asked[WARM_UP:], projects=1))
        began = time.perf_counter()
        many = await closed_loop(connections, 2 * iterations, asking(asked[WARM_UP + iterations :], projects=1))
        rate = len(many) / (time.perf_counter() - began)
    checked([*alone, *many])
    found = sum(bool(json.loads(reply.body)["results"]) for reply in alone) / len(alone)
    return [
        *latencies("passages", f"query over HTTP, {name}", [reply.seconds * 1000 for reply in alone], p95_target=25),
        Figure("passages", f"distinct queries, {AT_ONCE} at once", "/s", rate, 150, at_least=True),
        Figure("passages", f"the same, p95 at {AT_ONCE} at once", "ms", percentile([reply.seconds * 1000 for reply in many], 0.95)),
        Figure("passages", "questions that got results", "", found, 0.9, at_least=True),
    ]


def _ingest(server: Running, scratch: Path, passages: int) -> None:
    jobs = []
    for number, written in enumerate(_sessions(passages)):
        file = scratch / f"{number}.jsonl"
        file.write_text(written)
        jobs.append(server.upload(file, project(0)))
    for job in jobs:
        done = server.finished(job, seconds=INGEST_SECONDS)
        if done["state"] != "done":
            raise RuntimeError(f"An ingest failed: {done}")


def _sessions(passages: int) -> Iterator[str]:
    """Generic transcripts, each passage of its own words: a prompt, then what answers it."""
    pairs = varied_lessons(2 * passages)
    for start in range(0, passages, A_SESSION):
        lines = io.StringIO()
        for number in range(start, min(start + A_SESSION, passages)):
            (title, body), (_, more) = next(pairs), next(pairs)
            role, text = ("user", f"{title}. What do you make of it?") if number % AN_EXCHANGE == 0 else ("assistant", f"{body} {more}")
            event = {"id": f"e{number}", "role": role, "text": text, "timestamp": f"2026-{1 + number % 11:02}-01T12:00:00Z"}
            lines.write(json.dumps(event) + "\n")
        yield lines.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=PASSAGES)
    parser.add_argument("--iterations", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-passages-", dir="/tmp") as scratch:
        figures = passages_at_size(options.iterations, Path(scratch), options.passages)
    show(figures)
    print(machine())
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
