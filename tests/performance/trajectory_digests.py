"""Digests everything that the trajectory room derives from real sessions, to prove that making it faster changed no result.

python -m tests.performance.trajectory_digests [DIR]

Run it before and after: steps, what policies read of them, findings as told (each telling), exchanges, blocks, states at every 50th event and
shapes give one digest each. DIR: transcripts to read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from hashlib import sha256
from pathlib import Path

from app.sessions.event import Event
from app.trajectory.analysis.session_analysis import SessionAnalysis
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.events.steps import step_of
from app.trajectory.part import ANALYZERS
from app.trajectory.policies.policy_file import SHIPPED, load_policies
from app.trajectory.policies.readings import reading_of
from app.trajectory.policies.views import PolicyDefinition
from app.trajectory.policies.watching import PolicyAnalyzer
from app.trajectory.shapes.builder import shape_of
from tests.transcripts import sessions_of, transcripts_in

TRANSCRIPTS = Path("/work/shared/data/transcripts")
STATE_EVERY = 50
POLICIES = load_policies(SHIPPED)


class Digests:
    """A running digest for each kind of result."""

    def __init__(self) -> None:
        self._of = {name: sha256() for name in ("steps", "readings", "tellings", "parts", "states", "shapes")}
        self._counts = dict.fromkeys(self._of, 0)

    def add(self, name: str, values: Iterable[object]) -> None:
        for value in values:
            self._of[name].update(json.dumps(value, ensure_ascii=True, sort_keys=True, default=str).encode())
            self._counts[name] += 1

    def show(self) -> None:
        for name, hashed in self._of.items():
            print(f"{name:10s} {self._counts[name]:8,d}  {hashed.hexdigest()[:32]}")


def take(digests: Digests, events: Sequence[Event]) -> None:
    """Read one session in all ways."""
    steps = [step_of(seq, event) for seq, event in enumerate(events, 1)]
    digests.add("steps", map(astuple, steps))
    digests.add("readings", ([reading.letter, reading.files, reading.text] for reading in map(reading_of, steps)))
    analyzers = analyzers_of(POLICIES)
    for step in steps:
        digests.add("tellings", ([step.seq, each.row()] for analyzer in analyzers for each in analyzer.add(step)))
        if step.seq % STATE_EVERY == 0 or step.seq == len(steps):
            # the order of a residual's parts differs from process to process
            digests.add("states", [{each.name: each.snapshot() for each in analyzers if each.name != "policies"}])
    analysis = SessionAnalysis(analyzers_of(POLICIES))
    analysis.read(enumerate(events, 1), ())
    part = analysis.take()
    digests.add("parts", [*map(asdict, part.findings), *map(asdict, part.exchanges), *map(asdict, part.blocks), part.left_out])
    shape = shape_of(steps)
    digests.add("shapes", [[shape.symbols, shape.firsts, shape.dropped, shape.deeds, asdict(shape.course), list(shape.known), shape.at]])


def analyzers_of(policies: Sequence[PolicyDefinition]) -> list[Analyzer]:
    """Make the analyzers of a project that has the shipped policies."""
    return [*(make() for make in ANALYZERS), PolicyAnalyzer(policies)]


def main(folder: Path) -> None:
    digests = Digests()
    for file in transcripts_in(folder):
        for events in sessions_of(file):
            if events:
                take(digests, events)
    digests.show()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TRANSCRIPTS)
