"""Builds periods from time words: one rule for each way of naming a time, independent of the language. Doesn't join periods."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from app.knowledge.passages.dates import periods
from app.knowledge.passages.dates.periods import DayRange
from app.knowledge.passages.dates.phrases import Phrase, opener
from app.knowledge.passages.dates.tokens import ReadText
from app.knowledge.passages.dates.words import AFTER_MAY, FIRST_NAMES, FRENCH, MEASURES, PAST, SINGULARS_IN_S, VERSIONED

_ANY_UNIT = "(?:units?|year_mark|day_mark):"
_WHICH_UNIT = "(?:(?:this|last):unit:|unit:last_after:)"
_MONTH = "(?:month|ambiguous|abbreviation):"
_DAY = "(?:number|ordinal):"
_YEAR = "(?:(?:comma:|of:)?year:)?"
_GRAMMAR = re.compile(
    rf"""(?<![a-z_])(?:
      (?P<ago>        (?<!than:)(?<!over:)(?:number|one):(?:of:)?{_ANY_UNIT}ago:
                    | (?<!than:)(?:ago_before|vor):(?:number|one):units?:)
    | (?P<rolling>    (?<!than:)(?<!than:the:)(?:last|past):(?:number|one):(?:of:)?(?:last_after:)?{_ANY_UNIT}
                    | number:(?:last|last_after):units?: | last_after:number:units?:
                    | since:(?:number|one):units?:(?!ago:))
    | (?P<weekday_of> (?:french_)?weekday:(?:of:|the:)*{_WHICH_UNIT} | relative:(?:the:)?(?:on:)?weekday:)
    | (?P<in_year>    (?:month|ambiguous|quarter):(?:of:|the:)*{_WHICH_UNIT} | relative:(?:the:)?number:month_mark:(?:number:day_mark:)?)
    | (?P<relative>   (?<!every:)(?:(?:this|past):unit: | (?:the:)?last:unit:(?!of:) | unit:last_after: | relative:))
    | (?P<day>        (?<!every:)(?:day|today|french_day):)
    | (?P<days>       {_DAY}joined:(?:the:|on:)*{_DAY}(?:of:|the:)*{_MONTH}{_YEAR} | {_MONTH}{_DAY}joined:(?:the:)?{_DAY}{_YEAR})
    | (?P<date>       {_DAY}(?:of:|the:)*{_MONTH}{_YEAR} | {_MONTH}(?:the:)?{_DAY}(?!{_ANY_UNIT}){_YEAR})
    | (?P<signs>      (?:year:year_mark:)?(?<!every:)number:month_mark:(?:number:day_mark:|(?!number:)))
    | (?P<month_year> {_MONTH}(?:comma:|of:)?year:)
    | (?P<month>      (?:month|ambiguous):(?:last_after:)?)
    | (?P<quarter>    quarter:(?:of:)?(?:year:)? | year:(?:year_mark:)?quarter:)
    | (?P<weekday>    (?:(?:last|this):)?(?:french_)?weekday:(?:last_after:)?)
    | (?P<iso>        iso:)
    | (?P<year>       year:(?:year_mark:)?)
    )(?!noun:|(?:in:|of:)?every:)""",
    re.VERBOSE,
)
"""Matches a string of token kinds, each followed by a colon: `last:number:units:`. "The last month filter" is excluded by `noun`."""

_OPENS = frozenset({"since", "from", "before", "after", "vor", "between"})
_BEFORE_MONTH = _OPENS | {"in", "of", "the", "this", "last"}
_BEFORE_WEEKDAY = _OPENS | {"in", "on"}
_BEFORE_DATE = _OPENS | {"on"}
_BEFORE_YEAR = _OPENS | {"in", "of"}
"""Kinds of which one must precede a word that is often no time word."""
FIRST_YEAR = 2000
"""A smaller bare number isn't taken for a year."""

Certainty = Literal["sure", "joined", "framed"]
"""sure: a period by itself. joined: only if joined to one ("March and April"). framed: only inside "between … and", "from … to"."""
Read = tuple[DayRange, Certainty] | None


@dataclass(frozen=True, slots=True)
class FoundPeriod:
    """A period and the words [start, end) that name it. `opener`: the kind of the preceding word (since, before …), which opens a side."""

    period: DayRange
    certainty: Certainty
    start: int
    end: int
    opener: str


