"""Turns the ledger's alerts into text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from app.budget.alerting import SentAlert
from app.dashboard import formatting

GROUPED = ("day-", "overrun-", "disputed-")


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """One line about alerts: of the team or a budget, its text, and the time of the latest."""

    whose: Literal["team", "budget"]
    tone: Literal["warn", "bad"]
    text: str
    at: datetime


def notices(said: Sequence[SentAlert]) -> list[NoticeLine]:
    """Return the lines, the newest first. Alerts that can repeat daily or per call are grouped into one line with their count."""
    found: list[NoticeLine] = []
    grouped: dict[tuple[str, str], list[SentAlert]] = {}
    for each in said:
        prefix = next((prefix for prefix in GROUPED if each.rule.startswith(prefix)), None)
        if prefix is not None:
            grouped.setdefault((each.subject, prefix), []).append(each)
        else:
            found.append(NoticeLine(_whose(each), "bad" if each.rule == "100%" else "warn", _text(each.rule), each.at))
    for (_, prefix), several in grouped.items():
        latest = max(several, key=lambda each: each.rule if prefix == "day-" else each.at.isoformat())
        found.append(NoticeLine(_whose(latest), "warn" if prefix == "day-" else "bad", _together(prefix, several, latest), latest.at))
    return sorted(found, key=lambda notice: notice.at, reverse=True)


def _text(rule: str) -> str:
    """Describe a rule, which `app/alerts/budget_rules.py` names."""
    if rule.startswith("tokens-"):
        return f"{rule.removeprefix('tokens-').removesuffix('%')} % of the month's tokens are used"
    if rule.endswith("-early"):
        return f"{rule.removesuffix('%-early')} % of the limit is spent, with more than a week to go"
    return "The limit is reached" if rule == "100%" else f"{rule.removesuffix('%')} % of the limit is spent"


def _together(prefix: str, several: Sequence[SentAlert], latest: SentAlert) -> str:
    calls, them = ("A call", "it") if len(several) == 1 else (f"{len(several)} calls", "them")
    if prefix == "overrun-":
        return f"{calls} cost more than was reserved for {them}: only what was reserved was charged"
    if prefix == "disputed-":
        return f"{calls}: the provider reported an impossible usage, so what was reserved for {them} was charged"
    last = formatting.day(date.fromisoformat(latest.rule.removeprefix(prefix)))
    more = "" if len(several) == 1 else f", and on {len(several) - 1} other days"
    return f"The team used more tokens than planned on {last}{more}"


def _whose(said: SentAlert) -> Literal["team", "budget"]:
    return "team" if said.subject == "team" else "budget"
