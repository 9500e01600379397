"""Posts each team's weekly digest of its review to the webhook of the alerts: once a week, whichever server is first.

The week's turn and all its notices are stored in one transaction: a digest is neither lost nor told twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.alerts.tables import EvaluationTurn
from app.part import Loop
from app.queue.outbox import SLACK_ESCAPES, Notice, Outbox
from app.redaction.labels import free_text
from app.storage.database import Database

TURN: Final = "review"
"""Name of the lock row in `alert_turns`; its `at`: when the last digest was posted."""
AT: Final = time(9)
"""The hour at which a digest is due, in the time zone of the settings."""
POLL_SECONDS: Final = 300.0
MAX_TITLE_CHARS: Final = 100
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LISTS: Final[Mapping[str, str]] = {
    "new": "new",
    "contradicted": "contradicted",
    "outdated": "out of date",
    "never_used": "never used",
    "most_useful": "useful",
}
"""The words for each list's count."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A team's digest. `counts`: of the lists of `LISTS`. `newest`, `most_useful`: titles, quoted. `url`: of the page; None: not known."""

    team: str
    counts: Mapping[str, int]
    newest: Sequence[str]
    most_useful: Sequence[str]
    url: str | None


Digests: TypeAlias = Callable[[], Awaitable[Sequence[Digest]]]
"""Reads the digests of all teams."""


class WeeklyDigest:
    """Posts the digests on a day of the week, in a time zone."""

    def __init__(self, database: Database, outbox: Outbox, digests: Digests, *, weekday: str, zone: ZoneInfo) -> None:
        self._database = database
        self._outbox = outbox
        self._digests = digests
        self._weekday = WEEKDAYS.index(weekday)
        self._zone = zone

    def loops(self) -> tuple[Loop, ...]:
        """Return the loop that looks whether a digest is due."""
        return (
            Loop(
                name="alerts.digest", step=self.post_if_due, pause=POLL_SECONDS, meanwhile="The weekly digest of the review isn't posted."
            ),
        )

    async def post_if_due(self) -> int:
        """Post the digests if this week's are due and no server has posted them; return their number.

        The first time nothing is posted: the next one due is a week's.
        """
        now = clock.now()
        due = last_due(now, self._weekday, self._zone)
        async with self._database.begin() as connection:
            if not await _is_due(connection, due, now):
                return 0
        found = [each for each in await self._digests() if any(each.counts.values())]
        async with self._database.begin() as connection:
            if not await _take_turn(connection, due, now):
                return 0
            await self._outbox.put(connection, [notice_of(each, now) for each in found])
        return len(found)


def last_due(now: datetime, weekday: int, zone: ZoneInfo) -> datetime:
    """Return the last time at which a digest was due. `weekday`: 0 is Monday."""
    day = now.astimezone(zone).date()
    day -= timedelta(days=(day.weekday() - weekday) % 7)
    due = datetime.combine(day, AT, zone)
    return due if due <= now else datetime.combine(day - timedelta(days=7), AT, zone)


def notice_of(digest: Digest, now: datetime) -> Notice:
    """Compose the notice: counts in words, and the titles, quoted. In `text` nothing of them is a command to Slack."""
    newest, useful = ([_shortened(each) for each in titles] for titles in (digest.newest, digest.most_useful))
    counts = ", ".join(f"{digest.counts.get(name, 0):,} {words}" for name, words in LISTS.items())
    lines = [f"Cairn: knowledge of team {digest.team.translate(SLACK_ESCAPES)} to review: {counts}."]
    for words, titles in (("Newest", newest), ("Most useful", useful)):
        if titles:
            lines.append(f"{words}: {'; '.join(f'“{each.translate(SLACK_ESCAPES)}”' for each in titles)}")
    if digest.url is not None:
        lines.append(digest.url)
    body: dict[str, Any] = {
        "rule": "review",
        "team": digest.team,
        "counts": {name: digest.counts.get(name, 0) for name in LISTS},
        "newest": newest,
        "most_useful": useful,
        "url": digest.url,
        "at": now.isoformat(),
    }
    return Notice("\n".join(lines), body)


def _shortened(title: str) -> str:
    """Redact a title, and cut it."""
    words = " ".join(free_text(title).split())
    return words if len(words) <= MAX_TITLE_CHARS else f"{words[: MAX_TITLE_CHARS - 1].rstrip()}…"


async def _is_due(connection: AsyncConnection, due: datetime, now: datetime) -> bool:
    """Tell whether nothing was posted since `due`. Notes the time where it is the first."""
    await connection.execute(upsert(EvaluationTurn).values(name=TURN, at=now).on_conflict_do_nothing())
    last = await connection.scalar(select(EvaluationTurn.at).where(EvaluationTurn.name == TURN))
    return last is not None and last < due


async def _take_turn(connection: AsyncConnection, due: datetime, now: datetime) -> bool:
    """Take this week's turn, until the transaction ends. Returns False if another server has it or had it."""
    locked = select(EvaluationTurn.at).where(EvaluationTurn.name == TURN).with_for_update(skip_locked=True)
    last = await connection.scalar(locked)
    if last is None or last >= due:
        return False
    turn = upsert(EvaluationTurn).values(name=TURN, at=now)
    await connection.execute(turn.on_conflict_do_update(index_elements=["name"], set_={"at": now}))
    return True
