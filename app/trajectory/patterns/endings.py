"""Tells whether a step shows that a trouble is over, and by what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from app.trajectory.events.normal import digest
from app.trajectory.events.steps import Result, SessionStep
from app.trajectory.events.tools import SHELL_TOOL
from app.trajectory.events.turns import ending
from app.trajectory.shapes.phases import phase_of

TroubleOutcome: TypeAlias = Literal["check_passed", "call_worked", "committed", "approved", "unresolved"]
"""call_worked: the call that had failed, or one of its kind, gave success; unresolved: nothing shows that the trouble ended."""
_COMMON_DEEDS: Final = frozenset({"run", "explore", "plan", "ask"})
"""Deeds that say too little: only the same call again shows that it works now."""


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that didn't end well, or, without a deed, the step by which a trouble without one was told. `files`: hash of those it names."""

    seq: int
    result: Result
    error: str
    tool: str
    call: int = 0
    deed: str = ""
    files: int = 0

    @property
    def outside(self) -> bool:
        """Tell whether it was refused or got no service: then any call of its kind shows that it works now."""
        return self.result in {"rejected", "unavailable"}


def failed_call(step: SessionStep) -> FailedCall:
    """Read a step whose call didn't end well."""
    phase = phase_of(step, again=False)
    return FailedCall(step.seq, step.result, step.error, step.tool, step.call, "" if phase is None else phase.deed, _place_of(step))


def progress(step: SessionStep, failed: FailedCall) -> TroubleOutcome | None:
    """Tell whether a step shows that a trouble is over, and how."""
    if step.kind == "prompt":
        return "approved" if ending(step.text) == "accepted" else None
    if step.result != "ok":
        return None
    if step.checks:
        return "check_passed"
    if _is_the_call(step, failed):
        return "call_worked"
    return "committed" if step.phase == "commit" else None


def _is_the_call(step: SessionStep, failed: FailedCall) -> bool:
    """Tell whether a call is the one that had failed, or one of its kind: what its program or its file says, not the tool alone."""
    if not failed.deed or step.tool != failed.tool:
        return False
    if step.call and step.call == failed.call:
        return True
    phase = phase_of(step, again=False)
    if phase is None or phase.deed != failed.deed:
        return False
    if failed.outside and SHELL_TOOL.search(step.tool) is None:
        return True
    if failed.deed == "edit":
        return failed.files != 0 and _place_of(step) == failed.files
    return failed.deed not in _COMMON_DEEDS


def _place_of(step: SessionStep) -> int:
    return digest("\0".join(step.files)) if step.files else 0
