"""Activity, health, loops and turns against labels, and what an event costs. No rule was worded after one label; cues were chosen with the sets in view.

python tests/performance/measure_trajectory.py [--missed] [--speed] [--findings N]

Needs the public evaluation data beside the project (CAIRN_EVAL_DATA). A window is judged by its events alone, by the verdict after its last event.
Trouble is any label but on_track. Many windows were chosen for what a person did at their end; `before the reaction` cuts each at the first refusal,
interruption, undoing or correction by a person, and says how much of the trouble could have been told without it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.sessions.event import Event
from app.trajectory.analyzers.activity import ActivityAnalyzer, shares_of, verdict_of
from app.trajectory.analyzers.analyzer import SessionFinding
from app.trajectory.analyzers.health import HealthAnalyzer, HealthVerdict
from app.trajectory.analyzers.loops import LoopAnalyzer
from app.trajectory.analyzers.recurrence import RecurrenceAnalyzer, RecurrenceCache
from app.trajectory.analyzers.troubles import sign_of
from app.trajectory.events.steps import SessionStep, step_of, steps_of
from app.trajectory.events.turns import ending
from tests.loop_cases import CASES, LoopCase
from tests.loop_cases_held_out import HELD_OUT
from tests.performance.measure import Figure, machine, percentile, show
from tests.performance.trajectory_windows import LabelledWindow, windows
from tests.transcripts import sessions_of, transcripts_in
from tests.turn_cases import HELD_OUT_TURNS, KNOWN_TURNS

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
REACTIONS = {"corrected", "undone", "interrupted", "refused"}


def wilson(right: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson's)."""
    if not of:
        return 0.0, 1.0
    share, z = right / of, 1.96
    middle, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def share(component: str, name: str, right: int, of: int, *, target: float | None = None) -> Figure:
    low, high = wilson(right, of)
    return Figure(component, f"{name} ({right} of {of}, {low:.2f}–{high:.2f})", "", right / of if of else 0.0, target, at_least=True)


def health_of(steps: Iterable[SessionStep]) -> HealthVerdict:
    analyzer = HealthAnalyzer()
    for step in steps:
        analyzer.add(step)
    return analyzer.verdict()


def before_reaction(steps: Sequence[SessionStep]) -> Sequence[SessionStep]:
    """Cut a window at the first act by which a person shows that something is wrong."""
    for place, step in enumerate(steps):
        sign = sign_of(step)
        if sign is not None and sign.kind in REACTIONS:
            return steps[:place]
    return steps


def of_activity(labelled: Sequence[LabelledWindow], *, missed: bool) -> Iterator[Figure]:
    for synthetic in (False, True):
        chosen = [each for each in labelled if each.synthetic == synthetic]
        found = [verdict_of([(step.seq, shares_of(step)) for step in each.steps]) for each in chosen]
        right = [verdict is not None and verdict.activity in each.activities for each, verdict in zip(chosen, found, strict=True)]
        yield share(
            "activity",
            "acceptable, synthetic" if synthetic else "acceptable, real windows",
            sum(right),
            len(right),
            target=None if synthetic else 0.65,
        )
        if missed and not synthetic:
            print(
                Counter(
                    (each.activity, verdict and verdict.activity) for each, verdict, ok in zip(chosen, found, right, strict=True) if not ok
                )
            )


