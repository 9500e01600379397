"""Accounts at an OpenID provider: who they are here, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.accounts.accounts import Accounts
from app.accounts.openid_accounts import OpenIdAccounts
from app.accounts.requester import Requester
from app.accounts.sign_ins import SignIns
from app.accounts.views import OpenIdAccountView
from app.errors import CairnError, Conflict, InvalidInput, NotAuthenticated, NotFound, NotPermitted
from app.openid.claims import ExternalIdentity
from app.services import administration, openid
from app.settings import OpenIdSettings, Settings
from app.storage.database import Database
from app.storage.pages import PageWanted

ADMIN, SECRET = "a" * 40, "s" * 40
ISSUER = "https://login.example.com"


@pytest.fixture
async def accounts(database: Database) -> Accounts:
    made = Accounts(database, admin_key=ADMIN, secret_key=SECRET, default_limit_nanousd=8_330_000_000)
    await made.ensure_defaults()
    await made.create_developer("ada@example.com")
    await made.create_developer("grace", role="lead")
    return made


def identity(subject: str, email: str | None, **more: Any) -> ExternalIdentity:
    return ExternalIdentity(**({"issuer": ISSUER, "subject": subject, "name": email or "grace", "email": email, "role": None} | more))


class Office:
    """Sign-ins of a server with these settings."""

    def __init__(self, database: Database, accounts: Accounts, **settings: Any) -> None:
        options = OpenIdSettings(**{"issuer": ISSUER, "client_id": "cairn", "name": "Acme"} | settings)
        self.database = database
        self.accounts = accounts
        self.openid = OpenIdAccounts(database, accounts.developers, options)
        self.sign_ins = SignIns(database, accounts, admin_key=ADMIN, secret_key=SECRET, openid=self.openid)

    async def enter(self, who: ExternalIdentity) -> Requester:
        return await self.sign_ins.who(await self.begin(who))

    async def begin(self, who: ExternalIdentity) -> UUID:
        return (await self.sign_ins.begin_with(who, hours=1)).id

    async def linked(self) -> Sequence[OpenIdAccountView]:
        return (await self.openid.list_page(PageWanted(10))).entries

    async def remove(self, name: str) -> None:
        async with self.database.begin() as connection:
            removed = await self.accounts.developers.remove(connection, name, erase_sessions=False)
        self.accounts.developers.removed(removed)


@pytest.fixture
def office(database: Database, accounts: Accounts) -> Office:
    return Office(database, accounts)


async def test_a_verified_address_that_is_a_developers_name_signs_in_as_that_developer(office: Office) -> None:
    found = await office.enter(identity("ada-1", "ada@example.com"))
    assert (found.developer, found.team, found.role, found.key_id) == ("ada@example.com", "default", "developer", None)
    assert [(each.developer, each.subject, each.email) for each in await office.linked()] == [
        ("ada@example.com", "ada-1", "ada@example.com")
    ]


async def test_a_name_in_capitals_is_the_same_address(office: Office) -> None:
    await office.accounts.create_developer("Linus@Example.com")
    assert (await office.enter(identity("linus-1", "linus@example.com"))).developer == "Linus@Example.com"


async def test_two_developers_whose_names_differ_in_capitals_are_told_apart_by_the_exact_one_or_not_at_all(office: Office) -> None:
    await office.accounts.create_developer("ADA@example.com")
    assert (await office.enter(identity("ada-1", "ada@example.com"))).developer == "ada@example.com"
    for name in ("Linus@example.com", "LINUS@example.com"):
        await office.accounts.create_developer(name)
    with pytest.raises(NotFound):
        await office.enter(identity("linus-1", "linus@example.com"))


async def test_an_account_stays_its_developers_when_its_address_changes(office: Office) -> None:
    await office.enter(identity("ada-1", "ada@example.com"))
    await office.accounts.create_developer("ada@example.org")
    assert (await office.enter(identity("ada-1", "ada@example.org"))).developer == "ada@example.com"


async def test_an_address_that_the_provider_gives_to_somebody_else_opens_nobodys_account(office: Office) -> None:
    await office.enter(identity("ada-1", "ada@example.com"))
    with pytest.raises(NotAuthenticated, match=r"linked to another account at Acme.*cairn developers unlink ada@example\.com"):
        await office.enter(identity("eve-2", "ada@example.com"))
    await office.openid.unlink("ada@example.com")
    assert (await office.enter(identity("ada-3", "ada@example.com"))).developer == "ada@example.com"


async def test_the_same_subject_of_another_issuer_is_somebody_else(database: Database, accounts: Accounts, office: Office) -> None:
    await office.enter(identity("1", "ada@example.com"))
    moved = Office(database, accounts, issuer="https://other.example.com")
    with pytest.raises(NotAuthenticated, match="no developer of that name"):
        await moved.enter(identity("1", "eve@example.com", issuer="https://other.example.com"))
    assert (await moved.enter(identity("7", "ada@example.com", issuer="https://other.example.com"))).developer == "ada@example.com"


async def test_somebody_unknown_is_told_what_to_ask_an_admin(office: Office) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        await office.enter(identity("eve-1", "eve@example.com"))
    for part in ("Acme knows you as eve@example.com", "cairn developers add eve@example.com", "cairn developers link NAME EMAIL"):
        assert part in refused.value.message
    assert not await office.linked()


async def test_an_admin_links_a_developer_of_another_name_to_an_address(office: Office) -> None:
    linked = await office.openid.link("grace", " Grace@Example.com ")
    assert (linked.email, linked.subject) == ("grace@example.com", None)
    found = await office.enter(identity("grace-1", "grace@example.com"))
    assert (found.developer, found.role) == ("grace", "lead")
    assert (await office.enter(identity("grace-1", "other@example.com"))).developer == "grace"
    with pytest.raises(NotAuthenticated, match="no developer of that name"):
        await office.enter(identity("eve-2", "grace@example.com"))


async def test_an_address_that_is_not_verified_takes_no_link(office: Office) -> None:
    await office.openid.link("grace", "grace@example.com")
    with pytest.raises(NotAuthenticated):
        await office.enter(identity("eve-1", None, name="grace@example.com"))


async def test_a_link_is_refused_where_it_would_take_somebodys_place(office: Office) -> None:
    await office.openid.link("grace", "grace@example.com")
    await office.openid.link("grace", "hopper@example.com")  # the first was mistyped
    with pytest.raises(Conflict, match="linked to another developer"):
        await office.openid.link("ada@example.com", "hopper@example.com")
    await office.enter(identity("grace-1", "hopper@example.com"))
    with pytest.raises(Conflict, match="cairn developers unlink grace"):
        await office.openid.link("grace", "eve@example.com")
    for nonsense in ("", "grace", "a b@c", "x" * 300 + "@example.com", "a\x00@b", "ada\uff20b@c"):
        with pytest.raises(InvalidInput, match="email must be"):
            await office.openid.link("grace", nonsense)
    for refused in (office.openid.link("nobody", "a@b.c"), office.openid.unlink("nobody"), office.openid.unlink("ada@example.com")):
        with pytest.raises(NotFound):
            await refused


async def test_unlinking_ends_the_sign_ins(office: Office) -> None:
    signed_in = await office.begin(identity("ada-1", "ada@example.com"))
    await office.openid.unlink("ada@example.com")
    with pytest.raises(NotAuthenticated, match="signed out"):
        await office.sign_ins.who(signed_in)


async def test_a_disabled_developer_is_signed_out_at_once_and_refused_with_their_own_message(office: Office) -> None:
    signed_in = await office.begin(identity("ada-1", "ada@example.com"))
    requester = await office.sign_ins.who(signed_in)
    await office.accounts.developers.change("ada@example.com", disabled=True)
    again = office.begin(identity("ada-1", "ada@example.com"))
    first = office.begin(identity("ada-2", "ada@example.com"))
    for refused in (office.sign_ins.who(signed_in), again, first, office.accounts.refreshed(requester)):
        with pytest.raises(NotAuthenticated, match=r"ada@example\.com is disabled") as error:
            await refused
        assert error.value.code == "developer_disabled"
    await office.accounts.developers.change("ada@example.com", disabled=False)
    assert (await office.sign_ins.who(signed_in)).developer == (await office.accounts.refreshed(requester)).developer == "ada@example.com"


async def test_who_was_removed_does_not_come_back_as_somebody_new(database: Database, accounts: Accounts) -> None:
    office = Office(database, accounts, create=True, domains="example.com")
    signed_in = await office.begin(identity("ada-1", "ada@example.com"))
    await office.openid.link("grace", "grace@example.com")
    await office.remove("ada@example.com")
    await office.remove("grace")
    for refused in (office.sign_ins.who(signed_in), office.begin(identity("ada-1", "ada@example.com"))):
        with pytest.raises(NotAuthenticated):
            await refused
    with pytest.raises(NotAuthenticated, match=r"was removed\. Ask an admin to add you again"):
        await office.enter(identity("ada-1", "ada@example.com"))
    assert [(each.subject, each.email) for each in await office.linked()] == [("ada-1", None)]
    await office.accounts.create_developer("ada")
    await office.openid.link("ada", "ada@example.com")
    assert (await office.enter(identity("ada-1", "ada@example.com"))).developer == "ada"


async def test_a_removal_ends_the_sign_ins_and_a_requester_that_lasts_with_the_words_of_a_sign_in(
    database: Database, accounts: Accounts, office: Office
) -> None:
    signed_in = await office.begin(identity("ada-1", "ada@example.com"))
    by_key = await office.sign_ins.begin((await accounts.keys.create("ada@example.com")).key, hours=1)
    requester = await office.sign_ins.who(signed_in)
    await office.remove("ada@example.com")
    async with database.begin() as connection:
        assert await connection.scalar(text("select count(*) from sign_ins")) == 0
    for refused in (office.sign_ins.who(signed_in), office.sign_ins.who(by_key), accounts.refreshed(requester)):
        with pytest.raises(NotAuthenticated, match="You were signed out") as error:
            await refused
        assert error.value.code != "developer_disabled"


async def test_whoever_is_added_again_under_the_same_name_signs_in_as_the_new_developer(office: Office) -> None:
    for _ in range(2):
        before = await office.enter(identity("ada-1", "ada@example.com"))
        await office.remove("ada@example.com")
        with pytest.raises(NotAuthenticated, match=r"was removed\. Ask an admin to add you again: `cairn developers add ada@example\.com`"):
            await office.enter(identity("ada-1", "ada@example.com"))
        await office.accounts.create_developer("ada@example.com", role="lead")
        found = await office.enter(identity("ada-1", "ada@example.com"))
        assert (found.developer, found.role) == ("ada@example.com", "lead")
        assert found.developer_id != before.developer_id
    assert [each.developer for each in await office.linked()] == ["ada@example.com"]


async def test_a_removed_account_takes_nobodys_place_whom_another_has_linked_meanwhile(office: Office) -> None:
    await office.enter(identity("ada-1", "ada@example.com"))
    await office.remove("ada@example.com")
    await office.accounts.create_developer("ada@example.com")
    await office.enter(identity("ada-2", "ada@example.com"))
    with pytest.raises(NotAuthenticated, match="linked to another account at Acme"):
        await office.enter(identity("ada-1", "ada@example.com"))


async def test_who_was_removed_before_their_first_sign_in_does_not_come_back_either(database: Database, accounts: Accounts) -> None:
    office = Office(database, accounts, create=True, domains="example.com")
    await accounts.create_developer("Linus@Example.com")
    long = f"{'l' * 80}@example.com"
    await accounts.create_developer(long)
    for name in ("Linus@Example.com", long):
        await office.remove(name)
        with pytest.raises(NotAuthenticated, match=r"was removed\. Ask an admin to add you again"):
            await office.enter(identity("linus-1", name.lower()))
    assert (await office.enter(identity("eve-1", "inus@example.com"))).developer == "inus@example.com"
    await accounts.create_developer("linus@example.com")
    assert (await office.enter(identity("linus-1", "linus@example.com"))).developer == "linus@example.com"


async def test_somebody_unknown_becomes_a_developer_where_the_settings_say_so(database: Database, accounts: Accounts) -> None:
    await accounts.create_team("payments")
    office = Office(database, accounts, create=True, domains="example.com", team="payments", role="auditor")
    found = await office.enter(identity("eve-1", "eve@example.com"))
    assert (found.developer, found.team, found.role) == ("eve@example.com", "payments", "auditor")
    assert (await accounts.find_developer("eve@example.com")).monthly_limit_nanousd == 8_330_000_000
    assert (await office.enter(identity("ada-1", "ada@example.com"))).team == "default"  # who is in a team stays there


@pytest.mark.parametrize(("name", "error"), [("a/b@example.com", InvalidInput), ("x" * 120 + "@example.com", InvalidInput)])
async def test_a_name_that_no_developer_can_have_is_refused(
    database: Database, accounts: Accounts, name: str, error: type[CairnError]
) -> None:
    with pytest.raises(error):
        await Office(database, accounts, create=True, domains="*").enter(identity("eve-1", name))


async def test_a_team_that_does_not_exist_is_told(database: Database, accounts: Accounts) -> None:
    with pytest.raises(NotFound, match="no team 'paymnets'"):
        await Office(database, accounts, create=True, domains="*", team="paymnets").enter(identity("eve-1", "eve@example.com"))


async def test_the_providers_role_counts_at_once_for_keys_and_sign_ins(office: Office) -> None:
    key = (await office.accounts.keys.create("ada@example.com")).key
    before = await office.begin(identity("ada-1", "ada@example.com"))
    assert (await office.accounts.authenticate(key)).role == "developer"
    assert (await office.enter(identity("ada-1", "ada@example.com", role="lead"))).role == "lead"
    assert ((await office.accounts.authenticate(key)).role, (await office.sign_ins.who(before)).role) == ("lead", "lead")
    assert (await office.enter(identity("ada-1", "ada@example.com"))).role == "lead"  # not the provider's matter any more: it stays


async def test_two_first_sign_ins_at_once_make_one_account(database: Database, accounts: Accounts) -> None:
    office = Office(database, accounts, create=True, domains="*")
    found = await asyncio.gather(*(office.enter(identity("eve-1", "eve@example.com")) for _ in range(6)))
    assert {each.developer for each in found} == {"eve@example.com"}
    assert len(await office.linked()) == 1


async def test_of_two_accounts_with_one_address_the_first_gets_the_developer(office: Office) -> None:
    tries = (office.enter(identity(f"ada-{number}", "ada@example.com")) for number in range(5))
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, Requester) for each in found) == 1
    assert all(isinstance(each, Requester | NotAuthenticated) for each in found), found


async def test_of_two_tabs_of_somebody_who_was_added_again_both_sign_in(office: Office) -> None:
    await office.enter(identity("ada-1", "ada@example.com"))
    await office.remove("ada@example.com")
    await office.accounts.create_developer("ada@example.com")
    found = await asyncio.gather(*(office.enter(identity("ada-1", "ada@example.com")) for _ in range(6)))
    assert {each.developer for each in found} == {"ada@example.com"}


async def test_of_admins_who_link_one_address_at_once_one_does_and_the_others_are_told(office: Office) -> None:
    names = [f"dev{number}" for number in range(8)]
    for name in names:
        await office.accounts.create_developer(name)
    for address in ("one@example.com", "two@example.com", "three@example.com"):
        tries = (office.openid.link(name, address.upper() if name > "dev3" else address) for name in names)
        found = await asyncio.gather(*tries, return_exceptions=True)
        refused = [each for each in found if isinstance(each, Exception)]
        assert len(refused) == len(names) - 1
        for each in refused:
            assert isinstance(each, Conflict), each
            assert each.message == f"{address} is linked to another developer. See them: cairn developers linked"
        (linked,) = (each for each in found if isinstance(each, OpenIdAccountView))
        await office.openid.unlink(linked.developer)


async def test_an_account_that_is_unlinked_or_linked_while_it_signs_in_does_either_or_is_refused_in_words(office: Office) -> None:
    for number in range(12):
        await office.openid.link("grace", "grace@example.com")
        steps = (
            office.enter(identity("grace-1", "grace@example.com")),
            office.openid.unlink("grace") if number % 2 else office.openid.link("grace", "grace@example.com"),
            office.enter(identity("grace-1", "grace@example.com")),
        )
        for each in await asyncio.gather(*steps, return_exceptions=True):
            assert not isinstance(each, Exception) or isinstance(each, NotAuthenticated | Conflict), each
        with suppress(NotFound):
            await office.openid.unlink("grace")


async def test_what_a_sign_in_changes_of_a_developer_is_logged_as_an_admins_change_is(database: Database, accounts: Accounts) -> None:
    office = Office(database, accounts, create=True, domains="example.com")
    rooms: Any = SimpleNamespace(
        accounts=accounts,
        sign_ins=office.sign_ins,
        settings=Settings(dashboard={"session_hours": 1}),  # type: ignore[arg-type]
        account_services=SimpleNamespace(openid_accounts=office.openid),
    )
    admin = await accounts.authenticate(ADMIN)
    with capture_logs() as by_admin:
        await administration.create_developer(rooms, admin, "linus", team="default", monthly_limit_nanousd=None)
        await administration.change_developer(rooms, admin, "linus", role="lead")
        await openid.link(rooms, admin, "linus", email="linus@example.com")
    with capture_logs() as by_provider:
        await openid.sign_in(rooms, identity("eve-1", "eve@example.com"))
        await openid.sign_in(rooms, identity("eve-1", "eve@example.com"))  # which changes nothing
        await openid.sign_in(rooms, identity("eve-1", "eve@example.com", role="lead"))
        await openid.sign_in(rooms, identity("linus-1", "linus@example.com"))
    created, role_set, linked = by_admin
    theirs = {"developer": "eve@example.com", "by": ISSUER}
    assert by_provider == [created | theirs, linked | theirs, role_set | theirs, linked | {"by": ISSUER}]


async def test_sign_ins_of_a_provider_that_is_no_longer_set_are_over(database: Database, accounts: Accounts, office: Office) -> None:
    signed_in = await office.begin(identity("ada-1", "ada@example.com"))
    off = SignIns(database, accounts, admin_key=ADMIN, secret_key=SECRET)
    other = Office(database, accounts, issuer="https://other.example.com").sign_ins
    for each in (off, other):
        with pytest.raises(NotAuthenticated, match="signed out"):
            await each.who(signed_in)
    with pytest.raises(Conflict, match="off here"):
        await OpenIdAccounts(database, accounts.developers).link("grace", "grace@example.com")


async def test_a_developer_sees_no_other_team_and_an_admin_does(office: Office) -> None:
    await office.accounts.create_team("other")
    signed_in = await office.begin(identity("ada-1", "ada@example.com"))
    with pytest.raises(NotPermitted):
        await office.sign_ins.who(signed_in, team="other")
    await office.accounts.developers.change("ada@example.com", role="admin")
    assert (await office.sign_ins.who(signed_in, team="other")).team == "other"
