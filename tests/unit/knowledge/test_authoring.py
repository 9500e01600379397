"""What needs no database of recording: titles, revisions, and how many may wait."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from app.errors import RateLimited
from app.knowledge.authoring import WriteAdmission
from app.knowledge.edits import TITLE_CHARS, ItemFields, revision_of, title_of

LONG = "Backups of the staging database are taken at three in the morning and whatever was changed by hand before that is gone for good"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Use pnpm here. The lock file is pnpm's.", "Use pnpm here."),
        ("\n\n# Use pnpm here\n\nThe lock file is pnpm's.", "Use pnpm here"),
        ("Version 1.2.3 breaks it", "Version 1.2.3 breaks it"),
        ("这里用 pnpm。锁文件是它的。", "这里用 pnpm。"),
        ("---", "---"),
    ],
)
def test_a_title_is_the_first_sentence(text: str, title: str) -> None:
    assert title_of(text) == title


@pytest.mark.parametrize("text", [LONG, LONG.replace(" ", "")])
def test_a_long_sentence_is_no_longer_title_and_is_not_cut_in_a_word(text: str) -> None:
    title = title_of(text)
    assert len(title) <= TITLE_CHARS
    if " " in text:
        assert set(title.removesuffix(" …").split()) <= set(text.split())


def test_a_revision_names_a_wording() -> None:
    words = ItemFields("gotcha", "A title", "A text", ("a.py",))
    assert revision_of(words) == revision_of(ItemFields("gotcha", "A title", "A text", ("a.py",)))
    changed = [
        ItemFields("refactoring", "A title", "A text", ("a.py",)),
        ItemFields("gotcha", "A", "title A text", ("a.py",)),
        ItemFields("gotcha", "A title", "A text"),
    ]
    assert len({revision_of(each) for each in [words, *changed]}) == 4


async def test_so_many_of_one_caller_wait_and_others_still_come_in() -> None:
    admission = WriteAdmission(at_once=1, max_waiting=3)
    async with AsyncExitStack() as held:
        await held.enter_async_context(admission.admit("first"))

        async def wait(caller: str) -> None:
            async with admission.admit(caller):
                pass

        waiting = [asyncio.create_task(wait("first")) for _ in range(2)] + [asyncio.create_task(wait("second"))]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited, match="3 of your items are still being written"):
            await wait("first")
    await asyncio.gather(*waiting)
    await wait("first")
    assert not admission._waiting
