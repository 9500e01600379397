"""What runs in a migrated database is what stands in the rooms: compared by PostgreSQL itself."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.storage.database import Database

ROOT = Path(__file__).resolve().parents[3]
OURS = """
select p.proname as name, pg_get_functiondef(p.oid) as definition
from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
    and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
"""
"""Functions and procedures that no extension brought."""
TRIGGERS = "select tgname as name, pg_get_triggerdef(oid) as definition from pg_trigger where not tgisinternal"


async def definitions(connection: AsyncConnection) -> dict[str, str]:
    return {row.name: row.definition for row in await connection.execute(text(OURS))}


async def in_the_rooms(connection: AsyncConnection) -> dict[str, str]:
    """Each room's file, made in this transaction and read back: PostgreSQL's own spelling, so nothing but a difference differs."""
    for file in sorted((ROOT / "app").glob("*/sql/*.sql")):
        if "create or replace function" in (sql := file.read_text()):
            await connection.execute(text(sql))
    return await definitions(connection)


async def test_each_function_of_a_migrated_database_stands_in_its_room_and_is_the_same(database: Database) -> None:
    async with database.begin() as connection:
        runs = await definitions(connection)
        stands = await in_the_rooms(connection)
        await connection.rollback()
    files = {path.stem for path in (ROOT / "app").glob("*/sql/*.sql")}
    assert runs.keys() <= files, f"no room's sql/ folder has {sorted(runs.keys() - files)}"
    assert runs.keys() == stands.keys(), f"no migration makes {sorted(stands.keys() - runs.keys())}"
    differ = [name for name in runs if runs[name] != stands[name]]
    assert not differ, f"what runs is not what stands in the room: {differ}. Write a migration that loads a copy of the room's file."
    assert {"budget_hold", "budget_settle"} <= runs.keys()


async def test_a_function_that_was_changed_in_the_database_alone_is_seen(database: Database) -> None:
    async with database.begin() as connection:
        changed = (await definitions(connection))["budget_settle"].replace("'overrun'", "'over'")
        await connection.execute(text(changed.replace(":", r"\:")))
        runs = await definitions(connection)
        stands = await in_the_rooms(connection)
        await connection.rollback()
    assert [name for name in runs if runs[name] != stands[name]] == ["budget_settle"]


async def test_each_trigger_of_a_migrated_database_stands_in_its_room_and_is_the_same(database: Database) -> None:
    files = [path for path in sorted((ROOT / "app").glob("*/sql/*.sql")) if "create or replace trigger" in path.read_text()]
    async with database.begin() as connection:
        runs = {row.name: row.definition for row in await connection.execute(text(TRIGGERS))}
        for file in files:
            await connection.execute(text(file.read_text()))
        stands = {row.name: row.definition for row in await connection.execute(text(TRIGGERS))}
        await connection.rollback()
    assert runs.keys() == {path.stem for path in files}
    assert runs == stands, "what runs is not what stands in the room: write a migration that loads a copy of the room's file."
