"""Sharing calls, around a call that can be watched and held back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import TokenUsage
from app.inference.embedding_batcher import MAX_CHARS_SHARED, MAX_TEXTS_SHARED, BatchShare, EmbeddingBatcher
from app.inference.provider_errors import ProviderError
from app.inference.wires.wire import EmbeddingResult
from tests.waiting import patience

NEVER = 3600.0
"""Seconds until a timer that no test waits for."""


class Watched:
    """A text's vector is its length. Records each call; holds them back while `gate` is closed.

    `fails` is every call's error; a call with the text `refuses` is the caller's mistake.
    """

    def __init__(self, *, tokens: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: Exception | None = None
        self.refuses: str | None = None
        self.usage = None if tokens is None else TokenUsage(input=tokens)

    async def __call__(self, texts: list[str]) -> EmbeddingResult:
        self.calls.append(texts)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails
        if self.refuses in texts:
            raise ProviderError("caller", f"no vectors of {self.refuses}", 400)
        return EmbeddingResult([[float(len(text))] for text in texts], "the-model", self.usage)


def lengths(share: BatchShare) -> list[float]:
    return [vector[0] for vector in share.vectors]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def asked(gather: EmbeddingBatcher, texts: list[str]) -> BatchShare:
    """One request, whose hold is a token a character."""
    return await gather.seat(texts, held_tokens=sum(map(len, texts))).future


async def submit(gather: EmbeddingBatcher, texts: list[str], held_tokens: int = 10) -> BatchShare:
    return await gather.seat(texts, held_tokens=held_tokens).future


async def begun(gather: EmbeddingBatcher, requests: Sequence[list[str]]) -> list[asyncio.Task[BatchShare]]:
    tasks = [asyncio.create_task(asked(gather, texts)) for texts in requests]
    await settle()
    return tasks


async def test_the_first_goes_at_once_and_alone() -> None:
    call = Watched(tokens=9)
    assert await asked(EmbeddingBatcher(call, max_requests=10, seconds=NEVER), ["one", "three"]) == BatchShare(
        [[3.0], [5.0]], "the-model", 9
    )
    assert call.calls == [["one", "three"]]


async def test_while_a_call_is_under_way_others_wait_for_each_other() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=3, seconds=NEVER)
    tasks = await begun(gather, [["a"], ["bb", "ccc"], ["dddd"]])
    assert call.calls == [["a"]]
    tasks += await begun(gather, [["eeeee"]])
    assert call.calls == [["a"], ["bb", "ccc", "dddd", "eeeee"]]
    call.gate.set()
    assert [lengths(share) for share in await asyncio.gather(*tasks)] == [[1], [2, 3], [4], [5]]


async def test_they_wait_a_bounded_time() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=100, seconds=0.0)
    tasks = await begun(gather, [["a"], ["bb"], ["ccc"]])
    async with patience():
        while len(call.calls) < 2:
            await asyncio.sleep(0)
    assert call.calls == [["a"], ["bb", "ccc"]]
    call.gate.set()
    assert [lengths(share) for share in await asyncio.gather(*tasks)] == [[1], [2], [3]]


async def test_after_a_group_has_gone_the_next_waits_its_own_time() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=2, seconds=NEVER)
    tasks = await begun(gather, [["a"], ["b"], ["c"], ["d"], ["e"]])
    assert call.calls == [["a"], ["b", "c"], ["d", "e"]]
    assert gather._timer is None
    call.gate.set()
    await asyncio.gather(*tasks)


async def test_who_comes_when_nothing_is_under_way_takes_along_who_waits() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=10, seconds=NEVER)
    tasks = await begun(gather, [["a"], ["bb"]])
    call.gate.set()
    await tasks[0]
    await settle()
    assert lengths(await asked(gather, ["ccc"])) == [3]
    assert (call.calls, lengths(await tasks[1])) == ([["a"], ["bb", "ccc"]], [2])


async def test_who_left_while_waiting_is_not_sent_and_the_others_get_their_own() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=3, seconds=NEVER)
    tasks = await begun(gather, [["a"], ["bb"], ["ccc"]])
    tasks[1].cancel()
    tasks += await begun(gather, [["dddd"]])
    assert call.calls == [["a"], ["ccc", "dddd"]]
    call.gate.set()
    first, left, third, fourth = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(left, asyncio.CancelledError)
    assert [lengths(share) for share in (first, third, fourth) if isinstance(share, BatchShare)] == [[1], [3], [4]]


async def test_where_all_who_waited_have_left_nothing_is_sent() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=10, seconds=NEVER)
    tasks = await begun(gather, [["a"], ["bb"]])
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    gather._go()  # as its timer would
    call.gate.set()
    await tasks[0]
    assert call.calls == [["a"]]


async def test_one_who_leaves_in_mid_call_does_not_disturb_the_others() -> None:
    call = Watched(tokens=30)
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=2, seconds=NEVER)
    tasks = await begun(gather, [["-"], ["a"], ["bb"]])
    tasks[1].cancel()
    await settle()
    assert call.cancelled == 0
    call.gate.set()
    share = await tasks[2]
    assert (lengths(share), share.tokens) == ([2], 20)  # whoever left took its part with it
    await tasks[0]


async def test_when_everybody_has_left_it_hangs_up_and_the_next_is_served() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=2, seconds=NEVER)
    tasks = await begun(gather, [["a"], ["b"], ["c"]])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await settle()
    assert (call.cancelled, gather._calls) == (2, set())
    call.gate.set()
    assert lengths(await asked(gather, ["dddd"])) == [4]


async def test_a_call_cancelled_from_outside_cancels_those_who_wait_for_it() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=2, seconds=NEVER)
    (task,) = await begun(gather, [["a"]])
    for each in gather._calls:
        each.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_fault_is_everybodys_but_counts_once() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=3, seconds=NEVER)
    tasks = await begun(gather, [["-"], ["a"], ["b"], ["c"]])
    call.fails = ProviderError("server_error", "it answered 500", 500)
    call.gate.set()
    faults = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(fault, ProviderError) and (fault.kind, fault.status) == ("server_error", 500) for fault in faults)
    assert [fault.counts for fault in faults if isinstance(fault, ProviderError)] == [True, True, False, False]
    call.fails = None
    assert lengths(await asked(gather, ["again"])) == [5]


async def test_a_bug_is_everybodys_too() -> None:
    call = Watched()
    call.fails = bug = ValueError("a bug")
    found = await asyncio.gather(
        *(asked(EmbeddingBatcher(call, max_requests=1, seconds=NEVER), ["a"]) for _ in range(2)), return_exceptions=True
    )
    assert found == [bug, bug]


async def test_a_fault_counts_once_also_when_the_first_has_left() -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=2, seconds=NEVER)
    tasks = await begun(gather, [["-"], ["a"], ["b"]])
    tasks[1].cancel()
    await settle()
    call.fails = ProviderError("server_error", "it answered 500", 500)
    call.gate.set()
    _, _, fault = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(fault, ProviderError)
    assert fault.counts


@pytest.mark.parametrize(
    "large",
    [["a"] * (MAX_TEXTS_SHARED // 2 + 1), ["a" * (MAX_CHARS_SHARED // 2 + 1)]],
    ids=["many texts", "a long one"],
)
async def test_a_large_request_goes_at_once_and_alone(large: list[str]) -> None:
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=10, seconds=NEVER)
    tasks = await begun(gather, [["-"], ["a"], large])
    assert call.calls == [["-"], large]
    tasks += await begun(gather, [["b"]] * 8 + [["c"]])
    assert call.calls[2:] == [["a", *["b"] * 8, "c"]]
    call.gate.set()
    await asyncio.gather(*tasks)


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 600)), min_size=1, max_size=30))
async def test_what_is_shared_is_never_more_than_a_provider_takes_in_one_call(sizes: list[tuple[int, int]]) -> None:
    call = Watched()
    call.gate.clear()
    requests = [["x" * chars] * texts for texts, chars in sizes]
    tasks = await begun(EmbeddingBatcher(call, max_requests=10, seconds=0.0), requests)
    call.gate.set()
    await asyncio.gather(*tasks)
    for texts in call.calls:
        assert texts in requests or (len(texts) <= MAX_TEXTS_SHARED and sum(map(len, texts)) <= MAX_CHARS_SHARED)


async def test_who_is_refused_for_its_own_text_is_refused_alone() -> None:
    """Asked for each by itself: the refusal may quote the text that it is about."""
    call = Watched()
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=4, seconds=NEVER)
    tasks = await begun(gather, [["-"], ["a"], ["bad"], ["ccc"], ["dddd"]])
    tasks[3].cancel()
    await settle()
    call.refuses = "bad"
    call.gate.set()
    _, first, bad, left, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, BatchShare)
    assert isinstance(last, BatchShare)
    assert (lengths(first), lengths(last)) == ([1], [4])
    assert isinstance(bad, ProviderError)
    assert (bad.kind, bad.echo) == ("caller", False)
    assert isinstance(left, asyncio.CancelledError)
    assert call.calls[1:] == [["a", "bad", "ccc", "dddd"], ["a"], ["bad"], ["dddd"]]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.floats(0, 1))
async def test_no_share_is_above_what_is_held_for_it_where_the_whole_is_not(held: list[int], part: float) -> None:
    total = int(sum(held) * part)
    call = Watched(tokens=total)
    call.gate.clear()
    gather = EmbeddingBatcher(call, max_requests=len(held), seconds=NEVER)
    first, *seats = [gather.seat(["x"], held_tokens=most) for most in (1, *held)]
    call.gate.set()
    shares = await asyncio.gather(*(seat.future for seat in seats))
    assert all((share.tokens or 0) <= most for share, most in zip(shares, held, strict=True))
    assert sum(share.tokens or 0 for share in shares) == total
    await first.future


async def test_a_usage_above_all_that_was_held_is_still_shared_out_whole() -> None:
    call = Watched(tokens=103)
    gather = EmbeddingBatcher(call, max_requests=2, seconds=NEVER)
    assert (await submit(gather, ["x"], held_tokens=0)).tokens == 103


texts = st.lists(st.text(max_size=20), min_size=1, max_size=4)


@given(st.lists(texts, min_size=1, max_size=8), st.none() | st.integers(0, 10_000), st.integers(1, 8))
async def test_each_gets_its_own_vectors_in_order_and_the_tokens_are_shared_out_whole(
    requests: list[list[str]], tokens: int | None, most: int
) -> None:
    call = Watched(tokens=tokens)
    call.gate.clear()
    tasks = await begun(EmbeddingBatcher(call, max_requests=most, seconds=0.0), requests)
    call.gate.set()
    shares = await asyncio.gather(*tasks)
    assert [lengths(share) for share in shares] == [[len(text) for text in each] for each in requests]
    assert [text for called in call.calls for text in called] == [text for each in requests for text in each]
    if tokens is None:
        assert {share.tokens for share in shares} == {None}
    else:
        parts = [share.tokens for share in shares if share.tokens is not None]
        assert sum(parts) == tokens * len(call.calls)
        assert min(parts) >= 0
