"""What each role may do, and who is an admin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args
from uuid import uuid4

import msgspec
import pytest

from app.accounts.requester import PERMISSIONS, DeveloperRole, Permission, Requester
from app.cli import accounts
from app.errors import NotPermitted

ROOT = Path(__file__).resolve().parents[3]
TEAM = uuid4()


def requester(role: DeveloperRole) -> Requester:
    return Requester(TEAM, "core", role="admin") if role == "admin" else Requester(TEAM, "core", uuid4(), "ada", uuid4(), role=role)


def test_every_role_stands_in_the_table_and_every_permission_is_some_roles() -> None:
    assert set(PERMISSIONS) == set(get_args(DeveloperRole))
    assert frozenset[str]().union(*PERMISSIONS.values()) == set(get_args(Permission)) == PERMISSIONS["admin"]


@pytest.mark.parametrize("role", get_args(DeveloperRole))
@pytest.mark.parametrize("permission", get_args(Permission))
def test_what_the_table_does_not_name_is_refused(role: DeveloperRole, permission: Permission) -> None:
    found = requester(role)
    assert found.may(permission) == (permission in PERMISSIONS[role])
    if found.may(permission):
        found.check(permission)
    else:
        with pytest.raises(NotPermitted, match="admin"):
            found.check(permission)


def test_an_auditor_changes_nothing_and_costs_nothing() -> None:
    assert not {"write", "change_any", "call_models", "administer"} & PERMISSIONS["auditor"]


def test_a_lead_changes_what_others_wrote_and_a_developer_only_their_own() -> None:
    other = uuid4()
    changes = {role: requester(role).may_change(other) for role in get_args(DeveloperRole)}
    assert changes == {"admin": True, "lead": True, "developer": False, "auditor": False}
    assert [requester(role).may_change(None) for role in get_args(DeveloperRole)] == [True, True, False, False]
    own = {role: (found := requester(role)).may_change(found.developer_id) for role in get_args(DeveloperRole)}
    assert own == {"admin": True, "lead": True, "developer": True, "auditor": False}


@pytest.mark.parametrize("permission", get_args(Permission))
def test_every_permission_is_asked_by_an_operation(permission: Permission) -> None:
    asked = re.compile(
        rf"""requester\.(check|may)\(["']{permission}["']\)|self\.may\(["']{permission}["']\)|payer\.may\(["']{permission}["']\)"""
    )
    web = ROOT / "app" / "web"
    assert [each for each in (ROOT / "app").rglob("*.py") if web not in each.parents and asked.search(each.read_text())]


def test_the_command_line_offers_the_roles_that_a_developer_can_be_given() -> None:
    assert get_args(accounts.Role) == get_args(DeveloperRole)


def test_only_the_admin_administers() -> None:
    assert [role for role in get_args(DeveloperRole) if "administer" in PERMISSIONS[role]] == ["admin"]


def test_nobodys_work_is_never_taken_for_an_admins() -> None:
    with pytest.raises(ValueError, match="must have the role admin"):
        Requester(TEAM, "core")


def test_a_developer_with_the_role_admin_is_an_admin_under_their_own_name() -> None:
    assert [Requester(TEAM, "core", role="admin").name, Requester(TEAM, "core", uuid4(), "ada", uuid4(), role="admin").name] == [
        "admin",
        "ada",
    ]
    assert Requester(TEAM, "core", uuid4(), "ada", uuid4(), role="admin").is_admin


@pytest.mark.parametrize("role", get_args(DeveloperRole))
def test_a_requester_comes_back_from_the_cache_as_it_was(role: DeveloperRole) -> None:
    found = requester(role)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Requester) == found
