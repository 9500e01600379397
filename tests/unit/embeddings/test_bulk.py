"""The bulk lane around an embedder that can be watched and held back: whose slice is next, how large it is, and who may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.embeddings import bulk
from app.embeddings.bulk import (
    FIRST_SLICE_COST,
    MAX_QUESTION_CHARS,
    MAX_QUESTION_TEXTS,
    MAX_READ_CHARS,
    BulkAdmission,
    BulkLane,
    TwoLanes,
    cost_of,
)
from app.embeddings.embedder import Encoded
from app.errors import RateLimited, Unavailable

LONG = "x" * MAX_READ_CHARS


class Watched:
    """A text's vector is its number, which it ends with. Records each slice; holds slices back while `gate` is closed."""

    model = "watched"

    def __init__(self) -> None:
        self.slices: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails_at: str | None = None
        self.on_slice = lambda _texts: None

    async def start(self) -> None:
        return

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.slices.append(list(texts))
        self.on_slice(texts)
        await self.gate.wait()
        if self.fails_at in texts:
            raise Unavailable("away")
        return np.stack([np.full(384, float(text.rpartition(" ")[2]), dtype=np.float32) for text in texts])

    def callers(self) -> list[str]:
        """Whose each slice was: a text begins with its caller's name."""
        return [texts[0].split()[0] for texts in self.slices]


class Questions(Watched):
    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        vectors = await self.embed(texts)
        return [Encoded(vector, (text,), ((0, len(text)),), vector[None]) for text, vector in zip(texts, vectors, strict=True)]


@contextmanager
def called(caller: Hashable) -> Iterator[None]:
    named = bulk._caller.set(caller)
    try:
        yield
    finally:
        bulk._caller.reset(named)


def asked(lane: BulkLane | TwoLanes, caller: str, count: int, text: str = LONG) -> asyncio.Task[NDArray[np.float32]]:
    with called(caller):
        return asyncio.create_task(lane.embed([f"{caller} {text} {n}" for n in range(count)]))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def lane_of(inner: Watched, slice_seconds: float = 3600) -> BulkLane:
    return BulkLane(inner, slice_seconds=slice_seconds)


class Clock:
    """Each slice takes `seconds_a_text` for each of its texts."""

    def __init__(self, inner: Watched, monkeypatch: pytest.MonkeyPatch, *, seconds_a_text: float) -> None:
        self.now = 0.0
        self.seconds_a_text = seconds_a_text
        monkeypatch.setattr(bulk, "perf_counter", lambda: self.now)
        inner.on_slice = self._spend  # type: ignore[assignment]

    def _spend(self, texts: Sequence[str]) -> None:
        self.now += len(texts) * self.seconds_a_text


async def test_vectors_come_in_the_order_of_the_texts_whatever_their_lengths() -> None:
    texts = [f"{'y' * length} {n}" for n, length in enumerate([900, 3, 5000, 40, 0, 900, 12])]
    vectors = await lane_of(Watched()).embed(texts)
    assert vectors[:, 0].tolist() == list(range(7))


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.floats(0.001, 1))
async def test_every_text_is_embedded_once_and_the_shortest_first(lengths: list[int], slice_seconds: float) -> None:
    inner = Watched()
    texts = [f"{'z' * length} {n}" for n, length in enumerate(lengths)]
    vectors = await lane_of(inner, slice_seconds).embed(texts)
    assert vectors[:, 0].tolist() == list(range(len(lengths)))
    sent = [text for each in inner.slices for text in each]
    assert sorted(sent) == sorted(texts)
    assert [len(text) for text in sent] == sorted(len(text) for text in texts)


async def test_no_text_is_an_empty_array() -> None:
    inner = Watched()
    assert (await lane_of(inner).embed([])).shape == (0, 384)
    assert inner.slices == []


async def test_callers_take_turns_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Watched()
    Clock(inner, monkeypatch, seconds_a_text=1)
    lane = lane_of(inner, slice_seconds=1)
    inner.gate.clear()
    first = asked(lane, "ann", 8)
    await settle()
    later = [asked(lane, "bob", 3), asked(lane, "cid", 2)]
    await settle()
    inner.gate.set()
    await asyncio.gather(first, *later)
    assert inner.callers()[:7] == ["ann", "bob", "cid", "ann", "bob", "cid", "ann"]


async def test_a_caller_with_many_requests_has_one_turn_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Watched()
    Clock(inner, monkeypatch, seconds_a_text=1)
    lane = lane_of(inner, slice_seconds=1)
    inner.gate.clear()
    requests = [asked(lane, "ann", 9) for _ in range(5)]
    await settle()
    requests.append(asked(lane, "bob", 6))
    await settle()
    inner.gate.set()
    await asyncio.gather(*requests)
    assert inner.callers()[:7] == ["ann", "bob", "ann", "bob", "ann", "bob", "ann"]