def found_periods(reading: ReadText, today: date) -> list[FoundPeriod]:
    """Return every possible period, in order."""
    kinds = "".join(f"{each.kind}:" for each in reading.words)
    made = []
    for match in _GRAMMAR.finditer(kinds):
        start, end = kinds.count(":", 0, match.start()), kinds.count(":", 0, match.end())
        phrase = Phrase(reading, start, end, opener(reading.words, start), today)
        if read := _RULES[match.lastgroup or ""](phrase):
            made.append(FoundPeriod(*read, start, end, phrase.opener))
    return made


def _if_any(period: DayRange | None, certainty: Certainty = "sure") -> Read:
    return None if period is None else (period, certainty)


def _ago(phrase: Phrase) -> Read:
    """Rule for "two weeks ago", vor zwei Wochen, il y a deux semaines, 两周前."""
    count = phrase.number("number", "one")
    return (periods.ago(phrase.unit(), count, phrase.today), "sure") if count else None


def _rolling(phrase: Phrase) -> Read:
    """Rule for "the last three days", ces trois derniers jours, seit drei Tagen; but not "since a day is 24 hours"."""
    count = phrase.number("number", "one")
    causal = phrase.has("since") and any(each.text.lower() in ("a", "an") for each in phrase.words)
    return (periods.rolling(phrase.unit(), count, phrase.today), "sure") if count and not causal else None


def _weekday_of(phrase: Phrase) -> Read:
    """Rule for "Monday of last week"."""
    if phrase.unit() != "week":
        return None
    monday = periods.calendar_unit("week", phrase.today, phrase.offset()).start
    return periods.day(monday + timedelta(days=phrase.numbers("weekday", "french_weekday")[0])), "sure"


def _in_year(phrase: Phrase) -> Read:
    """Rule for "March last year", "Q2 of this year", 去年三月五日."""
    if phrase.unit() != "year":
        return None
    year = phrase.today.year + phrase.offset()
    if quarter := phrase.number("quarter"):
        return periods.quarter(year, quarter), "sure"
    month, *day = phrase.numbers("month", "ambiguous", "number")
    return _if_any(periods.dated(year, month, day[0] if day else None))


def _relative(phrase: Phrase) -> Read:
    """Rule for "this week", "last month"; "the past week" and "the last week" are seven days. Days have words of their own."""
    unit = phrase.unit()
    if unit == "day":
        return None
    if phrase.has("past") or [each.text.lower() for each in phrase.words[:2]] == ["the", "last"]:
        return periods.rolling(unit, 1, phrase.today), "sure"
    return periods.calendar_unit(unit, phrase.today, phrase.offset()), "sure"


def _day(phrase: Phrase) -> Read:
    """Rule for "yesterday"; "today" needs a past tense, else it means nowadays; `hier` needs French, as in German it means "here"."""
    word = phrase.words[0]
    if word.kind == "today" and phrase.opener != "since" and not phrase.sentence_has(PAST):
        return None
    if word.kind == "french_day" and not phrase.sentence_has(FRENCH):
        return None
    return periods.calendar_unit("day", phrase.today, word.number), "sure"


def _days(phrase: Phrase) -> Read:
    """Rule for "March 5 to 10"."""
    first, last = phrase.numbers("number", "ordinal")
    one, other = _of_month(phrase, first), _of_month(phrase, last)
    return (periods.hull(one, other), _of_date(phrase)) if one and other else None


def _date(phrase: Phrase) -> Read:
    """Rule for "March 5th, 2025", le 5 mars. In "in March 5 people" the number isn't a day."""
    if phrase.opener == "in" and phrase.words[0].kind in ("month", "ambiguous") and not phrase.has("ordinal", "year"):
        return periods.latest_month(phrase.numbers("month", "ambiguous")[0], phrase.today), "sure"
    return _if_any(_of_month(phrase, phrase.numbers("number", "ordinal")[0]), _of_date(phrase))


def _of_month(phrase: Phrase, day: int) -> DayRange | None:
    month, year = phrase.numbers("month", "ambiguous", "abbreviation")[0], phrase.number("year")
    return periods.dated(year, month, day) if year else periods.latest_date(month, day, phrase.today)


def _of_date(phrase: Phrase) -> Certainty:
    return "sure" if phrase.has("month", "ordinal", "year") or phrase.opener in _BEFORE_DATE else "framed"


def _signs(phrase: Phrase) -> Read:
    """Rule for 三月, 3月5日, 2025年3月."""
    year, (month, *day) = phrase.number("year"), phrase.numbers("number")
    if year:
        return _if_any(periods.dated(year, month, day[0] if day else None))
    if day:
        return _if_any(periods.latest_date(month, day[0], phrase.today))
    return (periods.latest_month(month, phrase.today), "sure") if 1 <= month <= 12 else None


