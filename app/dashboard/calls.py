"""Explains in words why a call cost what it did. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.budget.requests import RequestOutcome
from app.budget.views import RequestSpending
from app.dashboard import formatting

Tone = Literal["good", "plain", "warn", "bad"]
TIERS = {
    "memory": "this server's memory",
    "redis": "the shared cache",
    "database": "the database's cache",
    "semantic": "a similar question's answer",
}
MARKS: dict[str | None, tuple[Tone, str]] = {
    "partial": ("warn", "cut short: the client disconnected; charged for what was produced"),
    "counted": ("plain", "the provider reported no usage: counted by Cairn"),
    "overrun": ("bad", "cost more than was held for it: charged only what was held"),
    "disputed": ("bad", "the provider's reported usage is impossible: charged what was held"),
    "corrected": ("plain", "the charge was corrected: see the history"),
}
REFUSED: dict[int, str] = {
    RequestOutcome.REFUSED: "refused: the request was wrong",
    RequestOutcome.OVER_BUDGET: "refused: over the budget",
    RequestOutcome.NOT_FOUND: "refused: no such model",
    RequestOutcome.RATE_LIMITED: "refused: providers asked to wait",
    RequestOutcome.CALLER_LEFT: "the client disconnected",
    RequestOutcome.PROVIDERS_FAILED: "no provider answered",
    RequestOutcome.UNAVAILABLE: "refused: a dependency was unavailable",
    RequestOutcome.TIMED_OUT: "ran out of time",
    RequestOutcome.CONFLICT: "refused: it was being made already",
    RequestOutcome.INVALID: "refused: a field of the request was wrong",
    RequestOutcome.FAILED: "the server failed unexpectedly",
}


@dataclass(frozen=True, slots=True)
class Reason:
    tone: Tone
    text: str


def reasons(call: RequestSpending) -> list[Reason]:
    """Explain a call's cost, the least usual reason first; empty for a call without anything special."""
    found: list[Reason] = []
    answered = call.status == RequestOutcome.ANSWERED
    if not answered:
        found.append(Reason("bad", REFUSED.get(call.status, f"failed with status {call.status}")))
    if call.cache != "miss":
        saved = f", saved {formatting.fine_dollars(call.saved_nanousd)}" if call.saved_nanousd else ""
        found.append(Reason("good", f"from {TIERS.get(call.cache, call.cache)}{saved}"))
    failed = [each.provider for each in call.attempts if each.state == "released"]
    unknown = [each.provider for each in call.attempts if each.state == "unreconciled"]
    if failed:
        by = f", {call.provider} answered" if answered and call.provider else ""
        found.append(Reason("warn", f"{_listed(failed)} failed{by}"))
    if unknown:
        found.append(Reason("bad", f"outcome at {_listed(unknown)} unknown: charged at its estimate"))
    if call.mark in MARKS:
        found.append(Reason(*MARKS[call.mark]))
    if any(each.state == "held" for each in call.attempts):
        found.append(Reason("plain", "under way"))
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
