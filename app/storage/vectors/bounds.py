"""What a vector store takes: checked before anything is sent, since the engine itself takes NaN and lengths of its own choice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.errors import InvalidInput
from app.storage.vectors.store import DIMS, Point, Vector, VectorName

MOST_HITS = 10_000
"""With their vectors of 1536 dims, they just fit one frame of the engine's socket."""


def check_points(points: Sequence[Point]) -> None:
    for point in points:
        for name, vector in point.vectors.items():
            check_vector(vector, name)


def check_search(vector: Vector, name: VectorName, limit: int) -> None:
    check_vector(vector, name)
    if not 1 <= limit <= MOST_HITS:
        raise InvalidInput(f"limit is {limit}; ask for 1 to {MOST_HITS} hits.", param="limit")


def check_vector(vector: Vector, name: VectorName) -> None:
    if name not in DIMS:
        raise InvalidInput(f"There is no vector {name!r}; use one of {', '.join(DIMS)}.", param="name")
    if vector.shape != (DIMS[name],):
        raise InvalidInput(f"A {name} vector has {DIMS[name]} numbers, not the shape {vector.shape}.", param="vector")
    if not np.isfinite(vector).all():
        raise InvalidInput(f"A {name} vector holds a number that is not finite. Embed the text again.", param="vector")
