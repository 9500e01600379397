"""Messages on Redis Streams: a stream for each channel, Redis's own consumer groups, one Pub/Sub connection for each process."""

from __future__ import annotations

import asyncio
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
from app.queue.messages.exchange import LISTENING, UNHEARD, Heard
from app.queue.messages.message import DeadLetter, Draft, Message, Place, Taken
from app.queue.messages.scripts import NO_ROOM, SWEEP, TAKE
from app.settings import Messages as Options
from app.supervision import cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

CODE = "messages_unavailable"
PREFIX, BELL = "cairn:messages:", "cairn:messages-bell"
AWAY = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    OSError,
    TimeoutError,
)
ANSWER_SECONDS = 3.0
"""All tries of one command together. The client's own timeout is that of one try."""
AT_ONCE = 16
"""Commands under way: a thousand who are woken together must not use up the connections that the caches share."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 5.0
"""Before it listens again: after the first failure, and at the longest."""
QUIET_SECONDS = 15.0
"""Without a word for so long, the connection is tried."""
MOST_COUNTED = 1000
"""Channels: counting what waits in more of them would keep Redis busy."""
IDLE_MS = 3_600_000
"""A consumer without anything pending is forgotten after an hour."""


class RedisBus:
    """Streams `cairn:messages:{TEAM:CHANNEL}`, dead letters in `…:dead`. Redis forgets a stream of itself when all in it is too old."""

    def __init__(self, client: Redis, options: Options) -> None:
        self._client = client
        self._options = options
        self._take = client.register_script(TAKE)
        self._sweep = client.register_script(SWEEP)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._me = uuid4().hex
        self._age_ms = max(1, int(options.max_age_hours * 3_600_000))
        self._dead_ms = max(1, int(options.dead_letter_hours * 3_600_000))
        self._visible_ms = max(1, int(options.visibility_seconds * 1000))

    async def publish(self, place: Place, draft: Draft) -> str:
        fields = {"sender": draft.sender, "type": draft.type, "payload": draft.payload}
        if draft.to is not None:
            fields["to"] = draft.to
        key = _stream(place)
        async with self._asking(), self._client.pipeline(transaction=False) as pipeline:
            pipeline.xadd(key, fields, maxlen=self._options.max_messages, approximate=False)  # type: ignore[arg-type]
            pipeline.pexpire(key, self._age_ms)
            pipeline.publish(BELL, f"{self._me} {place.team_id} {place.channel}")
            made, *_ = await pipeline.execute()
        return _said(made)

    async def take(self, place: Place, group: str, consumer: str, limit: int) -> Taken:
        options = self._options
        keys = [_stream(place), _dead(place), f"{_stream(place)}:looked:{group}"]
        look_ms = max(1, min(1000, self._visible_ms // 4))
        arguments: list[str | int] = [group, consumer, limit, self._visible_ms, options.max_deliveries, look_ms]
        arguments += [self._oldest(), options.max_groups, options.max_messages, self._dead_ms]
        try:
            async with self._asking():
                more, dead, found = await self._take(keys=keys, args=arguments)
        except redis.exceptions.ResponseError as error:
            if NO_ROOM not in str(error):
                raise
            raise InvalidInput(
                f"The channel has {options.max_groups:,} groups already: use one of them, or raise messages.max_groups.", param="group"
            ) from None
        messages = [made for entry, times, fields in found if (made := _readable(place, entry, times, fields)) is not None]
        return Taken(sorted(messages, key=lambda each: _order(each.id)), bool(more), int(dead))

    async def acknowledge(self, place: Place, group: str, ids: Sequence[str]) -> int:
        valid = [each for each in ids if _is_id(each)]
        async with self._asking():
            done = int(await self._client.xack(_stream(place), group, *valid)) if valid else 0
            if not done and not await self._has_group(place, group):
                raise NotFound(f"The group {group!r} has received nothing of this channel. See the name that you receive with.")
        return done

    async def dead_letters(self, place: Place, limit: int) -> list[DeadLetter]:
        oldest = f"{int(time.time() * 1000) - self._dead_ms}-0"
        async with self._asking():
            found = await self._client.xrevrange(_dead(place), min=oldest, count=limit)
        letters = (_readable_letter(place, entry, fields) for entry, fields in found or () if entry and fields)
        return [each for each in letters if each is not None]

    async def sweep(self) -> int:
        trimmed = 0
        async with self._asking(seconds=60):
            async for key in self._client.scan_iter(f"{PREFIX}*", count=500, _type="stream"):
                if not _said(key).endswith(":dead"):
                    trimmed += int(await self._sweep(keys=[key], args=[self._oldest(), min(IDLE_MS, self._age_ms), self._age_ms]))
        return trimmed

    async def waiting(self) -> int:
        """What was given and not acknowledged, and since Redis 7 what is still to be given."""
        waiting = streams = 0
        async with self._asking(seconds=5):
            async for key in self._client.scan_iter(f"{PREFIX}*", count=500, _type="stream"):
                if _said(key).endswith(":dead"):
                    continue
                for group in await self._client.xinfo_groups(key):
                    waiting += int(group["pending"]) + int(group.get("lag") or 0)
                streams += 1
                if streams >= MOST_COUNTED:
                    break
        return waiting

    def loops(self, heard: Heard) -> tuple[Loop, ...]:
        return (
            Loop(
                name=LISTENING,
                step=partial(self._listen, heard),
                pause=PAUSE_SECONDS,
                lasting=True,
                max_backoff_seconds=MAX_PAUSE_SECONDS,
                meanwhile=UNHEARD,
            ),
        )

    async def _listen(self, heard: Heard) -> None:
        """Listen until Redis is away: then Unavailable."""
        try:
            async with self._client.pubsub() as heard_of:
                await heard_of.subscribe(BELL)
                heard(None)
                while not cancelled():
                    said = await heard_of.get_message(ignore_subscribe_messages=True, timeout=QUIET_SECONDS)
                    if said is None:
                        await heard_of.ping()
                    elif said["type"] == "message":
                        self._pass_on(said["data"], heard)
        except AWAY as error:
            heard(None)  # who waits finds out whether Redis is away
            raise Unavailable(f"Redis can't be listened to ({type(error).__name__}).", code=CODE) from error

    def _pass_on(self, data: bytes | str, heard: Heard) -> None:
        """What another process said. A word that can't be read (of another version) may have meant any channel: all of them look."""
        try:
            by, team, channel = _said(data).split(" ", 2)
            place = Place(UUID(team), channel)
        except ValueError:
            heard(None)
            return
        if by != self._me:
            heard(place)

    async def _has_group(self, place: Place, group: str) -> bool:
        try:
            found = await self._client.xinfo_groups(_stream(place))
        except redis.exceptions.ResponseError:  # there is no such stream
            return False
        return any(_said(each["name"]) == group for each in found)

    def _oldest(self) -> str:
        return f"{max(0, int(time.time() * 1000) - self._age_ms)}-0"

    @asynccontextmanager
    async def _asking(self, seconds: float = ANSWER_SECONDS) -> AsyncIterator[None]:
        async with self._turn:
            try:
                async with asyncio.timeout(seconds):
                    yield
            except AWAY as error:
                raise Unavailable(
                    "Messages wait in Redis, and it doesn't answer. Nothing else needs it; try again, and check CAIRN_REDIS__URL.",
                    code=CODE,
                ) from error
            except redis.exceptions.ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    raise
                raise Unavailable(
                    f"Something that is no stream stands in Redis where this channel's messages belong ({PREFIX}…). "
                    "Remove that key, or give Cairn a Redis database of its own (CAIRN_REDIS__URL).",
                    code=CODE,
                ) from error


