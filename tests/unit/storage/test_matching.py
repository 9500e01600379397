"""Filter conditions on many values at once."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import Column, MetaData, Table, Uuid, select
from sqlalchemy.dialects import postgresql

from app.storage.matching import are_among

LINKS = Table("links", MetaData(), Column("older_id", Uuid), Column("newer_id", Uuid))


def test_pairs_of_any_number_are_two_parameters() -> None:
    pairs = [(uuid4(), uuid4()) for _ in range(20_000)]
    query = select(LINKS).where(are_among(LINKS.c.older_id, LINKS.c.newer_id, pairs)).compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    assert [len(each) for each in query.params.values()] == [20_000, 20_000]
