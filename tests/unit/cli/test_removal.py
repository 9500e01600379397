"""A removal with an export waits until all that the developer sent is read: erasing would delete what waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.cli import removal
from app.errors import Conflict


class FakeClient:
    """A server whose export tells these numbers of transcripts that wait, the last of them for ever."""

    def __init__(self, *waiting: int) -> None:
        self.waiting = list(waiting)
        self.asked = 0

    async def lines(self, path: str, *, method: str) -> AsyncIterator[dict[str, Any]]:
        assert (method, path) == ("GET", "/v1/developers/ada/export")
        self.asked += 1
        yield {"record": "developer", "waiting": self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]}
        yield {"record": "end", "sessions": 0, "events": 0}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "PAUSE_SECONDS", 0)


async def until_read(client: FakeClient) -> None:
    await removal._until_read(client, "/v1/developers/ada", "ada")  # type: ignore[arg-type]


async def test_it_asks_until_nothing_waits() -> None:
    client = FakeClient(2, 1, 0)
    await until_read(client)
    assert client.asked == 3


async def test_it_refuses_once_it_has_waited_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "READ_SECONDS", 0)
    with pytest.raises(Conflict, match=r"Uploaded transcripts that are not processed yet: 3. The export would lack them"):
        await until_read(FakeClient(3))
