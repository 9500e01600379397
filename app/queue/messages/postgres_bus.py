"""The bus in PostgreSQL, used without Redis: one row per message, and one per group that has yet to acknowledge it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import cachebox

from app.errors import InvalidInput, NotFound
from app.part import Loop
from app.queue.messages import statements as sql
from app.queue.messages.exchange import LISTENING, WITHOUT_LISTENER, OnPublished
from app.queue.messages.message import Channel, DeadLetter, Message, MessageDraft, Taken, foreign_place
from app.settings import MessagesSettings as Options
from app.storage.database import Database
from app.storage.notify_listener import NotifyListener
from app.storage.pages import EntryPage, PageWanted

CHANNEL = "cairn_messages"
"""PostgreSQL's own channel, of LISTEN and NOTIFY."""
MAX_CONCURRENT = 8
"""Concurrent transactions: many waiters woken together must not exhaust the shared connection pool."""
MAX_COUNTED_CHANNELS = 10_000
"""Channels whose messages since the last trim are counted."""
MAX_ID = 2**63 - 1


class PostgresBus:
    """A `Bus` in PostgreSQL. `notices` notifies other processes; if a notification is lost, they find the message by polling."""

    def __init__(self, database: Database, notices: NotifyListener, options: Options) -> None:
        self._database = database
        self._notices = notices
        self._options = options
        self._limiter = asyncio.Semaphore(MAX_CONCURRENT)
        self._since_trim: cachebox.LRUCache[Channel, int] = cachebox.LRUCache(MAX_COUNTED_CHANNELS)
        self._age = timedelta(hours=options.max_age_hours)
        self._dead_age = timedelta(hours=options.dead_letter_hours)
        self._trim_every = max(1, options.max_messages // 10)

    async def publish(self, channel: Channel, draft: MessageDraft) -> str:
        values = {**_parameters(channel), "sender": draft.sender, "type": draft.type, "recipient": draft.to, "payload": draft.payload}
        async with self._limiter:
            async with self._database.begin() as connection:
                await connection.execute(sql.LOCK_SHARED, _lock(channel))
                made = (await connection.execute(sql.PUBLISH, values)).scalar_one()
            await self._trim(channel)
        self._notices.notify(f"{channel.team_id} {channel.name}")
        return str(made)

    async def take(self, channel: Channel, group: str, consumer: str, limit: int) -> Taken:
        values = _parameters(channel, group) | {
            "consumer": consumer,
            "limit": limit,
            "visibility": timedelta(seconds=self._options.visibility_seconds),
            "max": self._options.max_deliveries,
            "seen_every": min(timedelta(hours=1), self._age / 4),
        }
        async with self._limiter:
            async with self._database.begin() as connection:
                rows = (await connection.execute(sql.TAKE, values)).all()
            if not rows[0].known:
                return Taken([], more=await self._begin_group(channel, group))
        messages = [_message(channel, row) for row in rows if row.id is not None]
        dead = int(rows[0].dead)
        return Taken(messages, more=len(messages) + dead >= limit, dead=dead)

    async def acknowledge(self, channel: Channel, group: str, ids: Sequence[str]) -> int:
        numbers = [int(each) for each in ids if each.isascii() and each.isdigit() and int(each[:19]) <= MAX_ID and len(each) <= 19]
        async with self._limiter, self._database.begin() as connection:
            done = (await connection.execute(sql.ACKNOWLEDGE, {**_parameters(channel, group), "ids": numbers})).rowcount
            if not done and not (await connection.execute(sql.HAS_GROUP, _parameters(channel, group))).scalar_one():
                raise NotFound(f"The group {group!r} has received nothing from this channel. Check that it is the group you receive with.")
        return done

    async def dead_letters(self, channel: Channel, wanted: PageWanted) -> EntryPage[DeadLetter]:
        if wanted.after is not None and not wanted.after.isdecimal():
            raise foreign_place()
        after = None if wanted.after is None else int(wanted.after)
        asked = {**_parameters(channel), "limit": wanted.limit + 1, "after": after, "since": wanted.since, "until": wanted.until}
        async with self._database.begin() as connection:
            found = (await connection.execute(sql.DEAD_LETTERS[wanted.order], asked)).all()
        rows = found[: wanted.limit]
        letters = [DeadLetter(_message(channel, row, row.message_id), row.group_name, row.consumer, row.died_at) for row in rows]
        return EntryPage(letters, str(rows[-1].id) if len(found) > wanted.limit else None)

    async def sweep(self) -> int:
        limit = self._options.max_messages
        async with self._database.begin() as connection:
            gone = (await connection.execute(sql.SWEEP_OLD, {"age": self._age})).rowcount
            gone += (await connection.execute(sql.SWEEP_CHANNELS, {"max": limit})).rowcount
            await connection.execute(sql.SWEEP_GROUPS, {"age": self._age})
            await connection.execute(sql.SWEEP_DEAD, {"age": self._dead_age, "max": limit})
        return gone

    async def waiting(self) -> int:
        async with self._database.begin() as connection:
            return int((await connection.execute(sql.WAITING)).scalar_one())

    def loops(self, on_published: OnPublished) -> tuple[Loop, ...]:
        return self._notices.loops(
            LISTENING, lambda words: on_published(None if words is None else _channel(words)), meanwhile=WITHOUT_LISTENER
        )

    async def _begin_group(self, channel: Channel, group: str) -> bool:
        """Create the group if the channel holds a message for it; return whether it does."""
        values = _parameters(channel, group)
        async with self._database.begin() as connection:
            if not (await connection.execute(sql.HAS_ANY, values)).scalar_one():
                return False
            await connection.execute(sql.LOCK, _lock(channel))
            if (await connection.execute(sql.COUNT_GROUPS, values)).scalar_one() >= self._options.max_groups:
                raise InvalidInput(
                    f"The channel has {self._options.max_groups:,} groups already: use one of them, or raise messages.max_groups.",
                    param="group",
                )
            made = (await connection.execute(sql.ADD_GROUP, values)).scalar_one_or_none()
            if made is not None:
                await connection.execute(sql.FILL_GROUP, {**values, "group": made})
        return True

    async def _trim(self, channel: Channel) -> None:
        """Count a published message; trim the channel after every tenth of its limit. The sweep trims what other processes published."""
        published = self._since_trim.get(channel, 0) + 1
        self._since_trim[channel] = published % self._trim_every
        if published >= self._trim_every:
            async with self._database.begin() as connection:
                await connection.execute(sql.TRIM, {**_parameters(channel), "max": self._options.max_messages})


def _parameters(channel: Channel, group: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"team": channel.team_id, "channel": channel.name}
    return found if group is None else found | {"name": group}


def _lock(channel: Channel) -> dict[str, str]:
    return {"lock": f"messages {channel.team_id} {channel.name}"}


def _channel(notice: str) -> Channel | None:
    team, _, name = notice.partition(" ")
    try:
        return Channel(UUID(team), name)
    except ValueError:  # not a notice of this bus
        return None


def _message(channel: Channel, row: Any, number: int | None = None) -> Message:
    return Message(
        str(row.id if number is None else number), channel.name, row.sender, row.type, row.recipient, row.payload, row.at, row.deliveries
    )
