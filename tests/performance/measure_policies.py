"""Policies: what an event costs, and how often the shipped ones are broken in real sessions. No policy was worded after a session's text.

python tests/performance/measure_policies.py [--events 1000000] [--sessions] [--show]

Without arguments the cost alone: an event and policy with a warm memo, a million events through one policy, and a step through all shipped policies with
its reading. `--sessions` needs the public evaluation data beside the project (CAIRN_EVAL_DATA): for each policy the events that it judges (a
commit after an edit of code, a claim after one in the same turn …), the violations, and the share with its 95 % interval (Wilson); `--show` prints each violation's events to be judged.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.sessions.event import Event, Outcome, ToolUse
from app.trajectory.events.steps import SessionStep, step_of, steps_of
from app.trajectory.policies.policy import compiled, definition_of
from app.trajectory.policies.policy_file import SHIPPED, load_policies
from app.trajectory.policies.readings import StepReading, reading_of
from app.trajectory.policies.views import PolicyDefinition
from app.trajectory.policies.watching import PolicyAnalyzer
from tests.performance.measure import Figure, latencies, show
from tests.transcripts import sessions_of, transcripts_in

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
JUDGED = {
    "check-before-commit": "commits implies not once edits_code",
    "rerun-failed-check": "edits_code implies not (not checks since checks_failed)",
    "read-before-edit": "not edits_in_place",
    "no-force-push": "not pushes",
    "done-after-check": "says_done implies not (not asks since edits_code)",
    "tests-stay": "edits_test implies not (not tests_passed since tests_failed)",
}
"""Policy → a formula that is broken by each event that the policy judges: the event after which it could be broken."""
CALLS = (
    ("Read", "src/till.py", "ok"),
    ("Edit", "src/till.py\n- x = 1\n+ x = 2", "ok"),
    ("Edit", "tests/test_till.py\n- assert a\n+ assert b", "ok"),
    ("Bash", "cd api && pytest -q tests | tail -20", "ok"),
    ("Bash", "pytest -q", "failed"),
    ("Bash", "rg -n retry src | head", "ok"),
    ("Bash", "git add -A && git commit -m 'Round the till'", "ok"),
    ("Grep", '{"pattern": "retry", "path": "src"}', "ok"),
)


def made_steps(count: int) -> list[SessionStep]:
    """Make a session's steps, the same each time."""
    drawn = random.Random(7)
    found = []
    for seq in range(count):
        if seq % 9 == 0:
            found.append(step_of(seq, Event(f"e{seq}", "assistant", "reply", "Now let me look at the till. " * 10, f"L{seq}")))
            continue
        name, given, outcome = drawn.choice(CALLS)
        ended: Outcome = "ok" if outcome == "ok" else "failed"
        files = (given.split("\n", 1)[0],) if name in {"Read", "Edit"} else ()
        event = Event(f"e{seq}", "tool", "tool", "", f"L{seq}", tool=ToolUse(name, given, "done"), outcome=ended, files=files)
        found.append(step_of(seq, event))
    return found


def cost(events: int) -> Iterator[Figure]:
    steps = made_steps(2_000)
    policies = load_policies(SHIPPED)
    readings = [reading_of(step) for step in steps]
    yield Figure("policies", f"{events:,} events through one policy", "s", _progressed(readings, events), 5.0)
    yield Figure("policies", "an event and policy, memo warm", "µs", _watched(policies, readings, events // 5), 2.0)
    yield from latencies("policies", "a step through its reading and all shipped policies", _whole(steps), p95_target=1.0)


def _progressed(readings: Sequence[StepReading], events: int) -> float:
    """Seconds of a formula's progression alone over this many letters."""
    policy = compiled("always (edits_code implies eventually checks) and always (commits implies not (not checks since edits_code))")
    letters = [policy.letter(each) for each in readings]
    state, automaton = policy.automaton.start, policy.automaton
    begun = process_time()
    for _ in range(events // len(letters)):
        for letter in letters:
            after = state.after.get(letter)
            state = after if after is not None else automaton.step(state, letter)
            if state.verdict == "false":
                state = automaton.renewed(state)
    return process_time() - begun


def _watched(policies: Sequence[PolicyDefinition], readings: Sequence[StepReading], events: int) -> float:
    """Microseconds of an event and policy, with evidence and slices by file, once the memo is warm."""
    monitors = PolicyAnalyzer(policies).monitors
    for reading in readings:
        for monitor in monitors:
            monitor.add(reading)
    rounds = max(1, events // len(readings))
    begun = process_time()
    for _ in range(rounds):
        for reading in readings:
            for monitor in monitors:
                monitor.add(reading)
    return (process_time() - begun) / (rounds * len(readings) * len(policies)) * 1e6


def _whole(steps: Sequence[SessionStep]) -> list[float]:
    analyzer = PolicyAnalyzer(load_policies(SHIPPED))
    spent = []
    for step in steps:
        begun = process_time()
        analyzer.add(step)
        spent.append((process_time() - begun) * 1000)
    return spent


def in_real_sessions(*, shows: bool) -> None:
    """Print how often each shipped policy is broken in the public transcripts."""
    policies = load_policies(SHIPPED)
    triggers = [definition_of({"id": id_, "words": "It is judged.", "formula": f"always ({formula})"}) for id_, formula in JUDGED.items()]
    judged, broken, sessions, with_it = Counter[str](), Counter[str](), 0, Counter[str]()
    for file in transcripts_in(DATA / "transcripts"):
        for events in sessions_of(file):
            sessions += 1
            analyzer, judging = PolicyAnalyzer(policies), PolicyAnalyzer(triggers)
            hit = set()
            for step in steps_of(enumerate(events)):
                judging.add(step)
                for finding in analyzer.add(step):
                    broken[finding.name] += 1
                    hit.add(finding.name)
                    if shows:
                        _show(file, events, finding.name, finding.evidence)
            with_it.update(hit)
            judged.update({each.definition.id: each.broken for each in judging.monitors})
    print(f"{sessions} sessions")
    for policy in policies:
        count, of = broken[policy.id], judged[policy.id]
        low, high = wilson(count, of)
        print(f"{policy.id:22} {count:4} of {of:5} judged events ({low:.1%}–{high:.1%}), in {with_it[policy.id]} sessions")


def _show(file: Path, events: Sequence[Event], name: str, evidence: Sequence[int]) -> None:
    print(f"\n== {name} · {file.name}")
    for seq in evidence:
        event = events[seq]
        said = f"{event.tool.name}: {event.tool.input} → {event.outcome}" if event.tool else event.text
        print(f"  {seq:5} {event.kind:8} {said[:200]!r}")


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share."""
    if of == 0:
        return 0.0, 1.0
    z, share = 1.96, hits / of
    middle, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z * z / of)), (middle + half) / (1 + z * z / of)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--sessions", action="store_true", help="how often policies are broken in real sessions")
    parser.add_argument("--show", action="store_true", help="print the events of each violation")
    given = parser.parse_args()
    if given.sessions:
        in_real_sessions(shows=given.show)
        return 0
    figures = list(cost(given.events))
    show(figures)
    return 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