def of_trouble(labelled: Sequence[LabelledWindow], *, missed: bool) -> Iterator[Figure]:
    real = [each for each in labelled if not each.synthetic]
    verdicts = {each.name: health_of(each.steps).health for each in real}
    troubled = [each for each in real if each.health != "on_track"]
    told = [each for each in real if verdicts[each.name] != "on_track"]
    yield share("trouble", "precision, real windows", sum(each.health != "on_track" for each in told), len(told), target=0.65)
    yield share("trouble", "recall, real windows", sum(verdicts[each.name] != "on_track" for each in troubled), len(troubled), target=0.50)
    for label in ("stuck", "blocked", "off_track"):
        of = [each for each in real if each.health == label]
        as_label = [each for each in real if verdicts[each.name] == label]
        yield share("trouble", f"{label}: told as trouble", sum(verdicts[each.name] != "on_track" for each in of), len(of))
        yield share("trouble", f"{label}: told as {label}", sum(verdicts[each.name] == label for each in of), len(of))
        yield share("trouble", f"told as {label}: acceptable", sum(label in each.healths for each in as_label), len(as_label))
    yield share("trouble", "all four, acceptable", sum(verdicts[each.name] in each.healths for each in real), len(real))
    early = {each.name: health_of(before_reaction(each.steps)).health for each in real}
    for label in ("stuck", "blocked", "off_track"):
        of = [each for each in real if each.health == label]
        yield share("before the reaction", f"{label}: told as trouble", sum(early[each.name] != "on_track" for each in of), len(of))
    calm = [each for each in real if each.health == "on_track"]
    yield share("before the reaction", "on_track: told so", sum(early[each.name] == "on_track" for each in calm), len(calm))
    if missed:
        print(sorted((each.name, each.health, verdicts[each.name]) for each in real if verdicts[each.name] not in each.healths))


def of_synthetic(labelled: Sequence[LabelledWindow]) -> Iterator[Figure]:
    made = [each for each in labelled if each.synthetic]
    stuck, calm = ([each for each in made if (each.health == "stuck") == wanted] for wanted in (True, False))
    yield share("synthetic", "stuck told", sum(health_of(each.steps).health == "stuck" for each in stuck), len(stuck), target=0.8)
    yield share(
        "synthetic", "hard negatives passed", sum(health_of(each.steps).health == "on_track" for each in calm), len(calm), target=1.0
    )


def of_turns(*, missed: bool) -> Iterator[Figure]:
    rows = [json.loads(line) for line in (DATA / "labels" / "turns.jsonl").read_text("utf-8").splitlines()]
    names = {"open": "neutral"}
    found = [names.get(given := ending(row["turn"]["text"]), given) for row in rows]
    right = [verdict in {row["label"], *row["acceptable"]} for row, verdict in zip(rows, found, strict=True)]
    yield share("turns", "accepted, corrected, neutral", sum(right), len(right), target=0.88)
    for name, cases in (("our own, cues chosen with them", KNOWN_TURNS), ("our own, cues mended by them", HELD_OUT_TURNS)):
        own = [ending(turn) == verdict for verdict, turns in cases.items() for turn in turns]
        yield share("turns", name, sum(own), len(own))
    if missed:
        print(Counter((row["label"], verdict) for row, verdict, ok in zip(rows, found, right, strict=True) if not ok))


def findings_of(events: Iterable[tuple[int, Event]], analyzer: LoopAnalyzer | HealthAnalyzer) -> list[SessionFinding]:
    """Return what an analyzer tells of a session, each finding as last told."""
    found: dict[tuple[str, str, int], SessionFinding] = {}
    for step in steps_of(events):
        for each in analyzer.add(step):
            found[each.kind, each.name, each.first] = each
    return list(found.values())


def of_ladder(name: str, cases: Sequence[LoopCase], *, missed: bool) -> Iterator[Figure]:
    told: dict[str, list[bool]] = defaultdict(list)
    caught: dict[str, list[bool]] = defaultdict(list)
    for case in cases:
        rungs = {each.name for each in findings_of(enumerate(case.events, 1), LoopAnalyzer())}
        for rung in rungs:
            told[rung].append(case.rung is not None)
        if case.rung is not None:
            caught[case.rung].append(bool(rungs))
        if missed and (bool(rungs) != (case.rung is not None)):
            print(name, case.name, case.rung, rungs)
    everything = [each for of in told.values() for each in of]
    yield share(name, "precision", sum(everything), len(everything))
    yield share(name, "recall", sum(map(sum, caught.values())), sum(map(len, caught.values())))
    for rung, found in caught.items():
        yield share(name, f"{rung}: precision", sum(told[rung]), len(told[rung]))
        yield share(name, f"{rung}: recall (by any rung)", sum(found), len(found))


