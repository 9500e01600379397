"""Batches of two processes that meet: what one doesn't hold the lock of, it must not spend."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID, uuid4

import asyncpg

from tests.integration.budget.conftest import WAITING

START, END = "2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"


def asked(developer: UUID, team: UUID, nanousd: int, place: int = 0) -> dict[str, object]:
    return {
        "place": place, "id": str(uuid4()), "request_id": uuid4().hex, "attempt": 1, "developer_id": str(developer), "team_id": str(team),
        "period_start": START, "day": "2026-11-21", "process_id": str(uuid4()), "provider": "fake", "model": "fake-1",
        "nanousd": nanousd, "tokens": 1,
    }  # fmt: skip


async def open_month(connection: asyncpg.Connection, subject: UUID, kind: str, limit: int | None) -> None:
    statement = "insert into budget_balances (subject_id, period_start, period_end, subject, limit_nanousd) values ($1, $2::text::timestamptz, $3::text::timestamptz, $4, $5)"
    await connection.execute(statement, subject, START, END, kind, limit)


async def test_a_month_that_opens_while_a_batch_waits_for_a_lock_is_not_spent_by_it(database_url: str) -> None:
    url = database_url.replace("+asyncpg", "")
    first, second, other, operator = [await asyncpg.connect(url) for _ in range(4)]
    known, known_team, late, late_too, late_team = (uuid4() for _ in range(5))
    await open_month(operator, known, "developer", 10**9)
    await open_month(operator, known_team, "team", None)
    sitting = other.transaction()
    await sitting.start()
    await other.execute("select 1 from budget_balances where subject_id = $1 for update", known)

    batch = json.dumps([asked(known, known_team, 1), asked(late, late_team, 1000, 1)])
    waiting = asyncio.create_task(first.fetchval("select budget_hold($1::jsonb)", batch))
    while not await operator.fetchval(WAITING):
        await asyncio.sleep(0.01)
    for subject, kind, limit in ((late, "developer", 10**9), (late_too, "developer", 10**9), (late_team, "team", 1000)):
        await open_month(operator, subject, kind, limit)
    async with second.transaction():
        granted = json.loads(await second.fetchval("select budget_hold($1::jsonb)", json.dumps([asked(late_too, late_team, 1000)])))
        assert len(granted["granted"]) == 1
        await sitting.commit()
    answer = json.loads(await waiting)
    assert len(answer["granted"]) == 1
    assert [each.get("missing") for each in answer["refused"]] == [True]
    assert await operator.fetchval("select held_nanousd from budget_balances where subject_id = $1", late_team) == 1000
    for connection in (first, second, other, operator):
        await connection.close()
