"""The memory of a cache: bounded by entries and by bytes whatever comes, each entry with its end; every policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.memory import OVERHEAD_BYTES, MemoryCache
from app.settings import EvictionPolicy

POLICIES: tuple[EvictionPolicy, ...] = ("lru", "lfu", "w-tinylfu")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_set_is_found_until_its_end(policy: EvictionPolicy) -> None:
    clock = Clock()
    memory = MemoryCache(policy, entries=10, max_bytes=2**20, jitter=0.5, now=clock)
    memory.set(b"a", b"1", 10)
    clock.now = 4.9
    assert memory.get(b"a") == b"1"
    clock.now = 10
    assert memory.get(b"a") is None
    assert (memory.hits, memory.misses, memory.expired, memory.evictions, len(memory)) == (1, 1, 1, 0, 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_jitter_lets_what_came_together_end_apart(policy: EvictionPolicy) -> None:
    clock = Clock()
    memory = MemoryCache(policy, entries=1000, max_bytes=2**22, jitter=0.5, now=clock)
    for place in range(500):
        memory.set(str(place).encode(), b"1", 100)
    clock.now = 75
    left = sum(memory.get(str(place).encode()) is not None for place in range(500))
    assert 100 < left < 400


@pytest.mark.parametrize("policy", POLICIES)
@given(values=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3000)), max_size=120))
def test_neither_bound_is_ever_passed(policy: EvictionPolicy, values: list[tuple[int, int]]) -> None:
    most = 20_000
    memory = MemoryCache(policy, entries=16, max_bytes=most)
    for key, size in values:
        memory.set(bytes([key]), b"x" * size, 100)
        assert memory.size <= most
        assert len(memory) <= 16
        found = memory.get(bytes([key]))
        assert found is None or found == b"x" * size
    alive = sum(len(found) + OVERHEAD_BYTES for key in range(41) if (found := memory.get(bytes([key]))) is not None)
    assert alive == memory.size


@pytest.mark.parametrize("policy", POLICIES)
def test_a_value_that_would_push_out_too_many_is_not_kept(policy: EvictionPolicy) -> None:
    memory = MemoryCache(policy, entries=10, max_bytes=10_000)
    memory.set(b"small", b"1", 10)
    memory.set(b"large", b"x" * 9000, 10)
    assert (memory.get(b"large"), memory.get(b"small")) == (None, b"1")


@pytest.mark.parametrize("policy", POLICIES)
def test_delete_and_clear_are_no_evictions(policy: EvictionPolicy) -> None:
    memory = MemoryCache(policy, entries=10, max_bytes=2**20)
    for key in (b"a", b"b", b"c"):
        memory.set(key, b"1", 10)
    memory.delete(b"a")
    memory.delete(b"nothing")
    assert memory.clear() == 2
    assert (len(memory), memory.size, memory.evictions, memory.get(b"b")) == (0, 0, 0, None)


@pytest.mark.parametrize("policy", POLICIES)
def test_written_again_a_key_holds_the_new_value_once(policy: EvictionPolicy) -> None:
    memory = MemoryCache(policy, entries=10, max_bytes=2**20)
    memory.set(b"a", b"1", 10)
    memory.set(b"a", b"22", 10)
    assert (memory.get(b"a"), len(memory), memory.size, memory.evictions) == (b"22", 1, 2 + OVERHEAD_BYTES, 0)


def test_the_least_recently_and_the_least_often_used_go_first() -> None:
    for policy, gone in (("lru", b"a"), ("lfu", b"b")):
        memory = MemoryCache(policy, entries=2, max_bytes=2**20)  # type: ignore[arg-type]
        memory.set(b"a", b"1", 10)
        for _ in range(3):
            memory.get(b"a")
        memory.set(b"b", b"1", 10)
        memory.get(b"b")
        memory.set(b"c", b"1", 10)
        assert memory.get(gone) is None
        assert memory.evictions == 1
