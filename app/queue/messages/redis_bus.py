"""The bus on Redis Streams: a stream per channel, Redis's consumer groups, one Pub/Sub connection per process."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import redis.exceptions
import structlog

from app.errors import InvalidInput, NotFound, Unavailable
from app.part import Loop
from app.queue.messages.exchange import LISTENING, WITHOUT_LISTENER, OnPublished
from app.queue.messages.message import Channel, DeadLetter, Message, MessageDraft, Taken, foreign_place
from app.queue.messages.scripts import SWEEP, TAKE, TOO_MANY_GROUPS
from app.settings import MessagesSettings as Options
from app.storage.pages import EntryPage, PageWanted
from app.supervision import cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

CODE = "messages_unavailable"
PREFIX, NOTIFICATIONS = "cairn:messages:", "cairn:messages-bell"
AWAY = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    OSError,
    TimeoutError,
)
ANSWER_SECONDS = 3.0
"""Deadline for all attempts of one command; the client's own timeout applies to each attempt."""
MAX_CONCURRENT = 16
"""Concurrent commands: many waiters woken together must not exhaust the connections shared with the caches."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 5.0
"""Bounds of the backoff before subscribing again."""
PING_SECONDS = 15.0
"""The connection is pinged when it has received nothing for this long."""
MAX_COUNTED_CHANNELS = 1000
"""Channels whose waiting messages are counted; counting more would keep Redis busy."""
IDLE_MS = 3_600_000
"""Idle time after which a consumer with nothing pending is deleted."""


class RedisBus:
    """A `Bus` on Redis. Streams are named `cairn:messages:{TEAM:CHANNEL}`, dead letters `…:dead`; their TTL is the age limit."""

    def __init__(self, client: Redis, options: Options, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._client = client
        self._options = options
        self._answer_seconds = answer_seconds
        self._take = client.register_script(TAKE)
        self._sweep = client.register_script(SWEEP)
        self._limiter = asyncio.Semaphore(MAX_CONCURRENT)
        self._process_id = uuid4().hex
        self._age_ms = max(1, int(options.max_age_hours * 3_600_000))
        self._dead_ms = max(1, int(options.dead_letter_hours * 3_600_000))
        self._visible_ms = max(1, int(options.visibility_seconds * 1000))

    async def publish(self, channel: Channel, draft: MessageDraft) -> str:
        fields = {"sender": draft.sender, "type": draft.type, "payload": draft.payload}
        if draft.to is not None:
            fields["to"] = draft.to
        key = _stream(channel)
        async with self._command(), self._client.pipeline(transaction=False) as pipeline:
            pipeline.xadd(key, fields, maxlen=self._options.max_messages, approximate=False)  # type: ignore[arg-type]
            pipeline.pexpire(key, self._age_ms)
            pipeline.publish(NOTIFICATIONS, f"{self._process_id} {channel.team_id} {channel.name}")
            made, *_ = await pipeline.execute()
        return _decoded(made)

    async def take(self, channel: Channel, group: str, consumer: str, limit: int) -> Taken:
        options = self._options
        keys = [_stream(channel), _dead(channel), f"{_stream(channel)}:looked:{group}"]
        scan_ms = max(1, min(1000, self._visible_ms // 4))
        arguments: list[str | int] = [group, consumer, limit, self._visible_ms, options.max_deliveries, scan_ms]
        arguments += [self._oldest(), options.max_groups, options.max_messages, self._dead_ms]
        try:
            async with self._command():
                more, dead, found = await self._take(keys=keys, args=arguments)
        except redis.exceptions.ResponseError as error:
            if TOO_MANY_GROUPS not in str(error):
                raise
            raise InvalidInput(
                f"The channel has {options.max_groups:,} groups already: use one of them, or raise messages.max_groups.", param="group"
            ) from None
        messages = [made for entry, times, fields in found if (made := _readable(channel, entry, times, fields)) is not None]
        return Taken(sorted(messages, key=lambda each: _order(each.id)), bool(more), int(dead))

    async def acknowledge(self, channel: Channel, group: str, ids: Sequence[str]) -> int:
        valid = [each for each in ids if _is_id(each)]
        async with self._command():
            done = int(await self._client.xack(_stream(channel), group, *valid)) if valid else 0
            if not done and not await self._has_group(channel, group):
                raise NotFound(f"The group {group!r} has received nothing from this channel. Check that it is the group you receive with.")
        return done

    async def dead_letters(self, channel: Channel, wanted: PageWanted) -> EntryPage[DeadLetter]:
        if wanted.after is not None and not _is_id(wanted.after):
            raise foreign_place()
        begin, end = self._dead_range(wanted)
        asked = self._client.xrange if wanted.order == "oldest" else self._client.xrevrange
        async with self._command():
            read = await asked(_dead(channel), min=begin, max=end, count=wanted.limit + 1)
        found = [(entry, fields) for entry, fields in read or () if entry and fields]
        page = found[: wanted.limit]
        letters = (_readable_letter(channel, entry, fields) for entry, fields in page)
        place = _decoded(page[-1][0]) if len(found) > wanted.limit else None
        return EntryPage([each for each in letters if each is not None], place)

    def _dead_range(self, wanted: PageWanted) -> tuple[str, str]:
        """Return the first and the last entry of a page of dead letters; `(`: without that one."""
        oldest = int(time.time() * 1000) - self._dead_ms
        begin = f"{oldest if wanted.since is None else max(oldest, _milliseconds(wanted.since))}-0"
        end = "+" if wanted.until is None else f"({_milliseconds(wanted.until)}-0"
        if wanted.after is None:
            return begin, end
        return (f"({wanted.after}", end) if wanted.order == "oldest" else (begin, f"({wanted.after}")

    async def sweep(self) -> int:
        trimmed = 0
        async with self._command(seconds=60):
            async for key in self._client.scan_iter(f"{PREFIX}*", count=500, _type="stream"):
                if not _decoded(key).endswith(":dead"):
                    trimmed += int(await self._sweep(keys=[key], args=[self._oldest(), min(IDLE_MS, self._age_ms), self._age_ms]))
        return trimmed

    async def waiting(self) -> int:
        """Count messages that are pending or, since Redis 7, not delivered yet."""
        waiting = streams = 0
        async with self._command(seconds=5):
            async for key in self._client.scan_iter(f"{PREFIX}*", count=500, _type="stream"):
                if _decoded(key).endswith(":dead"):
                    continue
                for group in await self._client.xinfo_groups(key):
                    waiting += int(group["pending"]) + int(group.get("lag") or 0)
                streams += 1
                if streams >= MAX_COUNTED_CHANNELS:
                    break
        return waiting

    def loops(self, on_published: OnPublished) -> tuple[Loop, ...]:
        return (
            Loop(
                name=LISTENING,
                step=partial(self._listen, on_published),
                pause=PAUSE_SECONDS,
                long_running=True,
                max_backoff_seconds=MAX_PAUSE_SECONDS,
                meanwhile=WITHOUT_LISTENER,
            ),
        )

    async def _listen(self, on_published: OnPublished) -> None:
        """Listen to notifications. Raises Unavailable once Redis doesn't answer."""
        try:
            async with self._client.pubsub() as subscription:
                await subscription.subscribe(NOTIFICATIONS)
                on_published(None)
                while not cancelled():
                    said = await subscription.get_message(ignore_subscribe_messages=True, timeout=PING_SECONDS)
                    if said is None:
                        await subscription.ping()
                    elif said["type"] == "message":
                        self._pass_on(said["data"], on_published)
        except AWAY as error:
            on_published(None)  # waiters try again, and get Unavailable if Redis is away
            raise Unavailable(f"The subscription to Redis broke ({type(error).__name__}): check CAIRN_REDIS__URL.", code=CODE) from error

    def _pass_on(self, data: bytes | str, on_published: OnPublished) -> None:
        """Report a notification. If it can't be parsed (another version sent it), wake every channel."""
        try:
            by, team, name = _decoded(data).split(" ", 2)
            channel = Channel(UUID(team), name)
        except ValueError:
            on_published(None)
            return
        if by != self._process_id:
            on_published(channel)

    async def _has_group(self, channel: Channel, group: str) -> bool:
        try:
            found = await self._client.xinfo_groups(_stream(channel))
        except redis.exceptions.ResponseError:  # there is no such stream
            return False
        return any(_decoded(each["name"]) == group for each in found)

    def _oldest(self) -> str:
        return f"{max(0, int(time.time() * 1000) - self._age_ms)}-0"

    @asynccontextmanager
    async def _command(self, seconds: float | None = None) -> AsyncIterator[None]:
        async with self._limiter:
            try:
                async with asyncio.timeout(seconds or self._answer_seconds):
                    yield
            except AWAY as error:
                raise Unavailable(
                    "Redis, which stores messages between agents, doesn't answer. Try again, and check CAIRN_REDIS__URL.",
                    code=CODE,
                ) from error
            except redis.exceptions.ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    raise
                raise Unavailable(
                    f"Redis holds a key of another type where this channel's stream belongs ({PREFIX}…). "
                    "Remove that key, or give Cairn a Redis database of its own (CAIRN_REDIS__URL).",
                    code=CODE,
                ) from error


