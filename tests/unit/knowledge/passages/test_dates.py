"""Which period does a question speak of? Read on Saturday, 28 November 2026."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.knowledge.passages.dates import named, periods, window
from app.knowledge.passages.dates.cjk_words import CJK_LEXICON
from app.knowledge.passages.dates.tokens import MAX_CHARS
from app.knowledge.passages.dates.words import LEXICON

NOW = datetime(2026, 11, 28, 15, 30, tzinfo=UTC)


def told(text: str, now: datetime = NOW) -> str | None:
    """The first and the last day of the window; None where there is none."""
    found = window(text, now)
    return found and f"{found[0]:%Y-%m-%d} {found[1] - timedelta(days=1):%Y-%m-%d}"


ENGLISH = {
    "what did we decide yesterday?": "2026-11-27 2026-11-27",
    "Yesterday we chose a queue. Which one?": "2026-11-27 2026-11-27",
    "why did yesterday's deploy fail": "2026-11-27 2026-11-27",
    "the day before yesterday": "2026-11-26 2026-11-26",
    "what broke last night": "2026-11-27 2026-11-27",
    "What have we changed today?": "2026-11-28 2026-11-28",
    "today's decisions": "2026-11-28 2026-11-28",
    "what did the agent say this morning": "2026-11-28 2026-11-28",
    "what did we settle this week": "2026-11-23 2026-11-29",
    "last week": "2026-11-16 2026-11-22",
    "decisions of the week before last": "2026-11-09 2026-11-15",
    "this month": "2026-11-01 2026-11-30",
    "Which migrations came last month?": "2026-10-01 2026-10-31",
    "last month's outage": "2026-10-01 2026-10-31",
    "in the past month": "2026-10-28 2026-11-28",
    "in the last week": "2026-11-21 2026-11-28",
    "this quarter": "2026-10-01 2026-12-31",
    "previous quarter": "2026-07-01 2026-09-30",
    "this year": "2026-01-01 2026-12-31",
    "last year": "2025-01-01 2025-12-31",
    "over the last 3 days": "2026-11-25 2026-11-28",
    "during the past two weeks": "2026-11-14 2026-11-28",
    "in the last 6 months": "2026-05-28 2026-11-28",
    "4 days ago": "2026-11-24 2026-11-24",
    "what was said two weeks ago?": "2026-11-11 2026-11-17",
    "a month ago": "2026-10-13 2026-11-12",
    "a couple of days ago": "2026-11-26 2026-11-26",
    "what did we ship in March?": "2026-03-01 2026-03-31",
    "in march 2025": "2025-03-01 2025-03-31",
    "what happened in may": "2026-05-01 2026-05-31",
    "In May, which parser did we drop?": "2026-05-01 2026-05-31",
    "May 2024": "2024-05-01 2024-05-31",
    "in December": "2025-12-01 2025-12-31",
    "early October": "2026-10-01 2026-10-31",
    "mid-September": "2026-09-01 2026-09-30",
    "the January release": "2026-01-01 2026-01-31",
    "last November": "2025-11-01 2025-11-30",
    "this November": "2026-11-01 2026-11-30",
    "April last year": "2025-04-01 2025-04-30",
    "Feb 2026": "2026-02-01 2026-02-28",
    "Sept 9": None,
    "on Sept 9": "2026-09-09 2026-09-09",
    "March 5th": "2026-03-05 2026-03-05",
    "the deploy of December 24": "2025-12-24 2025-12-24",
    "on 3 June 2025": "2025-06-03 2025-06-03",
    "the 3rd of June, 2025": "2025-06-03 2025-06-03",
    "on July 4, 2024 we moved": "2024-07-04 2024-07-04",
    "In March 5 people complained": "2026-03-01 2026-03-31",
    "on February 29th": "2024-02-29 2024-02-29",
    "on March 5-9": "2026-03-05 2026-03-09",
    "from 5 to 9 April": "2026-04-05 2026-04-09",
    "on Monday": "2026-11-23 2026-11-23",
    "on Saturday": "2026-11-28 2026-11-28",
    "last Saturday": "2026-11-21 2026-11-21",
    "Friday's review": "2026-11-27 2026-11-27",
    "Wednesday last week": "2026-11-18 2026-11-18",
    "since Tuesday": "2026-11-24 2026-11-28",
    "what is new since last week?": "2026-11-16 2026-11-28",
    "since March 2026": "2026-03-01 2026-11-28",
    "since 2024-02-10": "2024-02-10 2026-11-28",
    "after Monday's deploy": "2026-11-23 2026-11-28",
    "after March": "2026-04-01 2026-11-28",
    "before May": "1970-01-01 2026-04-30",
    "how was it before last month": "1970-01-01 2026-09-30",
    "between March and May": "2026-03-01 2026-05-31",
    "between march and may": "2026-03-01 2026-05-31",
    "between August and October 2025": "2025-08-01 2025-10-31",
    "from November to February": "2025-11-01 2026-02-28",
    "between November 2024 and January": "2024-11-01 2025-01-31",
    "from Thursday to Tuesday": "2026-11-19 2026-11-24",
    "between 2025-03-05 and 2025-04-07": "2025-03-05 2025-04-07",
    "yesterday and the day before yesterday": "2026-11-26 2026-11-27",
    "in June and July and August": "2026-06-01 2026-08-31",
    "since March and before June": "2026-03-01 2026-05-31",
    "What did we do in June? In July we rested.": "2026-06-01 2026-06-30",
    "on 2025-03-05": "2025-03-05 2025-03-05",
    "2025-03-05": "2025-03-05 2025-03-05",
    "what happened 2025/03/05?": "2025-03-05 2025-03-05",
    "(2025-03)": "2025-03-01 2025-03-31",
    "since 2025-03-05T10:20:30Z": "2025-03-05 2026-11-28",
    "05.03.2025": "2025-03-05 2025-03-05",
    "Q2 2025": "2025-04-01 2025-06-30",
    "2024-Q4": "2024-10-01 2024-12-31",
    "what did we ship in Q3?": "2026-07-01 2026-09-30",
    "in Q4 last year": "2025-10-01 2025-12-31",
    "in 2025": "2025-01-01 2025-12-31",
    "between 2023 and 2024": "2023-01-01 2024-12-31",
    '"what did we do yesterday?"': "2026-11-27 2026-11-27",
    "**yesterday**, what broke?": "2026-11-27 2026-11-27",
}
GERMAN = {
    "Was haben wir gestern beschlossen?": "2026-11-27 2026-11-27",
    "vorgestern": "2026-11-26 2026-11-26",
    "Was ist heute passiert?": "2026-11-28 2026-11-28",
    "diese Woche": "2026-11-23 2026-11-29",
    "Was wurde letzte Woche geändert?": "2026-11-16 2026-11-22",
    "vorletzte Woche": "2026-11-09 2026-11-15",
    "im vergangenen Monat": "2026-10-01 2026-10-31",
    "letztes Quartal": "2026-07-01 2026-09-30",
    "voriges Jahr": "2025-01-01 2025-12-31",
    "in den letzten drei Tagen": "2026-11-25 2026-11-28",
    "vor zwei Wochen": "2026-11-11 2026-11-17",
    "vor fünf Tagen": "2026-11-23 2026-11-23",
    "seit zwei Wochen": "2026-11-14 2026-11-28",
    "im März": "2026-03-01 2026-03-31",
    "Ende Maerz 2025": "2025-03-01 2025-03-31",
    "am 5. März": "2026-03-05 2026-03-05",
    "am 5. Oktober 2024": "2024-10-05 2024-10-05",
    "am Montag": "2026-11-23 2026-11-23",
    "letzten Dienstag": "2026-11-24 2026-11-24",
    "seit Dienstag": "2026-11-24 2026-11-28",
    "vor Mai": "1970-01-01 2026-04-30",
    "nach dem 3. Juli": "2026-07-03 2026-11-28",
    "zwischen März und Mai": "2026-03-01 2026-05-31",
    "von Januar bis März 2025": "2025-01-01 2025-03-31",
}
FRENCH = {
    "Qu'avons-nous décidé hier ?": "2026-11-27 2026-11-27",
    "avant-hier": "2026-11-26 2026-11-26",
    "qu'est-ce qu'on a changé aujourd'hui, qui l'a été": "2026-11-28 2026-11-28",
    "cette semaine": "2026-11-23 2026-11-29",
    "la semaine dernière": "2026-11-16 2026-11-22",
    "le mois passé": "2026-10-01 2026-10-31",
    "l'année dernière": "2025-01-01 2025-12-31",
    "l’an dernier": "2025-01-01 2025-12-31",
    "ces trois derniers jours": "2026-11-25 2026-11-28",
    "les 2 dernières semaines": "2026-11-14 2026-11-28",
    "il y a quatre jours": "2026-11-24 2026-11-24",
    "il y a un mois": "2026-10-13 2026-11-12",
    "depuis deux semaines": "2026-11-14 2026-11-28",
    "en août": "2026-08-01 2026-08-31",
    "en février 2025": "2025-02-01 2025-02-28",
    "le 5 mars": "2026-03-05 2026-03-05",
    "le 1er juin 2025": "2025-06-01 2025-06-01",
    "lundi dernier": "2026-11-23 2026-11-23",
    "Qu'avons-nous choisi mercredi ?": "2026-11-25 2026-11-25",
    "depuis mardi": "2026-11-24 2026-11-28",
    "avant mai": "1970-01-01 2026-04-30",
    "entre mars et mai": "2026-03-01 2026-05-31",
    "de mars à mai": "2026-03-01 2026-05-31",
}
SPANISH = {
    "¿Qué decidimos ayer?": "2026-11-27 2026-11-27",
    "anteayer": "2026-11-26 2026-11-26",
    "¿Qué hicimos hoy?": "2026-11-28 2026-11-28",
    "esta semana": "2026-11-23 2026-11-29",
    "la semana pasada": "2026-11-16 2026-11-22",
    "el mes pasado": "2026-10-01 2026-10-31",
    "el año pasado": "2025-01-01 2025-12-31",
    "los últimos 3 días": "2026-11-25 2026-11-28",
    "hace dos semanas": "2026-11-11 2026-11-17",
    "en enero de 2025": "2025-01-01 2025-01-31",
    "el 5 de marzo": "2026-03-05 2026-03-05",
    "el lunes": "2026-11-23 2026-11-23",
    "desde el martes": "2026-11-24 2026-11-28",
    "antes de mayo": "1970-01-01 2026-04-30",
    "entre marzo y mayo": "2026-03-01 2026-05-31",
    "de junio a agosto": "2026-06-01 2026-08-31",
}
CHINESE = {
    "昨天我们决定了什么": "2026-11-27 2026-11-27",
    "前天的部署": "2026-11-26 2026-11-26",
    "今天修复了什么": "2026-11-28 2026-11-28",
    "上周修复了什么bug": "2026-11-16 2026-11-22",
    "上週": "2026-11-16 2026-11-22",
    "这周": "2026-11-23 2026-11-29",
    "上上周": "2026-11-09 2026-11-15",
    "上周三": "2026-11-18 2026-11-18",
    "上个月的迁移": "2026-10-01 2026-10-31",
    "本季度": "2026-10-01 2026-12-31",
    "去年": "2025-01-01 2025-12-31",
    "三月": "2026-03-01 2026-03-31",
    "十二月": "2025-12-01 2025-12-31",
    "3月份": "2026-03-01 2026-03-31",
    "去年三月": "2025-03-01 2025-03-31",
    "2025年3月": "2025-03-01 2025-03-31",
    "2025年3月5日": "2025-03-05 2025-03-05",
    "２０２５年３月": "2025-03-01 2025-03-31",
    "5月20号": "2026-05-20 2026-05-20",
    "2025年第二季度": "2025-04-01 2025-06-30",
    "2025年": "2025-01-01 2025-12-31",
    "3天前": "2026-11-25 2026-11-25",
    "两周前": "2026-11-11 2026-11-17",
    "最近三天": "2026-11-25 2026-11-28",
    "星期二": "2026-11-24 2026-11-24",
    "从周二开始": "2026-11-24 2026-11-28",
    "三月到五月": "2026-03-01 2026-05-31",
    "五月之前": "1970-01-01 2026-04-30",
    "3月5日以后": "2026-03-05 2026-11-28",
}
JAPANESE = {
    "昨日何を決めた？": "2026-11-27 2026-11-27",
    "一昨日": "2026-11-26 2026-11-26",
    "先週の変更": "2026-11-16 2026-11-22",
    "今週": "2026-11-23 2026-11-29",
    "先月": "2026-10-01 2026-10-31",
    "昨年": "2025-01-01 2025-12-31",
    "3日前": "2026-11-25 2026-11-25",
    "2週間前": "2026-11-11 2026-11-17",
    "3月に何をした": "2026-03-01 2026-03-31",
    "2025年3月5日のデプロイ": "2025-03-05 2025-03-05",
    "先週の月曜日": "2026-11-16 2026-11-16",
    "月曜日から": "2026-11-23 2026-11-28",
    "3月から5月まで": "2026-03-01 2026-05-31",
}


@pytest.mark.parametrize(
    ("text", "expected"), [pair for each in (ENGLISH, GERMAN, FRENCH, SPANISH, CHINESE, JAPANESE) for pair in each.items()]
)
def test_the_period_of_a_question_in_six_languages(text: str, expected: str | None) -> None:
    assert told(text) == expected


@pytest.mark.parametrize("opening", ["Why did the build break", "¿", "(", "Warum ,", "那么,"])
def test_the_words_around_do_not_matter(opening: str) -> None:
    assert told(f"{opening} last week, and who fixed it?") == "2026-11-16 2026-11-22"


@pytest.mark.parametrize(
    "text",
    [
        # vague, or no time at all
        *("what did we do recently", "lately", "a few days ago", "months ago", "in the last few days", "in den letzten Tagen", "最近", "最近のエラー"),
        *("3 days", "within two weeks", "for a month", "every 3 days", "三个月", "0 days ago", "the last commit", "last release", "the last error"),
        *("the second request", "a 5 sec timeout", "une fois par semaine", "since it no longer panics", "since a day is 24 hours"),
        # ahead
        *("tomorrow", "next week", "next March", "in March 2027", "on 2027-01-02", "in 2028", "下周", "来週", "下个星期一", "la semaine prochaine"),
        # verbs and names
        *("May we touch the config?", "which flags may be set", "the line before may differ", "what comes after may be null", "the state it is in may be stale"),
        *("may 5 users log in at once", "let us march on", "the march of progress", "April wrote the parser", "the review of April", "monday.com", "mayo"),
        *("the DOS days", "Was passiert hier?", "Warum schlägt der Test hier fehl?"),
        # nowadays
        *("How does login work today?", "which cache do we use today", "Wie machen wir das heute?", "Comment fait-on aujourd'hui ?", "¿cómo se hace hoy?"),
        # habits and calendars
        *("every Monday", "on Mondays", "on the first Monday of each month", "le lundi", "每周一", "每个星期一", "毎週月曜日", "一周一次", "一月一次"),
        *("the last day of the month", "last week in each month", "older than 3 days ago", "more than two weeks ago", "mehr als vor 3 Tagen"),
        # code, names, versions, numbers
        *("v2025.1", "release 2025.1", "logs/2025-03-05.log", "/var/log/2025/03/05/app", "2025-03-05.log is empty", "CVE-2025-1234", "gpt-4o-2024-08-06"),
        *("MCP protocol version 2025-03-26", "anthropic-version: 2023-06-01", "between 2025-03-26 and 2025-06-18 of the spec", "how do we parse 2025-03-05"),
        *("is_december_release", "getMarch()", "december.py", "Date.today()", "today()", "`yesterday`", "```\nsince yesterday\n```", "git log --since yesterday"),
        *("localhost:2024", "port 2025", "in 2024 tokens", "in 2048 bytes", "between 2000 and 3000", "from 2010 to 5000 rows", "lines 2020-12", "192.168.20.25"),
        *("2025-03-05T10:20:30Z ERROR timeout", "2025-03-05 10:20:31,123 ERROR timeout", "2025-13-05", "31.02.2025", "on February 30th", "13月", "2025年13月"),
        *("Q2", "question Q2 of the survey", "https://example.com/2025-03-05", "march=5", "#march", "build-2025-03"),
        # words that are spoken about
        *('the "last week" filter', "what does the 'Last 7 days' button do", "the last month filter", "today's date", "yesterday's date", "「昨日」ボタン"),
        # signs within other words
        *("以上周期是什么", "目前天气", "前端怎么构建", "附近"),
    ],
)  # fmt: skip
def test_no_period_where_none_is_meant(text: str) -> None:
    assert told(text) is None


def test_a_name_with_a_date_does_not_hide_the_period_that_is_meant() -> None:
    assert told("Which step of v2025.1 did we change last week in `march.py`?") == "2026-11-16 2026-11-22"


def test_nowadays_in_one_sentence_and_the_past_in_another_are_kept_apart() -> None:
    assert told("We changed the cache. How does it work today?") is None


@pytest.mark.parametrize(("hours", "expected"), [(9, "2026-11-27 15:00"), (-8, "2026-11-28 08:00"), (0, "2026-11-28 00:00")])
def test_days_are_those_of_the_zone_that_now_is_told_in(hours: int, expected: str) -> None:
    now = datetime(2026, 11, 29, 2, tzinfo=timezone(timedelta(hours=hours)))
    found = window("what broke yesterday", now)
    assert found is not None
    assert f"{found[0]:%Y-%m-%d %H:%M}" == expected
    assert found[0].utcoffset() == timedelta(0)
    assert found[1] - found[0] == timedelta(days=1)


def test_a_now_without_a_zone_is_utc() -> None:
    assert window("yesterday", NOW.replace(tzinfo=None)) == window("yesterday", NOW)


@pytest.mark.parametrize("now", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_no_error(now: datetime) -> None:
    for text in ("last year", "two months ago", "this year", "since yesterday", "on Monday", "between November and March"):
        found = window(text, now)
        assert found is None or found[0] < found[1]


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\ud800 yesterday \udfff", "yesterday " * 10_000, "`" * 100_000, '"a ' * 40_000, "三" * 100_000, "ﷺ" * 100_000]
)
def test_bad_and_huge_texts_are_read_as_far_as_they_go(text: str) -> None:
    found = window(text, NOW)
    assert (found is not None) == ("yesterday" in text)


def test_the_tail_of_a_long_text_says_nothing_about_when() -> None:
    assert told("x " * MAX_CHARS + "yesterday") is None


WORDS = st.sampled_from(
    [*LEXICON, *CJK_LEXICON, "5", "31", "2025", "2024-02-30", "2025-03-05", "Q2", "5th", "1-9", "12:30", ",", ".", "x", "十二"]
)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
MOMENTS = st.datetimes(timezones=ZONES)


@given(
    st.one_of(st.text(st.characters(), max_size=60), st.lists(WORDS, max_size=9).map(" ".join), st.lists(WORDS, max_size=9).map("".join)),
    MOMENTS,
)
@example("between 31 and 5 Feb 2025", NOW)
def test_whatever_is_asked_a_window_has_begun_and_ends_after_it_begins(text: str, now: datetime) -> None:
    found = window(text, now)
    if found is not None:
        assert found[0] < found[1]
        assert found[0] <= now
        assert found[0].utcoffset() == found[1].utcoffset() == timedelta(0)


@given(st.dates(), st.integers(-2_000, 2_000))
def test_months_are_added_as_the_calendar_has_them(at: date, months: int) -> None:
    if not 2 <= at.year + months / 12 <= 9_998:
        return
    later = periods.months_later(at, months)
    assert (later.year * 12 + later.month) - (at.year * 12 + at.month) == months
    assert later.day == at.day or (later + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("text", "said", "other"),
    [
        ("which port did we take in March?", ["in", "march"], ["port", "take"]),
        ("warum fiel der Build im März aus", ["im", "märz", "marz"], ["build", "warum"]),
        ("what broke between April and May 2026?", ["between", "april", "may", "2026"], ["broke"]),
        ("上周 部署 失败", ["上周"], ["部署", "失败"]),
        ("三月的端口", ["三月"], ["端口"]),
        ("qué decidimos antes de mayo de 2026", ["mayo"], ["decidimos", "que"]),
    ],
)
def test_the_words_that_name_a_period_are_known_and_the_others_are_not(text: str, said: list[str], other: list[str]) -> None:
    found = named(text, datetime(2026, 6, 3, tzinfo=UTC))
    assert found is not None
    assert [word for word in said if not found.says(word)] == []
    assert [word for word in other if found.says(word)] == []
