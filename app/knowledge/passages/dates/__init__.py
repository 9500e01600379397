"""Recognises the period that a question names ("what did we decide last week?"). Pure; used as a boost in ranking: precision before recall.

`tokens` finds time words, `words` and `cjk_words` list them in six languages, `grammar` builds periods from them with the calendar of
`periods`; this module joins periods ("between March and May"), opens them ("since Tuesday") and converts them to UTC. Ignored: vague words
("recently"), the future, quoted text, code, names and versions that contain a date, "today" in the sense of "nowadays".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from app.knowledge.passages.dates.grammar import FoundPeriod, found_periods
from app.knowledge.passages.dates.periods import DayRange, hull
from app.knowledge.passages.dates.tokens import ReadText, Token, read
from app.knowledge.passages.dates.words import ACCENTS

__all__ = ["EARLIEST", "NamedPeriod", "named", "window"]

EARLIEST = date(1970, 1, 1)
"""Start of a period without a beginning: "before May"."""
_DAY = timedelta(days=1)
_JOINT = re.compile(r"(?:comma:)?(?:joined|one|onward):(?:(?:the|of|in|on|from|since|before|between):)*")


@dataclass(frozen=True, slots=True)
class NamedPeriod:
    """The period that a question names, [since, until) in UTC, and the words that name it, without accents: `since`, `last`, `week`."""

    since: datetime
    until: datetime
    words: tuple[str, ...]

    def says(self, word: str) -> bool:
        """Tell whether a word or term of the question is part of the period's name."""
        plain = word.translate(ACCENTS).casefold()
        said = [each.casefold() for each in self.words]
        return plain in said or (not word.isascii() and plain in "".join(said))  # Chinese is written without spaces


def window(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the period that a question names, [since, until) in UTC; None if it names none, or one in the future.

    Days are those of `now`'s time zone (UTC if it has none); weeks begin on Monday. Joined periods ("from … to …") count as one, from the
    first's start to the last's end; of several that aren't joined, the first counts.
    """
    found = named(text, now)
    return None if found is None else (found.since, found.until)


def named(text: str, now: datetime) -> NamedPeriod | None:
    """Return the same as `window`, with the words that name the period."""
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
    return NamedPeriod(since, until, tuple(each.text for each in reading.words[words]))


def _period(reading: ReadText, today: date) -> tuple[DayRange, slice] | None:
    """Return the period and the slice of the words that name it."""
    found = found_periods(reading, today)
    for place, first in enumerate(found):
        joined = _joined(reading.words, first, found[place + 1 :])
        if first.certainty == "sure" or (joined and first.opener in ("between", "from", "of")):
            start = max(0, first.start - 1) if first.opener else first.start
            return _reach(reading.words, first, joined, today), slice(start, (joined or [first])[-1].end)
    return None


def _joined(words: Sequence[Token], first: FoundPeriod, others: Sequence[FoundPeriod]) -> list[FoundPeriod]:
    """Return the periods joined to the first, in a chain: "March and April and May" is three periods."""
    made: list[FoundPeriod] = []
    end = first.end
    for other in others:
        joint = _JOINT.fullmatch("".join(f"{each.kind}:" for each in words[end : other.start]))
        if not joint or (other.certainty == "framed" and first.opener not in ("between", "from")):
            break
        made.append(other)
        end = other.end
    return made


def _reach(words: Sequence[Token], first: FoundPeriod, joined: Sequence[FoundPeriod], today: date) -> DayRange:
    """Merge joined periods, and open a side for "since", "before" and "after"."""
    period = first.period
    for other in joined:
        if other.opener == "before":  # since March and before May
            return DayRange(period.start, other.period.start)
        period = hull(period, other.period)
    last = (joined or [first])[-1]
    closer = words[last.end].kind if last.end < len(words) else ""
    if first.opener in ("before", "vor") or closer == "ago":
        return DayRange(EARLIEST, period.start)
    if first.opener == "after" or closer == "later":
        one_day = period.end - period.start <= _DAY  # "after Monday's deploy": what came later on Monday counts
        return DayRange(period.start if one_day else period.end, today + _DAY)
    if not joined and (first.opener == "since" or closer == "onward"):
        return DayRange(period.start, max(today + _DAY, period.end))
    return period
