"""Pattern memory: which troubles are merged, what recurs in real transcripts, what an event and a list cost.

python tests/performance/measure_patterns.py [--read N] [--speed] [--database]

Written sequences (`tests/pattern_cases.py`): of all pairs of one kind those that are one pattern (recall), of all pairs that are one pattern those
of one kind (precision); by the class of failure with the shape, as Cairn merges, and by either alone. Real transcripts need the public
evaluation data beside the project (CAIRN_EVAL_DATA): all files of a folder count as one project there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from uuid import UUID, uuid5

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sqlalchemy import text

from app.sessions.event import Event
from app.settings import DatabaseSettings
from app.storage import migrations
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from app.trajectory.analysis.session_analysis import SessionAnalysis
from app.trajectory.analyzers.analyzer import SessionFinding
from app.trajectory.analyzers.health import HealthAnalyzer
from app.trajectory.events.steps import SessionStep, step_of
from app.trajectory.patterns.episodes import EpisodeReader, TroubleEpisode
from app.trajectory.patterns.merging import MIN_RATIO, TroubleOccurrence, patterns_of, reduced
from app.trajectory.patterns.records import OccurrenceRecords
from app.trajectory.patterns.wording import known_of, words_of_shape
from app.trajectory.sequences import common_ratios
from tests.pattern_cases import CASES
from tests.performance.measure import Figure, machine, percentile, show
from tests.performance.measure_trajectory import share
from tests.transcripts import sessions_of, transcripts_in

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SPACE = UUID(int=3)
AT = datetime(2026, 10, 1, tzinfo=UTC)
FILL = """
insert into teams (id, name) select md5('t' || n)::uuid, 't' || n from generate_series(1, 2) n;
insert into projects (id, team_id, name) select md5('p' || n)::uuid, md5('t' || (1 + n % 2))::uuid, 'p' || n from generate_series(1, 40) n;
insert into sessions (id, team_id, project_id, provider, external_id, transcript, started_at)
  select md5('s' || n)::uuid, p.team_id, p.id, 'x', 's' || n, 't', now() - n * interval '10 minutes'
  from generate_series(1, 50000) n join projects p on p.name = 'p' || (1 + (n - 1) % 40);
insert into trouble_episodes
  select id, told, team_id, project_id, told - 2, told + 3, 'error', 'a lock', abs(hashtext(external_id || told)) % 500, 'bash',
         chr(256 + abs(hashtext(external_id)) % 100) || chr(300), chr(260), 'committed', started_at, started_at + interval '5 minutes'
  from sessions, generate_series(3, 18, 4) told;
analyze"""
"""200,000 episodes of 500 classes, half of them a team's in 20 projects."""
Alike = Callable[[TroubleOccurrence, TroubleOccurrence], bool]


def episodes_of(events: Iterable[Event]) -> Sequence[TroubleEpisode]:
    analysis = SessionAnalysis([HealthAnalyzer()])
    analysis.read(enumerate(events, 1), ())
    return analysis.take().episodes


def occurrence(episode: TroubleEpisode, session: str, project: str) -> TroubleOccurrence:
    known = episode.began_at is not None and episode.ended_at is not None
    return TroubleOccurrence(
        uuid5(SPACE, session),
        uuid5(SPACE, project),
        episode.told,
        episode.first,
        episode.last,
        episode.trouble,
        episode.family,
        episode.signature,
        episode.failing,
        episode.ended,
        episode.outcome or "unresolved",
        (episode.ended_at - episode.began_at).total_seconds() if known else None,  # type: ignore[operator]
        episode.began_at or AT,
    )


def one_pattern(one: TroubleOccurrence, other: TroubleOccurrence) -> bool:
    return len(patterns_of([one, other])) == 1


def of_class(one: TroubleOccurrence, other: TroubleOccurrence) -> bool:
    return one.signature == other.signature


def of_shape(ratio: float) -> Alike:
    return lambda one, other: float(common_ratios(reduced(one.failing), [reduced(other.failing)])[0]) >= ratio


def of_written() -> Iterator[Figure]:
    """Compare all pairs of written troubles."""
    found = [
        (kind, each) for kind, given in CASES.items() for number, events in enumerate(given) for each in first_of(kind, number, events)
    ]
    yield share("written", "episodes found", len(found), sum(map(len, CASES.values())))
    yield share("written", "with an end that shows", sum(each.outcome != "unresolved" for _, each in found), len(found))
    ways: list[tuple[str, Alike]] = [
        (f"class and shape (≥ {MIN_RATIO})", one_pattern),
        ("class alone", of_class),
        ("shape alone (≥ 0.5)", of_shape(0.5)),
        ("shape alone (≥ 0.8)", of_shape(0.8)),
        ("shape alone (equal)", of_shape(1.0)),
    ]
    pairs = list(combinations(found, 2))
    for name, alike in ways:
        told = [first[0] == second[0] for first, second in pairs if alike(first[1], second[1])]
        of_kind = [alike(first[1], second[1]) for first, second in pairs if first[0] == second[0]]
        yield share("written", f"{name}: precision", sum(told), len(told))
        yield share("written", f"{name}: recall", sum(of_kind), len(of_kind))


def first_of(kind: str, number: int, events: Iterable[Event]) -> list[TroubleOccurrence]:
    return [occurrence(each, f"{kind} {number}", "written") for each in episodes_of(events)[:1]]


