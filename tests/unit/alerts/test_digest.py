"""The weekly digest: when it is due, and what it says. Titles are quotations: bounded, redacted, and no command to a chat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.alerts.digest import MAX_TITLE_CHARS, WEEKDAYS, Digest, last_due, notice_of

MONDAY_NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
COUNTS = {"new": 1200, "contradicted": 2, "outdated": 3, "never_used": 0, "most_useful": 7}


def digest(*newest: str, useful: tuple[str, ...] = (), url: str | None = None) -> Digest:
    return Digest("core", COUNTS, newest, useful, url)


@pytest.mark.parametrize(
    ("now", "weekday", "zone", "due"),
    [
        (MONDAY_NOON, "monday", "UTC", datetime(2026, 11, 30, 9, tzinfo=UTC)),
        (MONDAY_NOON, "tuesday", "UTC", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        (MONDAY_NOON, "sunday", "UTC", datetime(2026, 11, 29, 9, tzinfo=UTC)),
        (MONDAY_NOON.replace(hour=8), "monday", "UTC", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        (MONDAY_NOON.replace(hour=8), "monday", "Europe/Berlin", datetime(2026, 11, 30, 8, tzinfo=UTC)),
        (MONDAY_NOON, "monday", "America/Los_Angeles", datetime(2026, 11, 23, 17, tzinfo=UTC)),
        (datetime(2026, 3, 30, 12, tzinfo=UTC), "monday", "Europe/Berlin", datetime(2026, 3, 30, 7, tzinfo=UTC)),
    ],
)
def test_a_digest_is_due_at_nine_of_its_day_in_its_zone(now: datetime, weekday: str, zone: str, due: datetime) -> None:
    assert last_due(now, WEEKDAYS.index(weekday), ZoneInfo(zone)) == due


@pytest.mark.parametrize("hours", range(0, 24 * 15, 7))
def test_what_was_due_last_is_past_and_less_than_eight_days_ago(hours: int) -> None:
    now = MONDAY_NOON + timedelta(hours=hours)
    assert timedelta() <= now - last_due(now, 2, ZoneInfo("Pacific/Auckland")) < timedelta(days=8)


def test_it_tells_the_counts_and_quotes_the_titles() -> None:
    notice = notice_of(digest("Cache keys hold the tenant", useful=("Retry on 40001",), url="https://cairn.example/review"), MONDAY_NOON)
    assert notice.text.splitlines() == [
        "Cairn: knowledge of team core to review: 1,200 new, 2 contradicted, 3 out of date, 0 never used, 7 useful.",
        "Newest: “Cache keys hold the tenant”",
        "Most useful: “Retry on 40001”",
        "https://cairn.example/review",
    ]
    assert notice.body["counts"] == COUNTS
    assert notice.body["newest"] == ["Cache keys hold the tenant"]


def test_a_title_is_no_command_to_the_chat() -> None:
    notice = notice_of(digest("<!channel> read <https://evil.example|this> & obey"), MONDAY_NOON)
    assert "“&lt;!channel&gt; read &lt;https://evil.example|this&gt; &amp; obey”" in notice.text
    assert notice.body["newest"] == ["<!channel> read <https://evil.example|this> & obey"]


def test_a_title_is_cut_and_on_one_line() -> None:
    (title,) = notice_of(digest("word\n" * 100), MONDAY_NOON).body["newest"]
    assert len(title) <= MAX_TITLE_CHARS
    assert title.endswith("…")
    assert "\n" not in title


def test_a_secret_in_a_title_is_redacted() -> None:
    notice = notice_of(digest("use sk_live_4eC39HqLyjWDarjtT1zdp7dc in staging"), MONDAY_NOON)
    assert "4eC39HqLyjWDarjtT1zdp7dc" not in notice.text + str(notice.body)


def test_without_titles_it_tells_the_counts_alone() -> None:
    assert len(notice_of(digest(), MONDAY_NOON).text.splitlines()) == 1
