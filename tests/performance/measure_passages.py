"""Passages: questions over HTTP among 20,000 of one project; a live event of a short and of a long session; all transcripts read.

python tests/performance/measure_passages.py [--parts=questions,live,transcripts] [--passages=20000] [--iterations=500]

questions: latency one by one, throughput of 32 at once, memory. Passages come in as sessions do, through the worker: minutes for 20,000.
Every question is new, asks for both kinds and filters on the project; ten results of 1,500 tokens at most.
live: from one more event of a session of 10, 100, 10,000 to its passage stored and indexed, embedding included, without HTTP.
transcripts: every file of ../shared/data/transcripts (CAIRN_EVAL_DATA), sent to an empty server; until the last job is done.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app import settings as config
from app.services import open_services
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.event import Event, SessionHeader
from app.sessions.projections import Projections
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
LENGTHS, LIVE_EVENTS = (10, 100, 10_000), 64
NO_TRANSCRIPTS = ("README", "gold_")
DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def passages_at_size(iterations: int, scratch: Path, passages: int = PASSAGES) -> list[Figure]:
    """All figures of one server that has read so many passages."""
    with running(scratch / "passages", env={"CAIRN_LOG__LEVEL": "warning"}) as server:
        began = time.perf_counter()
        _ingest(server, scratch, passages)
        seconds = time.perf_counter() - began
        figures = asyncio.run(_asked(server, iterations, f"{passages:,} passages"))
        rate = Figure("passages", "ingested, embedded and indexed", "/s", passages / seconds, at_least=True)
        return [*figures, rate, *memory(server, most_mb=None)]


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


async def live_events(scratch: Path) -> list[Figure]:
    """One more event of sessions of each length, in turn, so that a machine that grows slower does so for all."""
    async with open_services(config.load(data_dir=scratch / "live"), role="serve") as services:
        parts = {
            "database": services.database,
            "queue": services.queue,
            "journal": services.journal,
            "checkpoints": services.sessions.checkpoints,
        }
        catch_up = CatchUp(**parts, projections=Projections([services.knowledge.passages]))  # type: ignore[arg-type]
        team = await services.accounts.team_id("default")
        said = (body for _, body in varied_lessons(sum(LENGTHS) + len(LENGTHS) * (LIVE_EVENTS + 1)))

        async def add(session: UUID, first: int, count: int) -> float:
            """Append so many events and bring their passages up to date. Returns the seconds of the second part."""
            events = [Event(f"e{n}", "assistant", "reply", next(said), f"e{n}") for n in range(first, first + count)]
            await services.journal.append(session, events)
            began, done = time.perf_counter(), CatchUpResult()
            await catch_up.bring_up_to_date(team, session, done, background=False)
            await catch_up.drain(done)
            return time.perf_counter() - began

        sessions = {}
        for length in LENGTHS:
            async with services.database.begin() as connection:
                project_id = await services.accounts.project_id(connection, team, project(0))
                header = SessionHeader("generic", f"s{length}")
                sessions[length] = await services.journal.open(
                    connection, team_id=team, project_id=project_id, developer_id=None, header=header, transcript=f"s{length}.jsonl"
                )
            await add(sessions[length], 0, length)
        spent: dict[int, list[float]] = {length: [] for length in LENGTHS}
        for number in range(LIVE_EVENTS + 1):
            for length, session in sessions.items():
                seconds = await add(session, length + number, 1)
                if number:  # the first of each warms up
                    spent[length].append(seconds * 1000)
    medians = {length: statistics.median(each) for length, each in spent.items()}
    figures = [Figure("passages", f"a live event of a session of {length:,}, p50", "ms", median) for length, median in medians.items()]
    ratio = medians[LENGTHS[-1]] / medians[LENGTHS[0]]
    return [*figures, Figure("passages", f"of {LENGTHS[-1]:,} to that of {LENGTHS[0]}", "×", ratio, 1.2)]


def all_transcripts(scratch: Path) -> list[Figure]:
    folder = DATA / "transcripts"
    files = sorted(each for each in folder.rglob("*") if each.suffix in {".md", ".jsonl"} and not each.name.startswith(NO_TRANSCRIPTS))
    if not files:
        raise SystemExit(f"There are no transcripts in {DATA}: set CAIRN_EVAL_DATA to the folder that holds the public evaluation data.")
    with running(scratch / "transcripts", env={"CAIRN_LOG__LEVEL": "warning"}) as server:
        began = time.perf_counter()
        jobs = [(file, server.upload(file)) for file in files]
        done = [(file, server.finished(job, seconds=INGEST_SECONDS)) for file, job in jobs]
        seconds = time.perf_counter() - began
        read = sum(file.stat().st_size for file, job in done if job["state"] == "done") / 1e6
        rate = Figure("passages", f"{read:.0f} MB of transcripts read and searchable", "MB/s", read / seconds, 0.5, at_least=True)
        return [rate, *memory(server, most_mb=800)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=PASSAGES)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--parts", default="questions,live,transcripts")
    options = parser.parse_args()
    wanted = options.parts.split(",")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="cairn-passages-", dir="/tmp") as scratch:
        if "live" in wanted:
            figures += asyncio.run(live_events(Path(scratch)))
        if "transcripts" in wanted:
            figures += all_transcripts(Path(scratch))
        if "questions" in wanted:
            figures += passages_at_size(options.iterations, Path(scratch), options.passages)
    show(figures)
    print(machine())
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