def real_sessions() -> list[tuple[Path, list[Event]]]:
    return [(file, events) for file in transcripts_in(DATA / "transcripts") for events in sessions_of(file)]


def of_sessions(sessions: Sequence[tuple[Path, list[Event]]], *, print_some: int) -> Iterator[Figure]:
    told = [(file, each) for file, events in sessions for each in findings_of(enumerate(events, 1), HealthAnalyzer())]
    for kind, name in sorted({(each.kind, each.name) for _, each in told}):
        count = sum((each.kind, each.name) == (kind, name) for _, each in told)
        yield Figure("real sessions", f"{kind} {name}, of {len(sessions)} sessions", "findings", count)
    for file, each in random.Random(5).sample(told, min(print_some, len(told))):
        print(file.name[:40], each.kind, each.name, each.first, each.last, each.because[:200])


def of_speed(sessions: Sequence[tuple[Path, list[Event]]]) -> Iterator[Figure]:
    """Time each event's step and analyzers on their own, in processor time; the best of three passes, since the machine is shared."""
    spent: list[list[float]] = []
    for _ in range(3):
        spent.append([])
        for _, events in sessions:
            analyzers = (HealthAnalyzer(), ActivityAnalyzer(), RecurrenceAnalyzer())
            for seq, event in enumerate(events, 1):
                began = time.perf_counter()
                step = step_of(seq, event)
                for analyzer in analyzers:
                    analyzer.add(step)
                spent[-1].append((time.perf_counter() - began) * 1e3)
    best = [min(of) for of in zip(*spent, strict=True)]
    yield Figure("speed", "step and all analyzers, mean", "µs", sum(best) / len(best) * 1e3)
    yield Figure("speed", "step and all analyzers, p95", "ms", percentile(best, 0.95), 1.0)
    numbered = [pair for _, events in sessions for pair in enumerate(events, 1)]
    began = time.process_time()
    for seq, event in numbered:
        step_of(seq, event)
    yield Figure("speed", "step alone, mean", "µs", (time.process_time() - began) / len(numbered) * 1e6)
    symbols = [random.Random(1).randrange(40) for _ in range(2_001)]
    for mode, length, target in (("fast", 200, 5.0), ("normal", 2_000, 30.0)):
        cache = RecurrenceCache()
        for name, given in (("first", symbols[:length]), ("one event later", symbols[: length + 1])):
            began = time.process_time()
            cache.measure(given, mode)  # type: ignore[arg-type]
            yield Figure("speed", f"recurrence {mode}, {name}", "ms", (time.process_time() - began) * 1e3, target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missed", action="store_true", help="print the errors, by class")
    parser.add_argument("--speed", action="store_true", help="measure what an event costs, too")
    parser.add_argument("--findings", type=int, default=0, help="print as many findings of real sessions, to be judged by reading")
    given = parser.parse_args()
    if not (DATA / "labels").is_dir():
        print(f"No evaluation data in {DATA}: set CAIRN_EVAL_DATA.")
        return 2
    labelled = list(windows(DATA))
    sessions = real_sessions()
    figures = [
        *of_activity(labelled, missed=given.missed),
        *of_trouble(labelled, missed=given.missed),
        *of_synthetic(labelled),
        *of_turns(missed=given.missed),
        *of_ladder("ladder", CASES, missed=given.missed),
        *of_ladder("ladder, held out", HELD_OUT, missed=given.missed),
        *of_sessions(sessions, print_some=given.findings),
        *(of_speed(sessions) if given.speed else ()),
    ]
    show(figures)
    print(machine())
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
