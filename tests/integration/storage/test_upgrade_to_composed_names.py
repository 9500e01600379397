"""Names from before they were composed (NFC): found as before, of the same project as before, and as closed as before."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.accounts.identity import of_folder
from app.accounts.requester import Requester
from app.budget.calls import CallReports
from app.budget.periods import Calendar
from app.budget.reporting import CLOSED_PROJECT
from app.budget.requests import CallFilter
from app.storage.database import Database
from tests.integration.storage.test_migrations import alembic
from tests.waiting import patient_database

BEFORE = "0030"
TEAM, DEVELOPER, PROJECT, OTHER = (uuid4() for _ in range(4))


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


async def upgraded(url: str, projects: Mapping[UUID, tuple[str, str]]) -> Database:
    """Return a database of today that was filled before: a team, a developer, a call of each project (its name, whom it is open to)."""
    assert (await alembic(url, "upgrade", BEFORE)).returncode == 0
    database = await Database.open(patient_database(), url, name="test")
    async with database.begin() as connection:
        await connection.execute(text("insert into teams (id, name) values (:id, :name)"), {"id": TEAM, "name": decomposed("팀")})
        row = {"id": DEVELOPER, "team": TEAM, "name": decomposed("세종")}
        await connection.execute(
            text("insert into developers (id, team_id, name, monthly_limit_nanousd) values (:id, :team, :name, 1)"), row
        )
        for project, (name, opens) in projects.items():
            key = f"folder:acme/{name.casefold()}"
            row = {"id": project, "team": TEAM, "name": name, "base": name, "key": key, "open": opens}
            await connection.execute(
                text(
                    "insert into projects (id, team_id, name, identity, base, owner, open)"
                    " values (:id, :team, :name, :key, :base, 'acme', :open)"
                ),
                row,
            )
            call = {"id": f"call of {name}", "developer": DEVELOPER, "team": TEAM, "project": name}
            await connection.execute(
                text(
                    "insert into request_log (request_id, developer_id, team_id, purpose, project, model_asked, attempts, cache, nanousd,"
                    " saved_nanousd, milliseconds, status) values (:id, :developer, :team, 'chat', :project, 'm', 1, 'miss', 1, 0, 1, 200)"
                ),
                call,
            )
    done = await alembic(url, "upgrade", "head")
    assert done.returncode == 0, done.stderr
    return database


def accounts_of(database: Database) -> Accounts:
    return Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)


async def shown_projects(database: Database, closed: set[UUID]) -> dict[str, str | None]:
    """Return, by request id, the project of each call as it is shown to somebody to whom these projects are closed."""
    requester = Requester(TEAM, "team", DEVELOPER, "dev", uuid4(), "auditor", closed=frozenset(closed))
    reports = CallReports(database, accounts_of(database), Calendar("UTC"))
    page = await reports.list_calls(requester, CallFilter(reports.days(None, None)))
    return {each.spending.request_id: each.spending.project for each in page.calls}


@pytest.mark.parametrize("name", ["Café", "Ångström", "한글"])
async def test_a_closed_projects_calls_stay_closed_under_the_spelling_they_were_logged_with(empty_database_url: str, name: str) -> None:
    old = decomposed(name)
    database = await upgraded(empty_database_url, {PROJECT: (old, "members"), OTHER: ("shop", "team")})
    assert await shown_projects(database, {PROJECT}) == {"call of shop": "shop", f"call of {old}": CLOSED_PROJECT}
    assert await shown_projects(database, set()) == {"call of shop": "shop", f"call of {old}": old}
    accounts = accounts_of(database)
    assert await accounts.closed_names(TEAM, {PROJECT}) == {name, old}
    assert await accounts.project_named(TEAM, name) == PROJECT
    await database.close()


async def test_a_name_that_another_project_has_composed_stays_as_closed_as_it_was(empty_database_url: str) -> None:
    old, name = decomposed("Café"), "Café"
    database = await upgraded(empty_database_url, {PROJECT: (old, "members"), OTHER: (name, "team")})
    assert await shown_projects(database, {PROJECT}) == {f"call of {name}": name, f"call of {old}": CLOSED_PROJECT}
    await database.close()


@pytest.mark.parametrize("name", ["Café", "Θεΐα"])  # the second is taken apart again where letters are casefolded
async def test_a_session_of_the_same_folder_belongs_to_the_same_project(empty_database_url: str, name: str) -> None:
    database = await upgraded(empty_database_url, {PROJECT: (decomposed(name), "team")})
    for spelt in (name, decomposed(name)):
        identity = of_folder(f"/home/ada/acme/{spelt}")
        assert identity is not None
        async with database.begin() as connection:
            assert await accounts_of(database).project_for(connection, TEAM, identity) == PROJECT
    await database.close()


async def test_teams_and_developers_are_found_by_the_names_they_had(empty_database_url: str) -> None:
    database = await upgraded(empty_database_url, {})
    accounts = accounts_of(database)
    assert await accounts.team_id("팀") == TEAM
    assert (await accounts.find_developer(decomposed("세종"))).id == DEVELOPER
    await database.close()
