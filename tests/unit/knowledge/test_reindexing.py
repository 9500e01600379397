"""When the index is rebuilt by itself, and what is left to another server; and how often the index is fed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.errors import CairnError, Conflict, VectorStoreUnavailable
from app.knowledge.index import BATCH, Index
from app.knowledge.reindexing import AWAY_SECONDS, PAUSE_SECONDS, Reindexing
from app.settings import VectorsSettings

OPTIONS = VectorsSettings(reindex_after=100, reindex_share=0.1)


class Store:
    def __init__(self, *, points: int = 0, unindexed: int = 0, error: Exception | None = None) -> None:
        self.points, self.unindexed, self.error = points, unindexed, error

    async def status(self) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(points=self.points, unindexed=self.unindexed)


class Built:
    """An index that only counts its rebuilds."""

    def __init__(self, *, complete: bool = True, error: Exception | None = None) -> None:
        self.complete, self.error, self.rebuilt = complete, error, 0

    async def check(self) -> bool:
        return self.complete

    async def rebuild(self) -> int:
        if self.error is not None:
            raise self.error
        self.rebuilt += 1
        return 0


def reindexing(index: Built, store: Store) -> Reindexing:
    return Reindexing(index, store, OPTIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("complete", "points", "unindexed", "rebuilt"),
    [
        (True, 50, 50, 0),
        (False, 50, 0, 1),
        (True, 500, 99, 0),
        (True, 500, 100, 1),
        (True, 5_000, 499, 0),
        (True, 5_000, 500, 1),
        (True, 10_000_000, 19_999, 0),
        (True, 10_000_000, 20_000, 1),
    ],
)
async def test_it_is_rebuilt_where_items_are_missing_or_too_many_are_in_no_graph(
    complete: bool, points: int, unindexed: int, rebuilt: int
) -> None:
    index = Built(complete=complete)
    await reindexing(index, Store(points=points, unindexed=unindexed)).rebuild_if_needed()
    assert index.rebuilt == rebuilt


async def test_an_engine_that_is_away_is_said_once_and_looked_at_sooner() -> None:
    store = Store(error=VectorStoreUnavailable("The engine does not answer."))
    made = reindexing(Built(complete=False), store)
    (loop,) = made.loops()
    assert loop.pause_seconds == PAUSE_SECONDS
    with capture_logs() as said:
        for _ in range(3):
            await made.rebuild_if_needed()
            assert loop.pause_seconds == AWAY_SECONDS
        store.error = OSError()  # without words
        for _ in range(2):
            await made.rebuild_if_needed()
        store.error = None
        await made.rebuild_if_needed()
    assert [each["reason"] for each in said if each["event"] == "index.away"] == ["The engine does not answer.", "OSError"]
    assert loop.pause_seconds == PAUSE_SECONDS


async def test_a_rebuild_of_another_server_is_no_failure() -> None:
    with capture_logs() as said:
        await reindexing(Built(complete=False, error=Conflict("It is being rebuilt already.")), Store()).rebuild_if_needed()
    assert [each["log_level"] for each in said] == ["debug"]


@pytest.mark.parametrize("error", [VectorStoreUnavailable("The copier was killed."), CairnError("no room")])
async def test_a_failed_rebuild_is_said_and_is_the_loops_failure(error: CairnError) -> None:
    with capture_logs() as said, pytest.raises(type(error)):
        await reindexing(Built(complete=False, error=error), Store()).rebuild_if_needed()
    assert [(each["event"], each["reason"]) for each in said] == [("reindex.failed", error.message)]


async def test_the_feed_pauses_unless_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index(None, None)  # type: ignore[arg-type]
    drained: list[int | Exception] = [BATCH, 3, BATCH, VectorStoreUnavailable("away"), 0]

    async def drain() -> int:
        found = drained.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(index, "drain", drain)
    (loop,) = index.loops(poll_seconds=0.5)
    pauses = [loop.pause_seconds]
    while drained:
        try:
            await loop.step()
        except VectorStoreUnavailable:
            pauses.append(-loop.pause_seconds)  # not at once: it failed after a full batch
        else:
            pauses.append(loop.pause_seconds)
    assert pauses == [0.5, 0.0, 0.5, 0.0, -0.5, 0.5]
