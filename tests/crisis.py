"""A crisis of one afternoon, of our own invention: one matter said about seventy times in eight sessions of three developers, and what is no copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

SESSIONS, DEVELOPERS = 8, 3
CAUSE = "because the connection pool is exhausted"
HELD = " by transactions that stay open during the upload"
PLACES = ("", " in `warehouse/export.py`")
WORDINGS = (
    "The nightly stock export{of} fails {cause}{held}{place}.",
    "The nightly stock export{of} failed {cause}{held}{place}.",
    "{Cause}{held}, the nightly stock export{of} fails{place}.",
)
MORE = (
    "The nightly stock export fails because the connection pool is exhausted by transactions that stay open during the upload to the archive.",
    "The nightly stock export of the warehouse fails because the connection pool is exhausted by transactions that stay open during the slow upload.",
    "The connection pool is exhausted by transactions that stay open during the upload.",
    "The connection pool is exhausted because transactions stay open during the upload.",
    "Transactions that stay open during the upload exhaust the connection pool in `warehouse/export.py`.",
)
OTHER_FACTS = (
    "The retry of the nightly stock export sends the same file twice because the idempotency key is built from the clock.",
    "The stock report is empty because its view reads the replica before the replica catches up.",
)
CONTRADICTING = ("The nightly stock export does not fail because the connection pool is exhausted.",)
NUMBERS = (
    "The nightly stock export fails because the connection pool has 10 connections and the export takes 12.",
    "The nightly stock export fails because the connection pool has 20 connections and the export takes 24.",
)
APART = (*OTHER_FACTS, *CONTRADICTING, *NUMBERS)


class Said(NamedTuple):
    """A statement. `session`, `developer`: numbers from 0."""

    session: int
    developer: int
    text: str


def crisis() -> list[Said]:
    """Return what was said, in the order of the sessions; each statement twice, as sessions repeat each other."""
    of_the_matter = [*_versions(), *MORE]
    texts = [*of_the_matter, *of_the_matter, *APART, *OTHER_FACTS]
    return sorted(Said(place % SESSIONS, place % SESSIONS % DEVELOPERS, text) for place, text in enumerate(texts))


def _versions() -> Iterator[str]:
    for wording, of, held, place in product(WORDINGS, ("", " of the warehouse"), ("", HELD), PLACES):
        yield wording.format(of=of, cause=CAUSE, Cause=CAUSE.capitalize(), held=held, place=place)
