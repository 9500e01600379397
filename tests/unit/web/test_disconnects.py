"""Work that ends with its client: who leaves is charged and told nothing more, who stays gets the result, and a cancellation stays one."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.web.disconnects import unless_disconnected


class Client:
    """Leaves when `leaves` is set; or breaks, where it has an `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.leaves = asyncio.Event()
        self._error = error

    @property
    def request(self) -> Request:
        return Request({"type": "http", "headers": []}, self._receive)

    async def _receive(self) -> Message:
        await self.leaves.wait()
        if self._error is not None:
            raise self._error
        return {"type": "http.disconnect"}


class Work:
    """Waits until `may_end`; then gives 7, or raises. `saved`: after a cancellation it goes on to its end."""

    def __init__(self, *, error: Exception | None = None, saved: bool = False) -> None:
        self.may_end, self.began = asyncio.Event(), asyncio.Event()
        self.cleaned = False
        self._error, self._saved = error, saved

    async def run(self) -> int:
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.cleaned = True
            if not self._saved:
                raise
        if self._error is not None:
            raise self._error
        return 7


async def test_who_stays_gets_the_result_and_nothing_listens_any_more() -> None:
    client, work = Client(), Work()
    work.may_end.set()
    others = asyncio.all_tasks()
    assert await unless_disconnected(client.request, work.run()) == 7
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == others


async def test_an_error_is_the_works_own() -> None:
    work = Work(error=KeyError("gone"))
    work.may_end.set()
    with pytest.raises(KeyError, match="gone"):
        await unless_disconnected(Client().request, work.run())


@pytest.mark.parametrize("work_of", [Work, lambda: Work(saved=True), lambda: Work(saved=True, error=KeyError("late"))])
@pytest.mark.parametrize("error", [None, ValueError("not what may be sent")])
async def test_who_leaves_ends_the_work_which_cleans_up_first(work_of: type[Work], error: Exception | None) -> None:
    client, work = Client(error), work_of()
    asking = asyncio.create_task(unless_disconnected(client.request, work.run()))
    await work.began.wait()
    client.leaves.set()
    with pytest.raises(ClientDisconnect):
        await asking
    assert work.cleaned
    assert asking.cancelling() == 0


async def test_who_leaves_as_the_work_has_ended_changes_nothing() -> None:
    client, work = Client(), Work()

    async def asked() -> int:
        found = await unless_disconnected(client.request, work.run())
        client.leaves.set()
        for _ in range(5):
            await asyncio.sleep(0)
        return found

    work.may_end.set()
    assert await asyncio.create_task(asked()) == 7


@pytest.mark.parametrize("leaves_too", [False, True])
async def test_a_cancellation_from_outside_stays_one(leaves_too: bool) -> None:
    client, work = Client(), Work()
    asking = asyncio.create_task(unless_disconnected(client.request, work.run()))
    await work.began.wait()
    if leaves_too:
        client.leaves.set()
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert work.cleaned


async def test_a_timeout_around_it_stays_a_timeout() -> None:
    work = Work()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await unless_disconnected(Client().request, work.run())
    assert work.cleaned
