"""Keys with names and expiry, disabled and removed developers, admins, invitations: on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from structlog.testing import capture_logs

from app import clock
from app.accounts.accounts import Accounts
from app.accounts.developers import RemovedDeveloper
from app.accounts.invitations import Invitations, NewInvitation
from app.accounts.sign_ins import SignIns
from app.accounts.views import DeveloperFilter, InvitationView, OpennessChange
from app.errors import CairnError, Conflict, InvalidInput, NotAuthenticated, NotFound, NotPermitted
from app.services import administration, keys, people
from app.storage.database import Database
from app.storage.pages import EntryPage, ListOrder, PageWanted

ADMIN, SECRET = "a" * 40, "s" * 40
Entry = TypeVar("Entry")


@pytest.fixture
async def accounts(database: Database) -> Accounts:
    made = Accounts(database, admin_key=ADMIN, secret_key=SECRET, default_limit_nanousd=8_330_000_000)
    await made.ensure_defaults()
    await made.create_developer("ada")
    return made


@pytest.fixture
def sign_ins(database: Database, accounts: Accounts) -> SignIns:
    return SignIns(database, accounts, admin_key=ADMIN, secret_key=SECRET)


@pytest.fixture
def invitations(database: Database, accounts: Accounts) -> Invitations:
    return Invitations(database, accounts.developers, accounts.keys, secret_key=SECRET, default_team="default")


def view_and_token(made: NewInvitation) -> tuple[InvitationView, str]:
    return made.view, made.token


async def remove(database: Database, accounts: Accounts, name: str, *, erase: bool = False) -> RemovedDeveloper:
    async with database.begin() as connection:
        removed = await accounts.developers.remove(connection, name, erase_sessions=erase)
    accounts.developers.removed(removed)
    return removed


async def in_database(database: Database, statement: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text(statement))


async def test_keys_are_called_after_the_day_and_numbered(accounts: Accounts) -> None:
    day = f"{clock.now():%Y-%m-%d}"
    names = [(await accounts.keys.create("ada")).name for _ in range(3)]
    assert names == [day, f"{day}-2", f"{day}-3"]


async def test_a_live_keys_name_is_taken_also_by_two_at_once_and_free_once_it_ends(database: Database, accounts: Accounts) -> None:
    await accounts.create_developer("bob")
    await accounts.keys.create("bob", name="laptop")
    made = await asyncio.gather(*(accounts.keys.create("ada", name="laptop") for _ in range(6)), return_exceptions=True)
    won = [each for each in made if not isinstance(each, BaseException)]
    assert len(won) == 1
    assert all(isinstance(each, Conflict) and "another name" in each.message for each in made if isinstance(each, BaseException))
    await accounts.keys.revoke(won[0].id)
    await accounts.keys.create("ada", name="laptop", expires="1h")
    await in_database(database, "update api_keys set expires_at = now() - interval '1 second' where expires_at is not null")
    assert (await accounts.keys.create("ada", name="laptop")).name == "laptop"


@pytest.mark.parametrize("name", ["", " a", "a/b", "x" * 101, "a\x00", "sk-proj-" + "A1b2" * 12])
async def test_a_keys_name_that_cannot_be_used_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await accounts.keys.create("ada", name=name)
    assert refused.value.param == "name"


async def test_a_key_that_expires_while_it_is_cached_is_refused_at_once(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await accounts.keys.create("ada", expires="2h")).key
    assert (await accounts.authenticate(key)).developer == "ada"
    later = clock.now() + timedelta(hours=2, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    for _ in range(2):
        with pytest.raises(NotAuthenticated, match=r"This key expired on \d{4}-\d\d-\d\d: ask an admin for a new one") as refused:
            await accounts.authenticate(key)
        assert refused.value.code == "key_expired"


async def test_who_reads_on_is_refused_once_their_key_expires(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = await accounts.lasting(await accounts.authenticate((await accounts.keys.create("ada", expires="2h")).key))
    assert (await lasting.now()).developer == "ada"
    later = clock.now() + timedelta(hours=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(NotAuthenticated, match="expired on"):
        await lasting.now()


async def test_who_reads_on_is_refused_once_revoked_disabled_or_removed(database: Database, accounts: Accounts) -> None:
    for name in ("bo", "cy", "di"):
        await accounts.create_developer(name)
    keys = {name: await accounts.keys.create(name) for name in ("ada", "bo", "cy", "di")}
    lasting = {name: await accounts.lasting(await accounts.authenticate(key.key)) for name, key in keys.items()}
    await accounts.keys.revoke(keys["bo"].id)
    await accounts.developers.change("cy", disabled=True)
    await remove(database, accounts, "di")
    for name in ("bo", "cy", "di"):
        with pytest.raises(NotAuthenticated):
            await lasting[name].now()
    assert (await lasting["ada"].now()).developer == "ada"


async def test_who_reads_on_has_the_role_and_the_teams_that_are_theirs_by_then(accounts: Accounts) -> None:
    await accounts.create_team("core")
    await accounts.developers.change("ada", role="admin")
    ada = await accounts.authenticate((await accounts.keys.create("ada")).key)
    own, other = await accounts.lasting(ada), await accounts.lasting(await accounts.in_team(ada, "core"))
    assert ((await own.now()).role, (await other.now()).team) == ("admin", "core")
    await accounts.developers.change("ada", role="auditor")
    assert (await own.now()).role == "auditor"
    with pytest.raises(NotPermitted, match="another team"):
        await other.now()


async def test_entries_end_when_their_reader_may_not_see_them_any_more(accounts: Accounts) -> None:
    closed: list[str] = []

    async def entries(name: str) -> AsyncGenerator[int]:
        try:
            for each in range(10):
                yield each
        finally:
            closed.append(name)

    for name in ("bo", "cy"):
        await accounts.create_developer(name, role="lead")
    readers = {name: await accounts.authenticate((await accounts.keys.create(name)).key) for name in ("bo", "cy")}
    read = {name: accounts.while_permitted(reader, entries(name), needs="read_team_budget") for name, reader in readers.items()}
    assert [await anext(read[name]) for name in ("bo", "cy", "cy")] == [0, 0, 1]
    await accounts.developers.change("bo", disabled=True)
    await accounts.developers.change("cy", role="developer")
    with pytest.raises(NotAuthenticated, match="is disabled"):
        await anext(read["bo"])
    with pytest.raises(NotPermitted):
        await anext(read["cy"])
    assert closed == ["bo", "cy"]


async def test_a_sign_in_ends_when_its_key_expires(accounts: Accounts, sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in = await sign_ins.begin((await accounts.keys.create("ada", expires="2h")).key, hours=12)
    assert (await sign_ins.who(signed_in)).developer == "ada"
    later = clock.now() + timedelta(hours=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(NotAuthenticated, match="expired on"):
        await sign_ins.who(signed_in)


async def test_the_last_use_is_written_for_many_requests_at_once(database: Database, accounts: Accounts) -> None:
    used, unused = await accounts.keys.create("ada", name="used"), await accounts.keys.create("ada", name="unused")
    opened = 0

    def begun(*_: object) -> None:
        nonlocal opened
        opened += 1

    await accounts.authenticate(used.key)
    event.listen(database._engine.sync_engine, "begin", begun)
    try:
        for _ in range(50):
            await accounts.authenticate(used.key)
        assert opened == 0
        assert await accounts.keys.write_uses() == 1
        assert await accounts.keys.write_uses() == 0
        assert opened == 1
    finally:
        event.remove(database._engine.sync_engine, "begin", begun)
    seen = {each.name: each.last_used_at for each in (await accounts.keys.list_page(PageWanted(10))).entries}
    assert seen["used"] is not None
    assert abs(clock.now() - seen["used"]) < timedelta(minutes=5)
    assert (seen["unused"], unused.name) == (None, "unused")


async def test_a_use_that_could_not_be_written_is_written_later(database: Database, accounts: Accounts) -> None:
    made = await accounts.keys.create("ada")
    await accounts.authenticate(made.key)
    await in_database(database, "alter table api_keys rename to away")
    with pytest.raises(Exception, match=r"api_keys|database"):
        await accounts.keys.write_uses()
    await in_database(database, "alter table away rename to api_keys")
    assert await accounts.keys.write_uses() == 1


async def test_a_key_is_found_by_name_id_and_beginning_and_the_exact_one_wins(accounts: Accounts) -> None:
    laptop, ci = await accounts.keys.create("ada", name="laptop"), await accounts.keys.create("ada", name="ci")

    async def found(which: str) -> list[UUID]:
        return [each.id for each in (await accounts.keys.list_page(PageWanted(10), which=which, ended=True)).entries]

    for which in (
        "laptop",
        str(laptop.id),
        laptop.lookup,
        laptop.lookup[:8],
        f"cairn_{laptop.lookup[:8]}",
        f"cairn_{laptop.lookup}_…",
        laptop.key,
    ):
        assert await found(which) == [laptop.id], which
    for which in ("lap", laptop.lookup[:3], "", "%", "_", "a\x00", str(uuid4())):
        assert await found(which) == [], which
    named = await accounts.keys.create("ada", name=ci.lookup[:6])
    for which in (ci.lookup[:6], f" {ci.lookup[:6]}\n"):
        assert await found(which) == [named.id], which


async def test_pages_of_keys_lose_and_repeat_none(accounts: Accounts) -> None:
    made = [(await accounts.keys.create("ada", name=f"key {number}")).id for number in range(7)]
    assert [each.id for each in await every_page(accounts.keys.list_page)] == made[::-1]


async def test_pages_of_developers_go_by_name_and_count_what_matches(accounts: Accounts) -> None:
    for number in range(7):
        await accounts.create_developer(f"dev{6 - number}", role="lead" if number < 5 else "developer")
    await accounts.developers.change("dev6", disabled=True)
    team = await accounts.team_id("default")
    among = DeveloperFilter("DEV", role="lead")
    found = await every_page(lambda wanted: accounts.developers.list_page(wanted, among, team_id=team), "name")
    assert [each.name for each in found] == ["dev2", "dev3", "dev4", "dev5", "dev6"]
    assert await accounts.developers.count(among, team_id=team) == 5
    assert await accounts.developers.count(DeveloperFilter("dev", state="disabled"), team_id=team) == 1
    key = await accounts.keys.create("dev0")
    await accounts.keys.create("dev0", name="second")
    await accounts.keys.revoke(key.id)
    assert (await accounts.find_developer("dev0")).keys == 1


async def every_page(read: Callable[[PageWanted], Awaitable[EntryPage[Entry]]], order: ListOrder = "newest") -> list[Entry]:
    found: list[Entry] = []
    wanted = PageWanted(3, order)
    while True:
        page = await read(wanted)
        found += page.entries
        if page.next is None:
            return found
        wanted = replace(wanted, after=page.next)


async def test_a_disabled_developers_keys_and_sign_ins_are_refused_until_enabled(accounts: Accounts, sign_ins: SignIns) -> None:
    key = (await accounts.keys.create("ada")).key
    signed_in = await sign_ins.begin(key, hours=1)
    await accounts.authenticate(key)
    await accounts.developers.change("ada", disabled=True)
    for refused in (accounts.authenticate(key), sign_ins.who(signed_in), sign_ins.begin(key, hours=1)):
        with pytest.raises(NotAuthenticated, match="ada is disabled") as error:
            await refused
        assert error.value.code == "developer_disabled"
    with pytest.raises(Conflict, match="developers enable ada"):
        await accounts.keys.create("ada")
    since = (await accounts.find_developer("ada")).disabled_at
    await accounts.developers.change("ada", disabled=True)
    assert (await accounts.find_developer("ada")).disabled_at == since
    await accounts.developers.change("ada", disabled=False)
    assert (await accounts.authenticate(key)).developer == (await sign_ins.who(signed_in)).developer == "ada"
    with pytest.raises(NotFound, match="developers list"):
        await accounts.developers.change("nobody", disabled=True)


async def test_only_the_holder_of_a_key_learns_that_it_is_disabled_or_expired(accounts: Accounts) -> None:
    key = (await accounts.keys.create("ada")).key
    await accounts.developers.change("ada", disabled=True)
    with pytest.raises(NotAuthenticated, match="not valid"):
        await accounts.authenticate(key[:-1] + ("a" if key[-1] != "a" else "b"))


async def test_a_removed_developer_keeps_a_row_of_another_name_and_nothing_signs_in(
    database: Database, accounts: Accounts, sign_ins: SignIns
) -> None:
    before = await accounts.find_developer("ada")
    key = (await accounts.keys.create("ada")).key
    signed_in = await sign_ins.begin(key, hours=1)
    removed = await remove(database, accounts, "ada")
    assert removed.name == f"ada - removed {datetime.now(UTC):%Y-%m-%d} {before.id.hex[:8]}"
    for refused in (accounts.authenticate(key), sign_ins.who(signed_in)):
        with pytest.raises(NotAuthenticated):
            await refused
    assert await accounts.names([before.id]) == {before.id: removed.name}
    assert await accounts.list_developers() == []
    assert [each.name for each in await accounts.developers.list_all(removed=True)] == [removed.name]
    assert [each.developers for each in await accounts.list_teams()] == [0]
    again = await accounts.create_developer("ada")
    assert again.id != before.id
    assert (await accounts.find_developer("ada")).id == again.id
    assert (await remove(database, accounts, "ada")).name != removed.name
    for change in (
        accounts.developers.change(removed.name, disabled=False),
        accounts.developers.change(removed.name, role="lead"),
        accounts.keys.create(removed.name),
        remove(database, accounts, removed.name),
    ):
        with pytest.raises(Conflict, match="was removed, which can't be undone"):
            await change


async def test_a_removed_developer_is_shown_as_no_member_but_what_they_sent_before_still_goes_in(
    database: Database, accounts: Accounts
) -> None:
    ada = await accounts.find_developer("ada")
    async with database.begin() as connection:
        vault, quay = [await accounts.project_id(connection, ada.team_id, each) for each in ("vault", "quay")]
    for project in (vault, quay):
        await accounts.change_project(ada.team_id, project, name=None, openness=OpennessChange("members"))
    await accounts.change_project(ada.team_id, vault, name=None, openness=OpennessChange(add=["ada"]))
    removed = await remove(database, accounts, "ada")
    async with database.begin() as connection:
        await accounts.check_open_to(connection, vault, ada.id)
        with pytest.raises(NotPermitted):
            await accounts.check_open_to(connection, quay, ada.id)
    assert [each.members for each in await accounts.find_projects(ada.team_id)] == [[], []]
    for change in (OpennessChange(add=[removed.name]), OpennessChange(members=[removed.name])):
        with pytest.raises(InvalidInput, match="has no developer"):
            await accounts.change_project(ada.team_id, quay, name=None, openness=change)
    async with database.begin() as connection:
        await accounts.merge_project(connection, ada.team_id, quay, vault, by=None)  # nobody else sees that one


@pytest.mark.parametrize(
    "change", [OpennessChange(members=["bo"]), OpennessChange(members=[]), OpennessChange("team")], ids=["others", "nobody", "reopened"]
)
async def test_replacing_the_members_keeps_a_removed_one_whose_uploads_wait(
    database: Database, accounts: Accounts, change: OpennessChange
) -> None:
    ada = await accounts.find_developer("ada")
    for name in ("bo", "cy"):
        await accounts.create_developer(name)
    async with database.begin() as connection:
        vault = await accounts.project_id(connection, ada.team_id, "vault")
    await accounts.change_project(ada.team_id, vault, name=None, openness=OpennessChange("members", ["ada", "cy"]))
    await remove(database, accounts, "ada")
    await accounts.change_project(ada.team_id, vault, name=None, openness=change)
    await accounts.change_project(ada.team_id, vault, name=None, openness=OpennessChange("members"))
    async with database.begin() as connection:
        await accounts.check_open_to(connection, vault, ada.id)
        with pytest.raises(NotPermitted):
            await accounts.check_open_to(connection, vault, (await accounts.find_developer("cy")).id)
    (shown,) = await accounts.find_projects(ada.team_id)
    assert shown.members == list(change.members or [])


async def test_a_closed_projects_former_names_are_hidden_unless_an_open_one_has_them_now(database: Database, accounts: Accounts) -> None:
    ada = await accounts.find_developer("ada")
    async with database.begin() as connection:
        vault = await accounts.project_id(connection, ada.team_id, "vault")
    nothing = OpennessChange()
    for name in ("safe", "vault", "strongroom"):
        await accounts.change_project(ada.team_id, vault, name=name, openness=nothing)
    await accounts.change_project(ada.team_id, vault, name=None, openness=OpennessChange("members"))
    assert await accounts.closed_names(ada.team_id, {vault}) == {"vault", "safe", "strongroom"}
    async with database.begin() as connection:
        reused = await accounts.project_id(connection, ada.team_id, "safe")
    assert await accounts.closed_names(ada.team_id, {vault}) == {"vault", "strongroom"}
    assert await accounts.closed_names(ada.team_id, {vault, reused}) == {"vault", "safe", "strongroom"}
    assert await accounts.closed_names(ada.team_id, set()) == frozenset()


async def test_a_developer_is_the_same_however_the_name_is_typed(accounts: Accounts) -> None:
    made = await accounts.create_developer("Zoe\u0308")
    assert made.name == "Zo\u00eb"
    assert (await accounts.find_developer("Zoe\u0308")).id == made.id
    with pytest.raises(Conflict, match="exists already"):
        await accounts.create_developer("Zo\u00eb")


async def test_a_removed_developers_longest_name_stays_within_bounds(database: Database, accounts: Accounts) -> None:
    await accounts.create_developer("x" * 100)
    assert len((await remove(database, accounts, "x" * 100)).name) == 100


async def test_an_admin_acts_for_other_teams_under_their_own_name(accounts: Accounts, sign_ins: SignIns) -> None:
    other = await accounts.create_team("other")
    await accounts.developers.change("ada", role="admin")
    key = (await accounts.keys.create("ada")).key
    ada = await accounts.authenticate(key)
    there = await accounts.in_team(ada, "other")
    assert (there.team_id, there.is_admin, there.name, there.developer_id, there.acts_for) == (
        other.id,
        True,
        "ada",
        ada.developer_id,
        "ada",
    )
    signed_in = await sign_ins.begin(key, hours=1)
    assert (await sign_ins.who(signed_in)).name == "ada"
    assert (await sign_ins.who(signed_in, team="other")).team_id == other.id
    await accounts.developers.change("ada", role="lead")
    for refused in (sign_ins.who(signed_in, team="other"), accounts.in_team(await accounts.authenticate(key), "other")):
        with pytest.raises(NotPermitted):
            await refused


async def test_an_admins_sign_in_ends_with_their_key_and_not_with_the_admin_keys(accounts: Accounts, sign_ins: SignIns) -> None:
    await accounts.developers.change("ada", role="admin")
    made = await accounts.keys.create("ada")
    signed_in = await sign_ins.begin(made.key, hours=1)
    await accounts.keys.revoke(made.id)
    with pytest.raises(NotAuthenticated, match="signed out"):
        await sign_ins.who(signed_in)


async def test_an_invitation_makes_a_developer_and_one_key(accounts: Accounts, invitations: Invitations) -> None:
    await accounts.create_team("core")
    made, token = view_and_token(await invitations.create("grace", expires="7d", created_by="admin", team="core", role="lead"))
    assert (made.developer, made.team, made.role, made.state) == ("grace", "core", "lead", "open")
    assert (await invitations.look(token)).id == made.id
    raced = await asyncio.gather(*(invitations.redeem(token, key_name="laptop") for _ in range(8)), return_exceptions=True)
    won = [each for each in raced if not isinstance(each, BaseException)]
    assert len(won) == 1
    assert {type(each).__name__ for each in raced if isinstance(each, BaseException)} == {"Conflict"}
    who = await accounts.authenticate(won[0][1].key)
    assert (who.name, who.team, who.role) == ("grace", "core", "lead")
    assert [each.name for each in (await accounts.keys.list_page(PageWanted(10))).entries] == ["laptop"]
    with pytest.raises(Conflict, match="was used on") as used:
        await invitations.look(token)
    assert used.value.code == "invitation_used"
    assert (await invitations.list_page(PageWanted(10))).entries == []
    assert [each.state for each in (await invitations.list_page(PageWanted(10), ended=True)).entries] == ["used"]


async def test_a_key_name_that_is_taken_does_not_use_an_invitation_up(accounts: Accounts, invitations: Invitations) -> None:
    await accounts.keys.create("ada", name="laptop")
    token = (await invitations.create("ada", expires="1h", created_by="admin")).token
    with pytest.raises(Conflict, match="another name") as taken:
        await invitations.redeem(token, key_name="laptop")
    with pytest.raises(InvalidInput, match="key_name must be 1 to 100 letters") as misnamed:
        await invitations.redeem(token, key_name="a/b")
    assert (taken.value.param, misnamed.value.param) == ("key_name", "key_name")
    assert (await invitations.redeem(token, key_name="desktop"))[1].name == "desktop"


@pytest.mark.parametrize("name", ["admin", "Admin", "ADMIN"])
async def test_nobody_is_called_as_histories_call_the_admin_key(accounts: Accounts, invitations: Invitations, name: str) -> None:
    for refused in (accounts.create_developer(name), invitations.create(name, expires="7d", created_by="admin")):
        with pytest.raises(InvalidInput, match="histories and logs call the admin key so") as error:
            await refused
        assert error.value.param == "name"
    await accounts.create_developer("admin2")


async def test_an_invitation_that_cannot_be_used_says_why(database: Database, accounts: Accounts, invitations: Invitations) -> None:
    async def refusal(token: str) -> CairnError:
        with pytest.raises(CairnError) as refused:
            await invitations.redeem(token)
        with pytest.raises(CairnError, match=refused.value.message.split(" ")[0]):
            await invitations.look(token)
        assert token[:10] not in refused.value.message or not token
        return refused.value

    made, token = view_and_token(await invitations.create("ada", expires="1h", created_by="admin"))
    for unknown in ("", "x" * 43, token[:-1], "é", "y" * 10_000):
        assert isinstance(await refusal(unknown), NotFound)
    await accounts.developers.change("ada", disabled=True)
    assert (await refusal(token)).code == "developer_disabled"
    await accounts.developers.change("ada", disabled=False)
    await invitations.revoke(made.id)
    assert (await refusal(token)).code == "invitation_revoked"
    with pytest.raises(NotFound, match="invitations"):
        await invitations.revoke(made.id)
    late = (await invitations.create("ada", expires="1h", created_by="admin")).token
    await in_database(database, "update invitations set expires_at = now() - interval '1 second' where revoked_at is null")
    assert (await refusal(late)).code == "invitation_expired"
    gone = (await invitations.create("ada", expires="1h", created_by="admin")).token
    await remove(database, accounts, "ada")
    assert (await refusal(gone)).code == "invitation_revoked"


async def test_an_invitation_changes_nothing_of_a_developer_who_is_there(accounts: Accounts, invitations: Invitations) -> None:
    await accounts.create_team("core")
    for wrong, word in (({"team": "core"}, "team default already"), ({"role": "admin"}, "set-role")):
        with pytest.raises(Conflict, match=word):
            await invitations.create("ada", expires="7d", created_by="admin", **wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="teams list"):
        await invitations.create("new", expires="7d", created_by="admin", team="nowhere")
    with pytest.raises(InvalidInput, match="90 days"):
        await invitations.create("new", expires="91d", created_by="admin")
    with pytest.raises(InvalidInput, match="letters"):
        await invitations.create("a/b", expires="1d", created_by="admin")
    await accounts.developers.change("ada", disabled=True)
    with pytest.raises(Conflict, match="developers enable ada"):
        await invitations.create("ada", expires="7d", created_by="admin")
    assert [each.name for each in await accounts.list_developers()] == ["ada"]


async def test_neither_the_token_nor_its_plain_hash_is_stored_and_old_rows_are_swept(database: Database, invitations: Invitations) -> None:
    token = (await invitations.create("ada", expires="1h", created_by="admin")).token
    async with database.begin() as connection:
        row = (await connection.execute(text("select * from invitations"))).one()
    assert not any(token in str(value) or (isinstance(value, bytes) and token.encode() in value) for value in row)
    assert await invitations.sweep() == 0
    await in_database(database, "update invitations set expires_at = now() - interval '91 days'")
    assert await invitations.sweep() == 1


async def test_what_an_invitation_makes_is_logged_as_what_an_admin_makes_is(accounts: Accounts, invitations: Invitations) -> None:
    rooms: Any = SimpleNamespace(accounts=accounts, account_services=SimpleNamespace(invitations=invitations))
    admin = await accounts.authenticate(ADMIN)
    with capture_logs() as by_admin:
        await administration.create_developer(rooms, admin, "linus", team="default", monthly_limit_nanousd=None, role="lead")
        key = await keys.create_key(rooms, admin, "linus")
    with capture_logs() as by_invitation:
        _, token = await people.invite(rooms, admin, "grace", team=None, role="lead", expires="7d")
        await people.invite(rooms, admin, "grace", team=None, role=None, expires="7d")
        _, hers = await people.redeem(rooms, token, key_name=None)
    created, key_created = by_admin
    assert [each["event"] for each in by_invitation] == [
        "accounts.developer_created", "accounts.invited", "accounts.invited", "accounts.key_created", "accounts.invitation_used"
    ]  # fmt: skip
    assert by_invitation[0] == created | {"developer": "grace"}
    assert by_invitation[3] == key_created | {"developer": "grace", "by": "grace", "key": hers.lookup}
    assert not any(secret in str(by_admin + by_invitation) for secret in (key.key, hers.key, token))
