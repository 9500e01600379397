"""Teams, developers, keys, projects on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from app import supervision
from app.accounts.accounts import Accounts
from app.accounts.membership import change_openness
from app.accounts.requester import DeveloperRole, Requester
from app.accounts.sign_ins import SignIns
from app.accounts.views import OpennessChange
from app.errors import CairnError, Conflict, InvalidInput, NotAuthenticated, NotFound, NotPermitted
from app.storage.database import Database
from app.storage.invalidations import CHANNEL, Invalidations
from app.storage.notify_listener import NotifyListener
from tests.waiting import patience, patient_database

ADMIN = "a" * 40


def open_accounts(database: Database, secret_key: str = "s" * 40, invalidations: Invalidations | None = None) -> Accounts:
    return Accounts(database, admin_key=ADMIN, secret_key=secret_key, default_limit_nanousd=8_330_000_000, invalidations=invalidations)


@pytest.fixture
async def accounts(database: Database) -> Accounts:
    made = open_accounts(database)
    await made.ensure_defaults()
    return made


async def test_the_admin_acts_for_the_default_team_or_the_one_it_names(accounts: Accounts) -> None:
    team = await accounts.create_team("core")
    assert (await accounts.authenticate(ADMIN)).team == "default"
    admin = await accounts.authenticate(ADMIN)
    named = await accounts.in_team(admin, "core")
    assert (named.team_id, named.is_admin) == (team.id, True)
    with pytest.raises(NotFound, match="teams list"):
        await accounts.in_team(admin, "nobody")


async def test_a_developers_key_opens_its_own_team_only(accounts: Accounts) -> None:
    await accounts.create_team("core")
    await accounts.create_developer("ada", team="core")
    key = (await accounts.keys.create("ada")).key
    requester = await accounts.authenticate(key)
    assert (requester.team, requester.developer, requester.role, requester.is_admin) == ("core", "ada", "developer", False)
    assert await accounts.in_team(requester, "core") == requester
    with pytest.raises(NotPermitted):
        await accounts.in_team(requester, "default")


async def test_a_changed_role_counts_at_once_for_keys_and_sign_ins(database: Database, accounts: Accounts) -> None:
    made = await accounts.create_developer("ada", role="lead")
    key = (await accounts.keys.create("ada")).key
    sign_ins = SignIns(database, accounts, admin_key=ADMIN, secret_key="s" * 40)
    signed_in = await sign_ins.begin(key, hours=1)
    assert (made.role, (await accounts.authenticate(key)).role, (await sign_ins.who(signed_in)).role) == ("lead",) * 3
    await accounts.developers.change("ada", role="auditor")
    assert ((await accounts.authenticate(key)).role, (await sign_ins.who(signed_in)).role) == ("auditor",) * 2
    assert (await accounts.find_developer("ada")).role == "auditor"
    with pytest.raises(NotFound, match="developers list"):
        await accounts.developers.change("nobody", role="lead")


async def test_no_other_role_can_be_stored(database: Database, accounts: Accounts) -> None:
    await accounts.create_developer("ada")
    with pytest.raises(IntegrityError, match="role_known"):
        async with database.begin() as connection:
            await connection.execute(text("update developers set role = 'owner'"))


async def test_a_revoked_key_is_refused_at_once(accounts: Accounts) -> None:
    await accounts.create_developer("ada")
    made = await accounts.keys.create("ada")
    id, key = made.id, made.key
    await accounts.authenticate(key)
    await accounts.keys.revoke(id)
    with pytest.raises(NotAuthenticated, match="keys create"):
        await accounts.authenticate(key)
    with pytest.raises(NotFound):
        await accounts.keys.revoke(id)


async def test_what_another_process_revokes_or_changes_counts_within_moments(database: Database, database_url: str) -> None:
    notices = [NotifyListener(patient_database(), database_url, name="test", channel=CHANNEL) for _ in range(2)]
    buses = [Invalidations(each) for each in notices]
    here, there = (open_accounts(database, invalidations=bus) for bus in buses)
    await here.ensure_defaults()
    await here.create_developer("ada")
    listening = [asyncio.create_task(supervision.run(*bus.loops())) for bus in buses]
    async with patience():
        while not all(each.listening for each in notices):
            await asyncio.sleep(0.01)
    for _ in range(3):
        made = await here.keys.create("ada")
        id, key = made.id, made.key
        assert (await there.authenticate(key)).key_id == id
        await here.keys.revoke(id)
        async with patience():
            while await _valid(there, key):
                await asyncio.sleep(0.01)
    roles: tuple[DeveloperRole, ...] = ("auditor", "lead", "developer")
    key = (await here.keys.create("ada")).key
    for role in roles:
        await here.developers.change("ada", role=role)
        assert (await here.authenticate(key)).role == role
        async with patience():
            while (await there.authenticate(key)).role != role:
                await asyncio.sleep(0.01)
    ada = await here.find_developer("ada")
    async with database.begin() as connection:
        project = await here.project_id(connection, ada.team_id, "vault")
    for openness, closed in (
        (OpennessChange("members"), True),
        (OpennessChange(add=["ada"]), False),
        (OpennessChange(remove=["ada"]), True),
    ):
        before = there.changes
        await here.change_project(ada.team_id, project, name=None, openness=openness)
        assert (project in (await here.authenticate(key)).closed) is closed
        async with patience():
            while (project in (await there.authenticate(key)).closed) is not closed:
                await asyncio.sleep(0.01)
        assert there.changes > before
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


async def test_what_is_closed_to_a_developer_follows_role_membership_team_and_merges(database: Database, accounts: Accounts) -> None:
    core, other = await accounts.create_team("core"), await accounts.create_team("other")
    keys = {}
    for name, team, role in (
        ("ada", "core", "developer"),
        ("bo", "core", "developer"),
        ("lin", "core", "lead"),
        ("ova", "other", "developer"),
    ):
        await accounts.create_developer(name, team=team, role=cast("DeveloperRole", role))
        keys[name] = (await accounts.keys.create(name)).key
    async with database.begin() as connection:
        vault, quay = [await accounts.project_id(connection, core.id, each) for each in ("vault", "quay")]
        theirs = await accounts.project_id(connection, other.id, "vault")

    async def closed(name: str) -> frozenset[UUID]:
        return (await accounts.authenticate(keys[name])).closed

    await accounts.change_project(core.id, vault, name=None, openness=OpennessChange("members", ["ada"]))
    assert [await closed(each) for each in ("ada", "bo", "lin", "ova")] == [frozenset(), {vault}, frozenset(), frozenset()]
    signed_in = SignIns(database, accounts, admin_key=ADMIN, secret_key="s" * 40)
    assert (await signed_in.who(await signed_in.begin(keys["bo"], hours=1))).closed == {vault}
    await accounts.developers.change("bo", role="auditor")
    assert await closed("bo") == {vault}
    await accounts.developers.change("bo", role="lead")
    assert await closed("bo") == frozenset()
    await accounts.developers.change("bo", role="developer")
    with pytest.raises(Conflict, match="open to more people"):
        async with database.begin() as connection:
            await accounts.merge_project(connection, core.id, vault, quay, by=None)
    await accounts.change_project(core.id, quay, name=None, openness=OpennessChange("members", ["bo"]))
    with pytest.raises(Conflict, match="open to more people"):
        async with database.begin() as connection:
            await accounts.merge_project(connection, core.id, vault, quay, by=None)
    await accounts.change_project(core.id, quay, name=None, openness=OpennessChange(members=[]))
    async with database.begin() as connection:
        await accounts.merge_project(connection, core.id, vault, quay, by=None)
    accounts.project_merged(vault)
    assert await accounts.refreshed(await accounts.authenticate(keys["ada"])) == await accounts.authenticate(keys["ada"])
    assert await closed("bo") == {vault, quay}, "what was noted under the merged project's id stays closed"
    await accounts.change_project(core.id, quay, name="harbour", openness=OpennessChange("team"))
    assert await closed("bo") == frozenset()
    (shown,) = await accounts.find_projects(core.id)
    assert (shown.name, shown.open, shown.members) == ("harbour", "team", [])
    for name, given in (
        ("stranger", OpennessChange("members", ["ova"])),
        ("open", OpennessChange(add=["ada"])),
        ("nul", OpennessChange("members", ["a\0"])),
    ):
        with pytest.raises(InvalidInput):
            await accounts.change_project(core.id, quay, name=name, openness=given)
    with pytest.raises(NotFound):
        await accounts.change_project(core.id, theirs, name=None, openness=OpennessChange("members"))
    assert (await accounts.find_projects(core.id))[0].name == "harbour", "neither or both"


async def test_a_merge_waits_for_the_closing_of_its_project_and_is_then_refused(database: Database, accounts: Accounts) -> None:
    core = await accounts.create_team("core")
    async with database.begin() as connection:
        vault, quay = [await accounts.project_id(connection, core.id, each) for each in ("vault", "quay")]

    async def merge() -> None:
        async with database.begin() as connection:
            await accounts.merge_project(connection, core.id, vault, quay, by=None)

    async with database.begin() as closing:
        await change_openness(closing, core.id, vault, OpennessChange("members"))
        merging = asyncio.create_task(merge())
        async with patience():
            while not await _somebody_waits_for_a_lock(database):
                await asyncio.sleep(0.01)
    with pytest.raises(Conflict, match="open to more people"):
        await merging


async def test_a_name_that_a_new_project_takes_at_the_moment_of_a_renaming_is_taken(database: Database, accounts: Accounts) -> None:
    core = await accounts.create_team("core")
    async with database.begin() as connection:
        vault = await accounts.project_id(connection, core.id, "vault")
    async with database.begin() as sending:
        await accounts.project_id(sending, core.id, "shop")
        renaming = asyncio.create_task(accounts.change_project(core.id, vault, name="shop", openness=OpennessChange()))
        async with patience():
            while not await _somebody_waits_for_a_lock(database):
                await asyncio.sleep(0.01)
    with pytest.raises(Conflict, match="A project 'shop' exists already"):
        await renaming


async def _somebody_waits_for_a_lock(database: Database) -> bool:
    async with database.begin() as connection:
        found = await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"))
    return bool(found)


async def _valid(accounts: Accounts, key: str) -> bool:
    try:
        await accounts.authenticate(key)
    except NotAuthenticated:
        return False
    return True


@pytest.mark.parametrize("key", ["", "x", ADMIN[:-1], ADMIN + "a", "cairn_abcdefghijkl_" + "x" * 43, "clé", "\ud800", "k" * 100_000])
async def test_a_key_that_is_not_one_is_refused(accounts: Accounts, key: str) -> None:
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(key)


async def test_one_letter_of_a_key_changed_is_another_key(accounts: Accounts) -> None:
    await accounts.create_developer("ada")
    key = (await accounts.keys.create("ada")).key
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(key[:-1] + ("a" if key[-1] != "a" else "b"))


async def test_neither_a_key_nor_its_plain_hash_is_stored(accounts: Accounts, database: Database) -> None:
    await accounts.create_developer("ada")
    key = (await accounts.keys.create("ada")).key
    async with database.begin() as connection:
        row = (await connection.execute(text("select * from api_keys"))).one()
    assert not any(key in str(value) or key.encode() in bytes(value if isinstance(value, bytes) else b"") for value in row)
    with pytest.raises(NotAuthenticated):  # the table alone, under another secret, opens nothing
        await open_accounts(database, secret_key="t" * 40).authenticate(key)


async def test_a_key_is_looked_up_once(accounts: Accounts, database: Database) -> None:
    await accounts.create_developer("ada")
    key = (await accounts.keys.create("ada")).key
    await accounts.authenticate(key)
    async with database.begin() as connection:
        await connection.execute(text("alter table api_keys rename to away"))
    assert (await accounts.authenticate(key)).developer == "ada"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\x00b", "x" * 200, "\ud800", "../etc"])
async def test_a_name_that_cannot_be_used_is_refused_and_the_field_named(accounts: Accounts, name: str) -> None:
    for made in (accounts.create_team(name), accounts.create_developer(name)):
        with pytest.raises(InvalidInput) as refused:
            await made
        assert refused.value.param == "name"


@pytest.mark.parametrize("limit", [-1, 2**63])
async def test_a_limit_that_cannot_be_is_refused(accounts: Accounts, limit: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await accounts.create_developer("ada", monthly_limit_nanousd=limit)
    assert refused.value.param == "monthly_limit_usd"


async def test_names_are_taken_once_also_by_two_at_once(accounts: Accounts) -> None:
    made = await asyncio.gather(*(accounts.create_developer("ada") for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in made) == 1
    assert all(isinstance(each, Conflict) for each in made if isinstance(each, BaseException))


async def test_hundreds_who_come_at_once_with_keys_that_are_not_cached_cost_two_queries(accounts: Accounts, database: Database) -> None:
    keys = []
    for name in ("ada", "grace", "edsger"):
        await accounts.create_developer(name)
        keys.append((await accounts.keys.create(name)).key)
    opened = 0

    def begun(*_: object) -> None:
        nonlocal opened
        opened += 1

    event.listen(database._engine.sync_engine, "begin", begun)
    try:
        wrong = f"{keys[0][:-1]}{'x' if keys[0][-1] != 'x' else 'y'}"
        found = await asyncio.gather(*(accounts.authenticate(each) for each in [*keys, wrong] * 75), return_exceptions=True)
    finally:
        event.remove(database._engine.sync_engine, "begin", begun)
    names = Counter(each.developer if isinstance(each, Requester) else type(each).__name__ for each in found)
    assert names == {"ada": 75, "grace": 75, "edsger": 75, "NotAuthenticated": 75}
    assert opened <= 2, "one for the first, one for all who came meanwhile"


async def test_developers_are_listed_with_their_live_keys(accounts: Accounts) -> None:
    await accounts.create_developer("ada")
    await accounts.create_developer("bob", monthly_limit_nanousd=0)
    first = (await accounts.keys.create("ada")).id
    await accounts.keys.create("ada")
    await accounts.keys.revoke(first)
    listed = [(each.name, each.keys, each.monthly_limit_nanousd) for each in await accounts.list_developers()]
    assert listed == [("ada", 1, 8_330_000_000), ("bob", 0, 0)]
    assert [(team.name, team.developers) for team in await accounts.list_teams()] == [("default", 2)]


@pytest.mark.parametrize("unknown", ["nobody", "a\x00b", "\ud800"])
async def test_a_key_for_nobody_says_how_to_list(accounts: Accounts, unknown: str) -> None:
    with pytest.raises(NotFound, match="developers list"):
        await accounts.keys.create(unknown)
    with pytest.raises(CairnError):
        await accounts.create_developer("ada", team=unknown)


async def test_a_project_is_one_row_a_team_however_many_ask_for_it(accounts: Accounts, database: Database) -> None:
    team, other = await accounts.authenticate(ADMIN), await accounts.create_team("other")

    async def ask(team_id: object) -> object:
        async with database.begin() as connection:
            return await accounts.project_id(connection, team_id, "shop")  # type: ignore[arg-type]

    mine = await asyncio.gather(*(ask(team.team_id) for _ in range(8)))
    theirs = await ask(other.id)
    assert len(set(mine)) == 1
    assert theirs not in mine
    assert [each.name for each in await accounts.find_projects(team.team_id)] == ["shop"]
    assert await accounts.find_projects(uuid4(), "shop") == []
    assert await accounts.project_names(team.team_id, [mine[0]]) == {mine[0]: "shop"}  # type: ignore[list-item]
