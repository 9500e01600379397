"""An installation of the version before former names: whoever was removed there is known by the name that they had."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from app.accounts.developers import was_called
from app.storage.database import Database
from tests.integration.storage.test_migrations import alembic
from tests.waiting import patient_database

NAMES = {
    "ada - removed 2026-11-29 1f3c9a22": "ada",
    "Linus@Example.com - removed 2025-01-01 00000000": "Linus@Example.com",
    "x - removed 2026-11-29 1f3c9a22 - removed 2026-11-30 0123abcd": "x - removed 2026-11-29 1f3c9a22",
}


@pytest.mark.long
async def test_the_name_that_a_removed_developer_had_is_read_from_the_one_that_they_have(empty_database_url: str) -> None:
    assert (await alembic(empty_database_url, "upgrade", "0030")).returncode == 0
    database = await Database.open(patient_database(), empty_database_url, name="test")
    async with database.begin() as connection:
        await connection.execute(text("insert into teams (id, name) values (:id, 'core')"), {"id": (team := uuid4())})
        row = text(
            "insert into developers (id, team_id, name, monthly_limit_nanousd, removed_at)"
            " values (:id, :team, :name, 0, case when :removed then now() end)"
        )
        for name in NAMES:
            await connection.execute(row, {"id": uuid4(), "team": team, "name": name, "removed": True})
        for name in ("grace", "bob - removed 2026-11-29 1f3c9a22"):  # who are there: the second is merely called so
            await connection.execute(row, {"id": uuid4(), "team": team, "name": name, "removed": False})
    assert (await alembic(empty_database_url, "upgrade", "head")).returncode == 0
    async with database.begin() as connection:
        found = await connection.execute(text("select name, former_name from developers where former_name is not null"))
        assert dict(found.all()) == NAMES  # type: ignore[arg-type]
        called = {name: await was_called(connection, name) for name in ("ADA", "linus@example.com", "grace", "bob", "x", "a")}
    assert called == {"ADA": True, "linus@example.com": True, "grace": False, "bob": False, "x": False, "a": False}
    assert (await alembic(empty_database_url, "downgrade", "0030")).returncode == 0
