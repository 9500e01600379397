"""Explains in words why a call cost what it did. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.budget.requests import RequestOutcome
from app.budget.views import RequestSpending
from app.dashboard import formatting

Tone = Literal["good", "plain", "warn", "bad"]
CACHE_TIERS = {
    "memory": "this server's memory",
    "redis": "the shared cache",
    "database": "the cache in PostgreSQL",
    "semantic": "a similar question's answer",
}
"""Cache tier that answered → words."""
CHARGE_MARKS: dict[str | None, tuple[Tone, str]] = {
    "partial": ("warn", "cut short: the client disconnected; charged for what was produced"),
    "counted": ("plain", "the provider reported no usage: Cairn counted the tokens"),
    "overrun": ("bad", "cost more than was reserved for it: charged only what was reserved"),
    "disputed": ("bad", "the provider's reported usage is impossible: charged what was reserved"),
    "corrected": ("plain", "the charge was corrected: see the ledger history"),
}
"""The mark of a charge in the ledger → tone and words."""
NOT_ANSWERED: dict[int, str] = {
    RequestOutcome.BAD_REQUEST: "refused: the request was not valid",
    RequestOutcome.NOT_AUTHENTICATED: "refused: the key was not valid",
    RequestOutcome.OVER_BUDGET: "refused: over the budget",
    RequestOutcome.NOT_PERMITTED: "refused: the key lacks this permission",
    RequestOutcome.NOT_FOUND: "refused: no such model",
    RequestOutcome.CONFLICT: "refused: it conflicts with another request",
    RequestOutcome.CHANGED_MEANWHILE: "refused: somebody else changed it first",
    RequestOutcome.TOO_LARGE: "refused: the request was too large",
    RequestOutcome.INVALID: "refused: a field of the request was not valid",
    RequestOutcome.RATE_LIMITED: "refused: a rate limit was reached, the providers' or that of texts to embed",
    RequestOutcome.CALLER_LEFT: "the client disconnected",
    RequestOutcome.FAILED: "failed: an unexpected error in Cairn, see the server's log",
    RequestOutcome.PROVIDERS_FAILED: "no provider answered",
    RequestOutcome.UNAVAILABLE: "refused: a dependency was unavailable",
    RequestOutcome.TIMED_OUT: "timed out",
}
"""Outcomes other than ANSWERED → words."""


@dataclass(frozen=True, slots=True)
class Reason:
    tone: Tone
    text: str


def reasons(call: RequestSpending) -> list[Reason]:
    """Explain a call's cost: why it was not answered, cache, failed providers, charge; empty for a call without anything special."""
    found: list[Reason] = []
    answered = call.status == RequestOutcome.ANSWERED
    if not answered:
        found.append(Reason("bad", NOT_ANSWERED.get(call.status, f"failed with status {call.status}")))
    if call.cache != "miss":
        saved = f", saved {formatting.fine_dollars(call.saved_nanousd)}" if call.saved_nanousd else ""
        found.append(Reason("good", f"from {CACHE_TIERS.get(call.cache, call.cache)}{saved}"))
    failed = [each.provider for each in call.attempts if each.state == "released"]
    unknown = [each.provider for each in call.attempts if each.state == "unreconciled"]
    if failed:
        by = f", {call.provider} answered" if answered and call.provider else ""
        found.append(Reason("warn", f"{_listed(failed)} failed{by}"))
    if unknown:
        found.append(Reason("bad", f"outcome at {_listed(unknown)} unconfirmed: charged the most it can cost"))
    if call.mark in CHARGE_MARKS:
        found.append(Reason(*CHARGE_MARKS[call.mark]))
    if any(each.state == "held" for each in call.attempts):
        found.append(Reason("plain", "running"))
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