def _stream(channel: Channel) -> str:
    """Return the channel's stream key; the braces (hash tag) keep a channel's keys on one cluster node."""
    return f"{PREFIX}{{{channel.team_id}:{channel.name}}}"


def _dead(channel: Channel) -> str:
    return f"{_stream(channel)}:dead"


def _readable(channel: Channel, entry: bytes | str, times: object, fields: Sequence[bytes]) -> Message | None:
    """Parse an entry. None if another program or version wrote it: never acknowledged, it becomes a dead letter."""
    try:
        return _message(channel, _decoded(entry), int(str(times)), _fields(fields))
    except (LookupError, ValueError):
        log.warning("messages.unreadable", channel=channel.name, entry=repr(entry))
        return None


def _readable_letter(channel: Channel, entry: bytes | str, fields: Mapping[bytes | str, bytes | str]) -> DeadLetter | None:
    try:
        return _dead_letter(channel, _decoded(entry), _texts(fields))
    except (LookupError, ValueError):
        log.warning("messages.unreadable", channel=channel.name, entry=repr(entry))
        return None


def _message(channel: Channel, entry: str, deliveries: int, fields: dict[str, str]) -> Message:
    return Message(entry, channel.name, fields["sender"], fields["type"], fields.get("to"), fields["payload"], _at(entry), deliveries)


def _dead_letter(channel: Channel, entry: str, fields: dict[str, str]) -> DeadLetter:
    message = _message(channel, fields["of"], int(fields["deliveries"]), fields)
    return DeadLetter(message, fields["group"], fields["consumer"], _at(entry))


def _texts(fields: Mapping[bytes | str, bytes | str]) -> dict[str, str]:
    return {_decoded(name): _decoded(value) for name, value in fields.items()}


def _fields(flat: Sequence[bytes]) -> dict[str, str]:
    return {_decoded(flat[index]): _decoded(flat[index + 1]) for index in range(0, len(flat), 2)}


def _order(entry: str) -> tuple[int, int]:
    milliseconds, number = entry.split("-")
    return int(milliseconds), int(number)


def _milliseconds(moment: datetime) -> int:
    return math.ceil(moment.timestamp() * 1000)


def _at(entry: str) -> datetime:
    """Return the time in an entry's id, by Redis's clock."""
    return datetime.fromtimestamp(_order(entry)[0] / 1000, UTC)


def _is_id(text: str) -> bool:
    milliseconds, _, number = text.partition("-")
    return all(part.isascii() and part.isdigit() and int(part[:20]) < 2**64 and len(part) <= 20 for part in (milliseconds, number))


def _decoded(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
