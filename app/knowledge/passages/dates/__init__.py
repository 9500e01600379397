"""The period that a question speaks of: "what did we decide last week?". Pure; a soft window in ranking, so precision comes before recall.

`tokens` finds the words of time, `words` and `signs` know them in six languages, `grammar` makes periods of them by the calendar of
`periods`; here periods are joined ("between March and May"), opened ("since Tuesday") and put in UTC. No window: vague words
("recently"), what lies ahead, quoted text, code, names and versions with a date in them, "today" for "nowadays".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from app.knowledge.passages.dates.grammar import Found, found_periods
from app.knowledge.passages.dates.periods import Period, hull
from app.knowledge.passages.dates.tokens import Reading, Token, read
from app.knowledge.passages.dates.words import ACCENTS

__all__ = ["EARLIEST", "Named", "named", "window"]

EARLIEST = date(1970, 1, 1)
"""Where a period begins that has no beginning: "before May"."""
_DAY = timedelta(days=1)
_JOINT = re.compile(r"(?:comma:)?(?:joined|one|onward):(?:(?:the|of|in|on|from|since|before|between):)*")


@dataclass(frozen=True, slots=True)
class Named:
    """The period that a question names, [since, until) in UTC, and the words that name it, without accents: `since`, `last`, `week`."""

    since: datetime
    until: datetime
    words: tuple[str, ...]

    def says(self, word: str) -> bool:
        """Tell whether a word or a term of the question is one of those that name the period."""
        plain = word.translate(ACCENTS).casefold()
        said = [each.casefold() for each in self.words]
        return plain in said or (not word.isascii() and plain in "".join(said))  # Chinese words stand together


def window(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the period that a question speaks of as [since, until) in UTC; None where it names none, or one that hasn't begun.

    Days are those of `now`'s time zone (UTC where it has none), weeks begin on Monday. Periods that words join are one, from the start of
    the first to the end of the last; else the first counts.
    """
    found = named(text, now)
    return None if found is None else (found.since, found.until)


def named(text: str, now: datetime) -> Named | None:
    """Return the same with the words that say it."""
    zone = now.tzinfo or UTC
    try:
        reading = read(text)
        found = _period(reading, now.date())
        if found is None or found[0].start >= found[0].end or found[0].start > now.date():
            return None
        period, words = found
        since, until = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (period.start, period.end))
    except (OverflowError, ValueError):  # before the year 1 or after 9999
        return None
    return Named(since, until, tuple(each.text for each in reading.words[words]))


def _period(reading: Reading, today: date) -> tuple[Period, slice] | None:
    """The period, and which words say it."""
    found = found_periods(reading, today)
    for place, first in enumerate(found):
        joined = _joined(reading.words, first, found[place + 1 :])
        if first.certainty == "sure" or (joined and first.opener in ("between", "from", "of")):
            start = max(0, first.start - 1) if first.opener else first.start
            return _reach(reading.words, first, joined, today), slice(start, (joined or [first])[-1].end)
    return None


def _joined(words: Sequence[Token], first: Found, others: Sequence[Found]) -> list[Found]:
    """What is joined with the first one, one after the other: "March and April and May" are three."""
    made: list[Found] = []
    end = first.end
    for other in others:
        joint = _JOINT.fullmatch("".join(f"{each.kind}:" for each in words[end : other.start]))
        if not joint or (other.certainty == "framed" and first.opener not in ("between", "from")):
            break
        made.append(other)
        end = other.end
    return made


def _reach(words: Sequence[Token], first: Found, joined: Sequence[Found], today: date) -> Period:
    """How far the period reaches: what is joined is one, "since", "before" and "after" open a side."""
    period = first.period
    for other in joined:
        if other.opener == "before":  # since March and before May
            return Period(period.start, other.period.start)
        period = hull(period, other.period)
    last = (joined or [first])[-1]
    closer = words[last.end].kind if last.end < len(words) else ""
    if first.opener in ("before", "vor") or closer == "ago":
        return Period(EARLIEST, period.start)
    if first.opener == "after" or closer == "later":
        one_day = period.end - period.start <= _DAY  # "after Monday's deploy": what came later on Monday counts
        return Period(period.start if one_day else period.end, today + _DAY)
    if not joined and (first.opener == "since" or closer == "onward"):
        return Period(period.start, max(today + _DAY, period.end))
    return period
