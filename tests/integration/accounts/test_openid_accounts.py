"""Accounts at an OpenID provider: who they are here, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.accounts.accounts import Accounts
from app.accounts.openid_accounts import OpenIdAccounts
from app.accounts.requester import Requester
from app.accounts.sign_ins import SignIns
from app.errors import CairnError, Conflict, InvalidInput, NotAuthenticated, NotFound, NotPermitted
from app.openid.claims import ExternalIdentity
from app.settings import OpenIdSettings
from app.storage.database import Database

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
        return await self.sign_ins.who(await self.sign_ins.begin_with(who, hours=1))

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
    assert [(each.developer, each.subject, each.email) for each in await office.openid.list_all()] == [
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
    assert not await office.openid.list_all()


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
    signed_in = await office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)
    await office.openid.unlink("ada@example.com")
    with pytest.raises(NotAuthenticated, match="signed out"):
        await office.sign_ins.who(signed_in)


async def test_a_disabled_developer_is_signed_out_at_once_and_refused_with_their_own_message(office: Office) -> None:
    signed_in = await office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)
    requester = await office.sign_ins.who(signed_in)
    await office.accounts.developers.change("ada@example.com", disabled=True)
    again = office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)
    first = office.sign_ins.begin_with(identity("ada-2", "ada@example.com"), hours=1)
    for refused in (office.sign_ins.who(signed_in), again, first, office.accounts.refreshed(requester)):
        with pytest.raises(NotAuthenticated, match=r"ada@example\.com is disabled") as error:
            await refused
        assert error.value.code == "developer_disabled"
    await office.accounts.developers.change("ada@example.com", disabled=False)
    assert (await office.sign_ins.who(signed_in)).developer == (await office.accounts.refreshed(requester)).developer == "ada@example.com"


async def test_who_was_removed_does_not_come_back_as_somebody_new(database: Database, accounts: Accounts) -> None:
    office = Office(database, accounts, create=True, domains="example.com")
    signed_in = await office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)
    await office.openid.link("grace", "grace@example.com")
    await office.remove("ada@example.com")
    await office.remove("grace")
    for refused in (office.sign_ins.who(signed_in), office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)):
        with pytest.raises(NotAuthenticated):
            await refused
    with pytest.raises(NotAuthenticated, match=r"was removed\. Ask an admin to add you again"):
        await office.enter(identity("ada-1", "ada@example.com"))
    assert [(each.subject, each.email) for each in await office.openid.list_all()] == [("ada-1", None)]
    await office.accounts.create_developer("ada")
    await office.openid.link("ada", "ada@example.com")
    assert (await office.enter(identity("ada-1", "ada@example.com"))).developer == "ada"


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
    before = await office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)
    assert (await office.accounts.authenticate(key)).role == "developer"
    assert (await office.enter(identity("ada-1", "ada@example.com", role="lead"))).role == "lead"
    assert ((await office.accounts.authenticate(key)).role, (await office.sign_ins.who(before)).role) == ("lead", "lead")
    assert (await office.enter(identity("ada-1", "ada@example.com"))).role == "lead"  # not the provider's matter any more: it stays


async def test_two_first_sign_ins_at_once_make_one_account(database: Database, accounts: Accounts) -> None:
    office = Office(database, accounts, create=True, domains="*")
    found = await asyncio.gather(*(office.enter(identity("eve-1", "eve@example.com")) for _ in range(6)))
    assert {each.developer for each in found} == {"eve@example.com"}
    assert len(await office.openid.list_all()) == 1


async def test_of_two_accounts_with_one_address_the_first_gets_the_developer(office: Office) -> None:
    tries = (office.enter(identity(f"ada-{number}", "ada@example.com")) for number in range(5))
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, Requester) for each in found) == 1
    assert all(isinstance(each, Requester | NotAuthenticated) for each in found), found


async def test_sign_ins_of_a_provider_that_is_no_longer_set_are_over(database: Database, accounts: Accounts, office: Office) -> None:
    signed_in = await office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)
    off = SignIns(database, accounts, admin_key=ADMIN, secret_key=SECRET)
    other = Office(database, accounts, issuer="https://other.example.com").sign_ins
    for each in (off, other):
        with pytest.raises(NotAuthenticated, match="signed out"):
            await each.who(signed_in)
    with pytest.raises(Conflict, match="off here"):
        await OpenIdAccounts(database, accounts.developers).link("grace", "grace@example.com")


async def test_a_developer_sees_no_other_team_and_an_admin_does(office: Office) -> None:
    await office.accounts.create_team("other")
    signed_in = await office.sign_ins.begin_with(identity("ada-1", "ada@example.com"), hours=1)
    with pytest.raises(NotPermitted):
        await office.sign_ins.who(signed_in, team="other")
    await office.accounts.developers.change("ada@example.com", role="admin")
    assert (await office.sign_ins.who(signed_in, team="other")).team == "other"