def of_transcripts(read: int) -> Iterator[Figure]:
    """Count what recurs in real transcripts, and print a seeded sample to be judged by reading."""
    sessions = [(file, number, events) for file in transcripts_in(DATA / "transcripts") for number, events in enumerate(sessions_of(file))]
    found = [occurrence(each, f"{file} {number}", str(file.parent)) for file, number, events in sessions for each in episodes_of(events)]
    outcomes = Counter(each.outcome for each in found)
    yield Figure("transcripts", "sessions", "", len(sessions))
    yield Figure("transcripts", "sessions with an episode", "", len({each.session_id for each in found}))
    yield Figure("transcripts", "episodes", "", len(found))
    for outcome, times in sorted(outcomes.items()):
        yield Figure("transcripts", f"ended: {outcome}", "", times)
    whole = [replace(each, project_id=uuid5(SPACE, "all")) for each in found]
    for name, given in (("a folder is a project", found), ("all are one project", whole)):
        patterns = patterns_of(given)
        recurring = [each for each in patterns if len(each.sessions) > 1]
        yield Figure("transcripts", f"patterns, {name}", "", len(patterns))
        yield Figure("transcripts", f"in two sessions or more, {name}", "", len(recurring))
    for each in random.Random(5).sample(recurring, min(read, len(recurring))):
        print(f"{each.family} · {' → '.join(words_of_shape(each.failing))}\n   {known_of(each, others=False)}")
    for one in random.Random(6).sample(found, min(read, len(found))):
        shapes = f"{' → '.join(words_of_shape(one.failing))} ⇒ {' → '.join(words_of_shape(one.ended))}"
        print(f"{one.trouble}, {one.family}, events {one.first} to {one.last}: {shapes}: {one.outcome}")


def told_by(events: Iterable[Event]) -> list[tuple[SessionStep, list[SessionFinding]]]:
    """Return each step with what is told by it: that part is the analyzers', not measured here."""
    analyzer = HealthAnalyzer()
    return [(step, list(analyzer.add(step))) for step in (step_of(seq, event) for seq, event in enumerate(events, 1))]


def of_speed() -> Iterator[Figure]:
    """Time what an event adds, and what a list of many occurrences takes; processor time, the best of three."""
    written = [event for given in CASES.values() for each in given for event in each] * 40
    real = [each for file in transcripts_in(DATA / "transcripts") for each in sessions_of(file)] if (DATA / "transcripts").is_dir() else []
    for name, sessions in (("a session full of trouble", [written]), ("real sessions", real)):
        spent, states, count = [], [0], max(1, sum(map(len, sessions)))
        for _ in range(3):
            spent.append(0.0)
            for each in sessions:
                told = told_by(each)
                reader, began = EpisodeReader(), time.process_time()
                for step, findings in told:
                    reader.add(step, findings, lambda _: None)
                spent[-1] += time.process_time() - began
                states.append(len(zlib.compress(json.dumps(reader.snapshot()).encode(), 1)))
        yield Figure("speed", f"an event's part in episodes, mean; {name}", "µs", min(spent) / count * 1e6)
        yield Figure("speed", f"the state, compressed, the largest; {name}", "bytes", max(states))
    chance = random.Random(2)
    base = [each for kind, given in CASES.items() for number, session in enumerate(given) for each in first_of(kind, number, session)]
    many = [
        replace(chance.choice(base), session_id=uuid5(SPACE, str(number)), at=AT - timedelta(hours=number), signature=number % 25)
        for number in range(5_000)
    ]
    for name, given in (("a class of 200 occurrences", many[:5_000:25]), ("5,000 occurrences of 25 classes", many)):
        spent = []
        for _ in range(3):
            began = time.process_time()
            patterns_of(given)
            spent.append((time.process_time() - began) * 1e3)
        yield Figure("speed", f"merging {name}", "ms", percentile(spent, 0))


async def of_database() -> list[Figure]:
    """Time what is read of a team with 100,000 episodes, and its merging; wall time, the best of seven."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="cairn-patterns-", dir="/tmp") as folder:
        async with embedded_postgres(Path(folder) / "postgres", max_connections=20) as url:
            await migrations.upgrade(url)
            database = await Database.open(DatabaseSettings(), url, name="measure", pool_size=1, max_overflow=0)
            async with database.begin() as connection:
                for statement in FILL.split(";"):
                    await connection.execute(text(statement))
                team, project = (await connection.execute(text("select team_id, id from projects where name = 'p1'"))).one()
            records = OccurrenceRecords(database)
            calls: dict[str, Callable[[], Awaitable[Sequence[TroubleOccurrence]]]] = {
                "a nudge: two classes of a project": lambda: records.of_classes(team, [], project, [7, 9]),
                "a list: a project": lambda: records.of_team(team, [], project),
                "a list: all projects": lambda: records.of_team(team, [], None),
            }
            for name, call in calls.items():
                read, merged = [], []
                for _ in range(7):
                    began = time.perf_counter()
                    found = await call()
                    read.append((time.perf_counter() - began) * 1e3)
                    patterns_of(found)
                    merged.append((time.perf_counter() - began) * 1e3 - read[-1])
                figures += [Figure("database", f"{name}, read", "ms", min(read)), Figure("database", f"{name}, merged", "ms", min(merged))]
            await database.close()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", type=int, default=0, help="print as many patterns and episodes of real sessions, to be judged by reading")
    parser.add_argument("--speed", action="store_true", help="measure what an event and a list cost, too")
    parser.add_argument("--database", action="store_true", help="time what is read of a large team, in a PostgreSQL of its own")
    given = parser.parse_args()
    figures = [
        *of_written(),
        *(of_transcripts(given.read) if (DATA / "transcripts").is_dir() else ()),
        *(of_speed() if given.speed else ()),
    ]
    figures += asyncio.run(of_database()) if given.database else []
    show(figures)
    print(machine())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
