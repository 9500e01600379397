"""Validates points and searches before they are sent: the engine itself accepts NaN and vectors of any length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC

import numpy as np

from app.errors import InvalidInput
from app.storage.vectors.lexical import SparseVector
from app.storage.vectors.recipe import DENSE
from app.storage.vectors.store import DIMS, Vector, VectorPoint, Within

MAX_HITS = 10_000
"""With their vectors, this many hits fit one frame of the engine's socket."""
MAX_TERM_ID = 2**32 - 1


def check_points(points: Sequence[VectorPoint]) -> None:
    for point in points:
        for name, vector in point.vectors.items():
            check_vector(vector, name)
        check_terms(point.terms)


def check_search(limit: int, within: Within | None, *, vector: Vector | None = None, terms: SparseVector | None = None) -> None:
    if vector is not None:
        check_vector(vector, DENSE)
    if terms is not None:
        check_terms(terms)
    if within is not None:
        check_within(within)
    if not 1 <= limit <= MAX_HITS:
        raise InvalidInput(f"limit is {limit}; ask for 1 to {MAX_HITS} hits.", param="limit")


def check_terms(terms: SparseVector) -> None:
    """Raise InvalidInput for malformed terms: the engine would sum repeated ids, or refuse the whole batch without naming the point."""
    if len(terms.indices) != len(terms.values):
        raise InvalidInput(f"{len(terms.indices)} term ids came with {len(terms.values)} weights: give each id one weight.", param="terms")
    if len(set(terms.indices)) != len(terms.indices):
        raise InvalidInput("A term id occurs twice among the terms: add up its weights.", param="terms")
    if terms.indices and not (min(terms.indices) >= 0 and max(terms.indices) <= MAX_TERM_ID):
        raise InvalidInput(f"A term id lies outside 0 to {MAX_TERM_ID}: hash the term to 32 bits without a sign.", param="terms")
    if not all(map(math.isfinite, terms.values)):
        raise InvalidInput("A term's weight is not finite. Compute the terms again.", param="terms")


def check_within(within: Within) -> None:
    if within.since is None and within.until is None:
        raise InvalidInput(f"The period of {within.field!r} has neither beginning nor end: give `since`, `until` or both.", param="within")
    for name, at in (("since", within.since), ("until", within.until)):
        if at is None:
            continue
        if at.tzinfo is None:
            raise InvalidInput(f"`{name}` has no time zone ({at.isoformat()}): add one, such as +00:00.", param=name)
        try:
            at.astimezone(UTC)
        except OverflowError as error:
            raise InvalidInput(f"`{name}` ({at.isoformat()}) lies outside the years 1 to 9999 in UTC.", param=name) from error


def check_vector(vector: Vector, name: str) -> None:
    if name not in DIMS:
        raise InvalidInput(f"There is no vector {name!r}; use one of {', '.join(DIMS)}.", param="name")
    if vector.shape != (DIMS[name],):
        raise InvalidInput(f"A {name} vector has {DIMS[name]} numbers, not the shape {vector.shape}.", param="vector")
    if not np.isfinite(vector).all():
        raise InvalidInput(f"A {name} vector holds a number that is not finite. Embed the text again.", param="vector")