async def test_a_callers_requests_are_answered_first_come_first_served(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Watched()
    Clock(inner, monkeypatch, seconds_a_text=1)
    lane = lane_of(inner, slice_seconds=1)
    ended: list[int] = []
    requests = [asked(lane, "ann", 3) for _ in range(3)]
    for number, request in enumerate(requests):
        request.add_done_callback(lambda _, number=number: ended.append(number))
    await asyncio.gather(*requests)
    assert ended == [0, 1, 2]


@pytest.mark.parametrize(("seconds_a_text", "size"), [(0.05, 4), (0.1, 2), (0.4, 1), (9.0, 1)])
async def test_a_slice_is_sized_to_take_slice_seconds(monkeypatch: pytest.MonkeyPatch, seconds_a_text: float, size: int) -> None:
    inner = Watched()
    Clock(inner, monkeypatch, seconds_a_text=seconds_a_text)
    await asked(lane_of(inner, slice_seconds=0.21), "ann", 60)
    assert len(inner.slices[0]) * cost_of(LONG) <= FIRST_SLICE_COST  # nothing was measured yet
    assert {len(each) for each in inner.slices[1:-1]} == {size}


async def test_slices_shrink_when_the_machine_slows_down(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Watched()
    clock = Clock(inner, monkeypatch, seconds_a_text=0.01)
    lane = lane_of(inner, slice_seconds=0.1)
    await asked(lane, "ann", 100)
    before = len(inner.slices[-2])
    clock.seconds_a_text = 0.1
    await asked(lane, "ann", 200)
    assert before >= 8
    assert len(inner.slices[-2]) == 1


async def test_a_cancelled_request_has_no_more_slices_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Watched()
    Clock(inner, monkeypatch, seconds_a_text=1)
    lane = lane_of(inner, slice_seconds=1)
    inner.gate.clear()
    gone, stays = asked(lane, "ann", 50), asked(lane, "bob", 2)
    await settle()
    gone.cancel()
    await settle()
    inner.gate.set()
    assert (await stays).shape == (2, 384)
    await settle()
    assert set(inner.callers()[1:]) == {"bob"}
    assert gone.cancelled()


async def test_a_request_behind_a_cancelled_one_is_embedded() -> None:
    inner = Watched()
    lane = lane_of(inner)
    inner.gate.clear()
    running, gone, last = asked(lane, "ann", 1), asked(lane, "ann", 1), asked(lane, "ann", 1)
    await settle()
    gone.cancel()
    await settle()
    inner.gate.set()
    assert (await running).shape == (await last).shape == (1, 384)
    assert len(inner.slices) == 2


async def test_an_error_reaches_only_the_request_whose_slice_failed() -> None:
    inner = Watched()
    lane = lane_of(inner)
    inner.fails_at = f"ann {LONG} 0"
    bad, good = asked(lane, "ann", 9), asked(lane, "bob", 2)
    with pytest.raises(Unavailable):
        await bad
    assert (await good).shape == (2, 384)
    assert inner.callers().count("ann") == 1
    inner.fails_at = None
    assert (await asked(lane, "ann", 1)).shape == (1, 384)


async def test_waiting_requests_fail_when_the_lane_closes() -> None:
    inner = Watched()
    lane = lane_of(inner)
    inner.gate.clear()
    waiting = [asked(lane, "ann", 1), asked(lane, "bob", 1)]
    await settle()
    await lane.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, Unavailable) and "stopping" in each.message for each in results)


def admission(lane: BulkLane, *, a_caller: int = 100, of_all: int = 1000, seconds: float = 60) -> BulkAdmission:
    return BulkAdmission(lane, max_texts_a_caller=a_caller, max_texts=of_all, max_wait_seconds=seconds)


async def test_a_caller_with_too_many_texts_waiting_is_refused_and_another_is_not() -> None:
    gate = admission(lane_of(Watched()), a_caller=10)
    with gate.admitted("ann", ["x"] * 7):
        with (
            pytest.raises(RateLimited, match=r"7 of your texts wait to be embedded; 4 more") as refused,
            gate.admitted("ann", ["x"] * 4),
        ):
            pass
        assert refused.value.retry_after >= 1
        with gate.admitted("ann", ["x"] * 3), gate.admitted("bob", ["x"] * 10):
            pass
    with gate.admitted("ann", ["x"] * 10):
        pass


