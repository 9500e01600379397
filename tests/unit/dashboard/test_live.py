"""Live feeds: pages that show the same share one question, and a failed one is asked again."""

from __future__ import annotations

import asyncio

import pytest

from app.dashboard.live import LiveFeeds
from app.errors import Unavailable


async def test_feeds_of_the_same_share_a_mark_and_others_have_their_own() -> None:
    feeds = LiveFeeds(max_feeds=10, seconds=600)
    asked: list[str] = []

    async def mark() -> str:
        asked.append("once")
        await asyncio.sleep(0)
        return str(len(asked))

    assert await asyncio.gather(*(feeds.shared("ours", mark) for _ in range(5))) == ["1"] * 5
    assert await feeds.shared("theirs", mark) == "2"
    assert await feeds.shared("ours", mark) == "1"


async def test_who_leaves_takes_the_mark_from_nobody() -> None:
    feeds, going = LiveFeeds(max_feeds=10, seconds=600), asyncio.Event()

    async def mark() -> str:
        await going.wait()
        return "found"

    leaving = asyncio.ensure_future(feeds.shared("ours", mark))
    staying = asyncio.ensure_future(feeds.shared("ours", mark))
    await asyncio.sleep(0)
    leaving.cancel()
    going.set()
    assert await staying == "found"


async def test_a_mark_that_could_not_be_made_is_asked_for_again() -> None:
    feeds = LiveFeeds(max_feeds=10, seconds=600)

    async def away() -> str:
        raise Unavailable("Away.")

    async def found() -> str:
        return "found"

    with pytest.raises(Unavailable):
        await feeds.shared("ours", away)
    assert await feeds.shared("ours", found) == "found"
