"""A stream of a session: what it yields, in which order, and that it is no longer counted once it ends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.requester import Requester
from app.errors import NotFound
from app.knowledge.item import ItemFilter
from app.services.session_stream import ITEMS_PAGE, OpenSessionStream, SessionUpdate, open_session_stream
from app.sessions.event import Event
from app.sessions.stream import StreamedEvent, StreamPosition

ADA = Requester(uuid4(), "core", uuid4(), "ada", uuid4())
AT = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass
class FakeServices:
    """A session with some events, from which `items` were learnt at one second after the other."""

    events: Sequence[Event] = ()
    items: int = 0
    open: int = 0
    refusal: Exception | None = None

    @property
    def sessions(self) -> Any:
        return SimpleNamespace(reader=SimpleNamespace(show=self.show), stream=SimpleNamespace(counted=self.counted, since=self.since))

    @property
    def trajectory(self) -> Any:
        told = SimpleNamespace(told_since=self.told_since)
        return SimpleNamespace(queries=told, intents=SimpleNamespace(store=told))

    async def told_since(self, *_: object, **__: object) -> list[Any]:
        return []

    @property
    def knowledge(self) -> Any:
        return SimpleNamespace(reader=SimpleNamespace(list=self.list))

    @property
    def accounts(self) -> Any:
        return SimpleNamespace(lasting=self.lasting)

    async def lasting(self, requester: Requester) -> Any:
        async def now() -> Requester:
            return requester

        return SimpleNamespace(now=now)

    @property
    def messages(self) -> Any:
        return SimpleNamespace(stopping=False)

    async def show(self, *_: object) -> None:
        if self.refusal is not None:
            raise self.refusal

    @contextmanager
    def counted(self, _: Requester) -> Any:
        self.open += 1
        yield
        self.open -= 1

    async def since(self, _: Requester, __: object, position: StreamPosition) -> tuple[list[StreamedEvent], StreamPosition]:
        found = [
            StreamedEvent(seq, event, False, StreamPosition(seq)) for seq, event in enumerate(self.events, start=1) if seq > position.seq
        ]
        return found, found[-1].position if found else position

    async def list(self, _: Requester, wanted: ItemFilter, *, limit: int, cursor: str | None) -> Any:
        assert wanted.since is not None
        every = [self._item(number) for number in reversed(range(self.items))]
        new = [each for each in every if each.item.created_at >= wanted.since]
        start = int(cursor or 0)
        return SimpleNamespace(entries=new[start : start + limit], next=str(start + limit) if len(new) > start + limit else None)

    def _item(self, number: int) -> Any:
        at = AT + timedelta(seconds=number)
        return SimpleNamespace(item=SimpleNamespace(id=number, type="gotcha", title=f"item {number}", text="", created_at=at))


async def opened(services: FakeServices, last_id: str | None = None) -> OpenSessionStream:
    return await open_session_stream(services, ADA, uuid4(), last_id=last_id)  # type: ignore[arg-type]


async def updates(stream: OpenSessionStream) -> list[SessionUpdate]:
    return [each async for each in stream.updates(0) if each is not None]


def event(name: str) -> Event:
    return Event(name, "user", "prompt", name, name)


@pytest.mark.parametrize("count", [0, 1, ITEMS_PAGE, ITEMS_PAGE + 1, 3 * ITEMS_PAGE])
async def test_all_that_was_learnt_is_told_once_the_oldest_first_however_much(count: int) -> None:
    stream = await opened(FakeServices(items=count))
    assert [each.fields["title"] for each in await updates(stream)] == [f"item {number}" for number in range(count)]


async def test_events_come_from_after_the_given_id_each_with_its_own() -> None:
    services = FakeServices([event("one"), event("two"), event("three")])
    assert [(each.name, each.fields["text"], each.id) for each in await updates(await opened(services, "1.0"))] == [
        ("event", "two", "2.0~0.0~0.0"),
        ("event", "three", "3.0~0.0~0.0"),
    ]


async def test_a_stream_counts_as_open_until_it_ends_read_or_not() -> None:
    services = FakeServices()
    read, unread = await opened(services), await opened(services)
    assert services.open == 2
    await updates(read)
    unread.close()
    assert services.open == 0


async def test_a_session_that_is_refused_is_not_counted() -> None:
    services = FakeServices(refusal=NotFound("No such session."))
    with pytest.raises(NotFound):
        await opened(services)
    assert services.open == 0
