"""What a bare yes agrees to: the reply before it, found the same whether a session comes whole or event by event."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sessions.event import Event
from app.trajectory.intent import replies
from app.trajectory.intent.replies import PromptReader, read_prompt_at, reply_before

OFFER = "The parser works now. Shall I write unit tests for it?"
WORDS = ("yes", "go ahead", OFFER, "Should I rename the queue?", "why is it slow?", "done")


class ListedJournal:
    """A journal of one session, in memory."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    async def numbered(
        self, session_id: UUID, *, after: int = 0, until: int | None = None, max_output_chars: int | None = None
    ) -> AsyncIterator[tuple[int, Event]]:
        for seq, event in enumerate(self._events, start=1):
            if seq > after and (until is None or seq <= until):
                yield seq, event


def event(kind: str, words: str, *, sidechain: bool = False) -> Event:
    role = {"prompt": "user", "reply": "assistant", "tool": "tool", "notice": "system"}[kind]
    return Event(uuid4().hex, role, kind, words, "L", sidechain=sidechain)  # type: ignore[arg-type]


async def said_from(events: Sequence[Event], after: int, upto: int) -> dict[int, str]:
    """What the prompts in (after, upto] are read as."""
    journal = ListedJournal(events)

    async def look_back(seq: int) -> str:
        return await reply_before(journal, uuid4(), seq)  # type: ignore[arg-type]

    reading = PromptReader(look_back)
    found: dict[int, str] = {}
    async for seq, each in journal.numbered(uuid4(), after=after, until=upto):
        if (prose := await reading.add(seq, each)) is not None:
            found[seq] = prose.said
    return found


def whole(*events: Event) -> dict[int, str]:
    return asyncio.run(said_from(events, 0, len(events)))


EVENTS = st.lists(
    st.builds(event, st.sampled_from(("prompt", "reply", "tool", "notice")), st.sampled_from(WORDS), sidechain=st.booleans()), max_size=24
)


@given(EVENTS, st.sets(st.integers(1, 23)), st.integers(1, 6))
def test_a_session_that_comes_in_parts_is_read_as_one_that_comes_whole(events: list[Event], cuts: set[int], distance: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replies, "MAX_DISTANCE", distance)
        patched.setattr(replies, "FIRST_LOOK", 1)
        edges = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
        parts: dict[int, str] = {}
        for after, upto in itertools.pairwise(edges):
            parts |= asyncio.run(said_from(events, after, upto))
        assert parts == whole(*events)
        for seq, said in parts.items():
            alone = asyncio.run(read_prompt_at(ListedJournal(events), uuid4(), seq))  # type: ignore[arg-type]
            assert alone is not None
            assert alone.said == said


def test_a_bare_yes_is_read_as_the_offer_before_it_across_tool_calls() -> None:
    assert whole(event("reply", OFFER), event("tool", ""), event("notice", "saved"), event("prompt", "yes"))[4] == "write unit tests for it"


def test_a_yes_to_nothing_stays_a_yes() -> None:
    assert whole(event("prompt", "yes")) == {1: "yes"}
    assert whole(event("reply", OFFER), event("prompt", "first tell me why"), event("prompt", "yes"))[3] == "yes"
    assert whole(event("reply", OFFER, sidechain=True), event("prompt", "yes"))[2] == "yes"


def test_a_sub_agents_prompt_neither_answers_nor_comes_between() -> None:
    found = whole(event("reply", OFFER), event("prompt", "yes", sidechain=True), event("prompt", "yes"))
    assert (found[2], found[3]) == ("yes", "write unit tests for it")


def test_a_reply_too_far_back_is_not_answered() -> None:
    far = [event("reply", OFFER), *[event("tool", "")] * replies.MAX_DISTANCE, event("prompt", "yes")]
    assert whole(*far) == {len(far): "yes"}
    assert whole(*far[:1], *far[2:])[len(far) - 1] == "write unit tests for it"


def test_a_place_without_a_prompt_has_none() -> None:
    journal = ListedJournal([event("reply", OFFER)])
    for seq in (1, 2):
        assert asyncio.run(read_prompt_at(journal, uuid4(), seq)) is None  # type: ignore[arg-type]
