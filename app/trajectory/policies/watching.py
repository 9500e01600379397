"""Watches all policies of a project over one session: an analyzer of the trajectory. A step is read once for all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.events.normal import digest
from app.trajectory.events.steps import SessionStep
from app.trajectory.policies.monitor import PolicyMonitor, PolicyViolation
from app.trajectory.policies.predicates import BITS
from app.trajectory.policies.readings import reading_of
from app.trajectory.policies.views import PolicyDefinition, PolicyStanding

ENGINE_VERSION = "1"
"""Raise it when the same steps and policies would give other findings."""
MAX_FINDINGS = 50
"""Violations of one policy that are told in a session; all are counted."""
MAX_FILES_TOLD = 5


class PolicyAnalyzer:
    """Feeds a session's steps to the enabled policies of its project."""

    name: Final = "policies"

    def __init__(self, policies: Sequence[PolicyDefinition]) -> None:
        self.monitors: Final = [PolicyMonitor(each) for each in policies if each.enabled]
        # A state tells predicates by their bits: where a predicate is added, another one's bit may move.
        rules = "\0".join(
            [*BITS, *(f"{each.definition.id}\0{each.definition.for_each}\0{each.definition.formula}" for each in self.monitors)]
        )
        self.version: Final = f"{ENGINE_VERSION}-{digest(rules):016x}"

    def add(self, step: SessionStep) -> Iterable[SessionFinding]:
        """Take the next step; return a finding for each policy that it broke."""
        reading = reading_of(step)
        found: list[SessionFinding] = []
        for monitor in self.monitors:
            before = monitor.broken
            violations = monitor.add(reading)
            if violations and before < MAX_FINDINGS:
                found.append(_finding(monitor, violations, open_=False))
        return found

    def at_end(self) -> Iterator[SessionFinding]:
        """Yield what is demanded and hasn't come, as if the session ended here. Later steps may bring it."""
        for monitor in self.monitors:
            if violations := [each for each in monitor.unkept() if each.seqs]:
                yield _finding(monitor, violations, open_=True)

    def standings(self) -> list[PolicyStanding]:
        """Return the verdict on each policy after the steps so far."""
        unkept = {each.name: each for each in self.at_end()}
        found = []
        for monitor in self.monitors:
            name, awaited = monitor.definition.id, unkept.get(monitor.definition.id)
            shown = (awaited.evidence, awaited.because) if awaited is not None else ((), "")
            found.append(PolicyStanding(name, monitor.verdict, monitor.broken, monitor.too_large or None, *shown))
        return found

    def snapshot(self) -> Snapshot:
        """Return the state: the files' names once, since most rules watch the same ones, and each rule's state."""
        files: dict[str, int] = {}
        states = {each.definition.id: each.snapshot(files) for each in self.monitors}
        return {"files": list(files), "monitors": states}

    def restore(self, snapshot: Snapshot) -> None:
        files, states = cast("Sequence[str]", snapshot["files"]), cast("Mapping[str, Any]", snapshot["monitors"])
        for monitor in self.monitors:
            monitor.restore(states[monitor.definition.id], files)


def _finding(monitor: PolicyMonitor, violations: Sequence[PolicyViolation], *, open_: bool) -> SessionFinding:
    """Tell the violations of one policy at one event as one finding: files that an event breaks it for are told together."""
    seqs = sorted({seq for each in violations for seq in each.seqs})
    files = [each.file for each in violations if each.file]
    said = [monitor.definition.words.rstrip(".")]
    if files:
        more = f" and {len(files) - MAX_FILES_TOLD} more" if len(files) > MAX_FILES_TOLD else ""
        said.append(f"Not so with {', '.join(files[:MAX_FILES_TOLD])}{more}")
    if open_:
        said.append("It hasn't come yet")
    if dropped := max(each.dropped for each in violations):
        said.append(f"{dropped} files named longest ago are no longer watched; these may be among them")
    last = seqs[-1]
    return SessionFinding("policy", monitor.definition.id, seqs[0] if open_ else last, last, tuple(seqs), f"{'. '.join(said)}.", open=open_)
