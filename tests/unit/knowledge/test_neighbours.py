"""How many look-alikes a candidate is compared with."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import numpy as np
import pytest

from app.knowledge import neighbours
from app.knowledge.neighbours import NEAREST, Neighbourhood, pack, pack_half, unpack_half


async def test_of_hundreds_of_look_alikes_a_bounded_number_is_compared_the_nearest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def noted(a: str, b: str) -> bool:
        compared.append(a)
        return a != b

    monkeypatch.setattr(neighbours, "differs", noted)
    found = Neighbourhood(threshold=0.95)
    ids = [uuid4() for _ in range(300)]
    for place, item in enumerate(ids):
        found.add(item, f"port {place}", np.array([1.0, place / 1000], dtype=np.float32) / np.hypot(1.0, place / 1000))
    towards = np.array([1.0, 0.15], dtype=np.float32) / np.hypot(1.0, 0.15)
    assert await found.duplicate_of("port 1000", towards) is None
    assert len(compared) == NEAREST
    assert all(abs(int(words.split()[1]) - 150) <= NEAREST for words in compared)
    assert await found.duplicate_of("port 150", towards) == ids[150]


def test_a_passages_vector_keeps_its_direction_in_half_of_the_room_and_one_of_before_is_read_too() -> None:
    vectors = np.random.default_rng(7).normal(size=(200, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    halves = np.stack([unpack_half(pack_half(each)) for each in vectors])
    assert len(pack_half(vectors[0])) == 2 * 384
    assert np.abs(halves @ halves.T - vectors @ vectors.T).max() < 1e-4
    assert np.array_equal(unpack_half(pack(vectors[0])), vectors[0])


async def test_other_tasks_run_between_two_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    def noted(a: str, b: str) -> bool:
        events.append("compared")
        return True

    monkeypatch.setattr(neighbours, "differs", noted)
    found = Neighbourhood(threshold=0.95)
    vector = np.array([1.0, 0.0], dtype=np.float32)
    for place in range(3):
        found.add(uuid4(), f"port {place}", vector)

    async def beat() -> None:
        for _ in range(3):
            events.append("beat")
            await asyncio.sleep(0)

    heart = asyncio.create_task(beat())
    await found.duplicate_of("port 9", vector)
    await heart
    assert events == ["beat", "compared"] * 3