def _month_year(phrase: Phrase) -> Read:
    return periods.month(phrase.numbers("year")[0], phrase.numbers("month", "ambiguous", "abbreviation")[0]), "sure"


def _month(phrase: Phrase) -> Read:
    """Rule for "in March", "last March", mars dernier."""
    word, before = phrase.words[0], phrase.before()
    period = periods.latest_month(word.number, phrase.today)
    if before == "this":
        period = periods.month(phrase.today.year, word.number)
    elif (before == "last" or phrase.has("last_after")) and period.end > phrase.today:
        period = periods.month(period.start.year - 1, word.number)
    sure = phrase.has("last_after") or before in _BEFORE_MONTH or phrase.opener in _BEFORE_MONTH
    if word.kind == "ambiguous":
        return period, _of_ambiguous(phrase, sure=sure)
    if phrase.opener == "of" and word.text.lower() in FIRST_NAMES:
        sure = False
    return period, "sure" if sure else "joined"


def _of_ambiguous(phrase: Phrase, *, sure: bool) -> Certainty:
    """Tell the months March and May from the verbs by the words around them: "the line before may differ"."""
    word, before = phrase.words[0].text, phrase.before()
    article = before in ("the", "this") or (before == "last" and not word.istitle())
    following = phrase.rest()
    if word == "may" and following and not (phrase.opener == "between" and following[0].kind == "joined"):
        sure = sure and (following[0].kind in ("stop", "comma") or following[0].text.lower() in AFTER_MAY)
    if sure and not article:
        return "sure"
    return "joined" if word.istitle() else "framed"


def _quarter(phrase: Phrase) -> Read:
    number, year = phrase.numbers("quarter")[0], phrase.number("year")
    if year:
        return periods.quarter(year, number), "sure"
    return periods.latest_quarter(number, phrase.today), "sure" if phrase.opener in _BEFORE_MONTH else "joined"


def _weekday(phrase: Phrase) -> Read:
    """Rule for "on Monday", "last Monday", lundi dernier; French needs no preposition: "qu'avons-nous décidé lundi ?"."""
    number = phrase.numbers("weekday", "french_weekday")[0]
    if any(each.kind == "every" for each in phrase.reading.words[max(0, phrase.start - 3) : phrase.start]):
        return None
    if phrase.has("this"):
        return periods.day(periods.calendar_unit("week", phrase.today).start + timedelta(days=number)), "sure"
    last = phrase.has("last", "last_after")
    period = periods.latest_weekday(number, phrase.today - timedelta(days=1) if last else phrase.today)
    french = phrase.has("french_weekday") and phrase.before() not in ("the", "of", "ordinal", "number") and phrase.sentence_has(PAST)
    return period, "sure" if last or french or phrase.opener in _BEFORE_WEEKDAY else "joined"


def _iso(phrase: Phrase) -> Read:
    """Rule for numeric dates (2025-03-05); excludes time stamps of log lines, and dates that name a version."""
    asked = phrase.opener in ("on", "since", "before", "after", "vor")
    ahead = 6 if phrase.after() == "joined" else 1 if asked else 3
    if (phrase.after() == "clock" and not asked) or phrase.near(0 if asked else 3, ahead) & VERSIONED:
        return None
    year, month, day = phrase.words[0].date
    return _if_any(periods.dated(year, month, day or None))


def _year(phrase: Phrase) -> Read:
    """Rule for a year, unless the number counts something: "in 2048 tokens", "from 2000 to 3000"."""
    year = phrase.numbers("year")[0]
    if not FIRST_YEAR <= year <= phrase.today.year:
        return None
    period = periods.calendar_unit("year", date(year, 1, 1))
    if phrase.has("year_mark"):
        return period, "sure"
    following = next((each for each in phrase.rest(3) if each.kind not in ("joined", "year", "the")), None)
    if following and _counted(following.text.lower(), range_end=phrase.after() == "joined" and following.kind != "iso"):
        return None
    return period, "sure" if phrase.opener in _BEFORE_YEAR else "joined"


def _counted(word: str, *, range_end: bool) -> bool:
    plural = len(word) > 3 and word.endswith("s") and word not in SINGULARS_IN_S
    return plural or word in MEASURES or (range_end and word[:1].isdigit())


_RULES: dict[str, Callable[[Phrase], Read]] = {
    "ago": _ago,
    "rolling": _rolling,
    "weekday_of": _weekday_of,
    "in_year": _in_year,
    "relative": _relative,
    "day": _day,
    "days": _days,
    "date": _date,
    "signs": _signs,
    "month_year": _month_year,
    "month": _month,
    "quarter": _quarter,
    "weekday": _weekday,
    "iso": _iso,
    "year": _year,
}