async def test_a_callers_only_request_is_admitted_however_large() -> None:
    gate = admission(lane_of(Watched()), a_caller=10, of_all=20)
    with gate.admitted("ann", ["x"] * 2048):
        pass


async def test_all_callers_together_are_bounded() -> None:
    gate = admission(lane_of(Watched()), a_caller=100, of_all=30)
    with gate.admitted("ann", ["x"] * 20):
        with pytest.raises(Unavailable, match=r"20 texts of all callers wait") as refused, gate.admitted("bob", ["x"] * 11):
            pass
        assert refused.value.code == "embeddings_busy"
        with gate.admitted("bob", ["x"] * 10):
            pass


async def test_a_caller_whose_texts_would_take_too_long_is_refused_with_retry_after() -> None:
    lane = lane_of(Watched())
    lane.seconds_per_cost = 1 / cost_of(LONG)  # a second a text
    gate = admission(lane, seconds=20)
    with gate.admitted("ann", [LONG] * 15):
        with pytest.raises(RateLimited) as refused, gate.admitted("ann", [LONG] * 6):
            pass
        assert refused.value.retry_after == pytest.approx(7.5)
        with gate.admitted("ann", [LONG] * 5):
            pass
        with gate.admitted("bob", [LONG]), pytest.raises(RateLimited), gate.admitted("ann", [LONG]):
            pass  # beside another caller it takes twice as long


async def test_a_request_past_its_deadline_is_given_up_and_no_longer_embedded() -> None:
    inner = Watched()
    lane = lane_of(inner)
    gate = admission(lane, seconds=0.01)
    inner.gate.clear()
    with gate.admitted("ann", [LONG] * 9), pytest.raises(Unavailable, match="0 of 9 texts were embedded in time") as error:
        await lane.embed([f"ann {LONG} {n}" for n in range(9)])
    assert error.value.code == "embeddings_busy"
    inner.gate.set()
    assert (await asked(lane, "bob", 1)).shape == (1, 384)
    assert inner.callers() == ["ann", "bob"]


async def test_an_ended_request_no_longer_counts_as_waiting() -> None:
    gate = admission(lane_of(Watched()), a_caller=10)
    for _ in range(3):
        with pytest.raises(ValueError, match="went wrong"), gate.admitted("ann", ["x"] * 10):
            raise ValueError("went wrong")
    assert gate._waiting == {}


async def test_tasks_of_a_request_inherit_its_caller() -> None:
    inner = Watched()
    lane = lane_of(inner)
    gate = admission(lane)
    inner.gate.clear()
    with gate.admitted("ann", ["a 1"]):
        first = asyncio.create_task(lane.embed(["a 1"]))
    with gate.admitted("bob", ["b 2"]):
        other = asyncio.create_task(lane.embed(["b 2"]))
    await settle()
    assert set(lane._queues) == {"ann", "bob"}
    inner.gate.set()
    await asyncio.gather(first, other)


@pytest.mark.parametrize(
    ("texts", "is_a_question"),
    [
        (["short 1"], True),
        (["short 1"] * MAX_QUESTION_TEXTS, True),
        (["short 1"] * (MAX_QUESTION_TEXTS + 1), False),
        ([f"{'x' * (MAX_QUESTION_CHARS - 2)} 1"], True),
        ([f"{'x' * MAX_QUESTION_CHARS} 1"], False),
    ],
)
async def test_a_request_as_small_as_a_question_is_embedded_with_the_questions(texts: list[str], is_a_question: bool) -> None:
    questions, slices = Questions(), Watched()
    await TwoLanes(questions, lane_of(slices)).embed(texts)
    assert (len(questions.slices), len(slices.slices)) == ((1, 0) if is_a_question else (0, 1))


async def test_a_caller_has_one_small_request_at_a_time_among_the_questions() -> None:
    questions, slices = Questions(), Watched()
    lanes = TwoLanes(questions, lane_of(slices))
    questions.gate.clear()
    asking = [asked(lanes, "ann", 1, "short") for _ in range(30)] + [asked(lanes, "bob", 1, "short")]
    await settle()
    assert questions.callers() == ["ann", "bob"]
    questions.gate.set()
    await asyncio.gather(*asking)
    assert sum(len(each) for each in slices.slices) == 29
    await asked(lanes, "ann", 1, "short")
    assert questions.callers() == ["ann", "bob", "ann"]


async def test_token_vectors_are_made_by_the_questions_embedder() -> None:
    questions, slices = Questions(), Watched()
    encoded = await TwoLanes(questions, lane_of(slices)).embed_tokens([f"{LONG} {number}" for number in range(40)])
    assert [each.vector[0] for each in encoded] == list(range(40))
    assert (len(questions.slices), slices.slices) == (1, [])
