"""The request log: one row a request, behind the answer, and not lost while PostgreSQL is away for a moment."""

from __future__ import annotations

from dataclasses import astuple
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.budget import requests as logging
from app.budget.requests import FIELDS, RequestLog, RequestOutcome, RequestRecord
from app.errors import DatabaseUnavailable
from app.storage.database import Database


def request(request_id: str) -> RequestRecord:
    return RequestRecord(
        request_id=request_id, developer_id=uuid4(), team_id=uuid4(), purpose="chat", model_asked="auto", attempts=1, cache="miss",
        nanousd=7, saved_nanousd=0, milliseconds=12, status=RequestOutcome.ANSWERED, provider="groq", model_answered="llama",
    )  # fmt: skip


async def rows(database: Database) -> list[str]:
    async with database.begin() as connection:
        return list((await connection.scalars(text("select request_id from request_log order by id"))).all())


async def test_said_twice_a_request_is_one_row(database: Database) -> None:
    log = RequestLog(database)
    for name in ("a", "b", "a"):
        log.add(request(name))
    await log.close()
    assert await rows(database) == ["a", "b"]


async def test_while_postgresql_is_away_they_wait_and_the_oldest_are_lost_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "MAX_WAITING", 2)
    log = RequestLog(database)

    def away() -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(database, "begin", away)
        for name in ("a", "b", "c"):
            log.add(request(name))
        await log.close()
    await log.close()
    assert await rows(database) == ["b", "c"]


async def test_a_row_holds_every_field_as_it_was_given(database: Database) -> None:
    odd = RequestRecord(
        request_id='quote " and \\ and {', developer_id=uuid4(), team_id=uuid4(), purpose="Übung\t’", model_asked="", attempts=3, cache="semantic",
        nanousd=2**62 + 1, saved_nanousd=2**53 + 1, milliseconds=0, status=RequestOutcome.CALLER_LEFT, project="null", session="s", agent="a",
        parent_agent="p", input_tokens=2**53 + 3, output_tokens=1, cached_input_tokens=0,
    )  # fmt: skip
    plain, log = request("plain"), RequestLog(database)
    log.add(odd)
    log.add(plain)
    await log.close()
    async with database.begin() as connection:
        found = (await connection.execute(text(f"select {', '.join(FIELDS)} from request_log order by id"))).all()
    assert [tuple(each) for each in found] == [astuple(odd), astuple(plain)]
