"""How many look-alikes a candidate is compared with."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from app.knowledge import neighbours
from app.knowledge.neighbours import NEAREST, Neighbourhood


def test_of_hundreds_of_look_alikes_a_bounded_number_is_compared_the_nearest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def noted(a: str, b: str) -> tuple[str, ...]:
        compared.append(a)
        return () if a == b else ("number",)

    monkeypatch.setattr(neighbours, "differing", noted)
    found = Neighbourhood(threshold=0.95)
    ids = [uuid4() for _ in range(300)]
    for place, item in enumerate(ids):
        found.add(item, f"port {place}", np.array([1.0, place / 1000], dtype=np.float32) / np.hypot(1.0, place / 1000))
    towards = np.array([1.0, 0.15], dtype=np.float32) / np.hypot(1.0, 0.15)
    assert found.twin("port 1000", towards) is None
    assert len(compared) == NEAREST
    assert all(abs(int(words.split()[1]) - 150) <= NEAREST for words in compared)
    assert found.twin("port 150", towards) == ids[150]