def _stream(place: Place) -> str:
    """The braces keep a channel's keys on one node of a cluster."""
    return f"{PREFIX}{{{place.team_id}:{place.channel}}}"


def _dead(place: Place) -> str:
    return f"{_stream(place)}:dead"


def _readable(place: Place, entry: bytes | str, times: object, fields: Sequence[bytes]) -> Message | None:
    """None for an entry that isn't ours, or another version's: nobody acknowledges it, so it becomes a dead letter as others do."""
    try:
        return _message(place, _said(entry), int(str(times)), _named(fields))
    except (LookupError, ValueError):
        log.warning("messages.unreadable", channel=place.channel, entry=repr(entry))
        return None


def _readable_letter(place: Place, entry: bytes | str, fields: Mapping[bytes | str, bytes | str]) -> DeadLetter | None:
    try:
        return _dead_letter(place, _said(entry), _texts(fields))
    except (LookupError, ValueError):
        log.warning("messages.unreadable", channel=place.channel, entry=repr(entry))
        return None


def _message(place: Place, entry: str, deliveries: int, fields: dict[str, str]) -> Message:
    return Message(entry, place.channel, fields["sender"], fields["type"], fields.get("to"), fields["payload"], _at(entry), deliveries)


def _dead_letter(place: Place, entry: str, fields: dict[str, str]) -> DeadLetter:
    message = _message(place, fields["of"], int(fields["deliveries"]), fields)
    return DeadLetter(message, fields["group"], fields["consumer"], _at(entry))


def _texts(fields: Mapping[bytes | str, bytes | str]) -> dict[str, str]:
    return {_said(name): _said(value) for name, value in fields.items()}


def _named(flat: Sequence[bytes]) -> dict[str, str]:
    return {_said(flat[place]): _said(flat[place + 1]) for place in range(0, len(flat), 2)}


def _order(entry: str) -> tuple[int, int]:
    milliseconds, number = entry.split("-")
    return int(milliseconds), int(number)


def _at(entry: str) -> datetime:
    """Redis's own clock, which the id begins with."""
    return datetime.fromtimestamp(_order(entry)[0] / 1000, UTC)


def _is_id(text: str) -> bool:
    milliseconds, _, number = text.partition("-")
    return all(part.isascii() and part.isdigit() and int(part[:20]) < 2**64 and len(part) <= 20 for part in (milliseconds, number))


def _said(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
