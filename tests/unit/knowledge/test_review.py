"""A review is a lead's: who may, of which projects; and places in its lists that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.accounts.requester import Requester
from app.errors import InvalidInput, NotFound, NotPermitted
from app.knowledge.item import REVIEW_LISTS, ContradictingItem
from app.knowledge.review import Review
from app.knowledge.review_lists import ReviewScope, _place, _written
from app.storage.pages import EntryPage

TEAM, SHOP, CLOSED = uuid4(), uuid4(), uuid4()
ID = "6b9be186-bc52-4774-a85b-afa9328cd827"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Project:
    def __init__(self, id_: UUID, name: str, open_: str) -> None:
        self.id, self.name, self.open = id_, name, open_


class Accounts:
    """A team with an open project and a closed one."""

    async def project_named(self, team_id: UUID, name: str, *, closed: frozenset[UUID]) -> UUID | None:
        known = {"shop": SHOP, "vault": CLOSED}.get(name)
        return None if known in closed else known

    async def project_names(self, team_id: UUID, projects: set[UUID]) -> dict[UUID, str]:
        return dict.fromkeys(projects, "shop")

    async def find_projects(self, team_id: UUID) -> list[Project]:
        return [Project(SHOP, "shop", "team"), Project(CLOSED, "vault", "members")]


class Lists:
    """Notes the scopes that it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[ReviewScope] = []

    async def counts(self, scope: ReviewScope) -> dict[str, int]:
        self.scopes.append(scope)
        return dict.fromkeys(REVIEW_LISTS, 1)

    async def page(self, name: str, scope: ReviewScope, *, limit: int, after: str | None = None) -> EntryPage[Any]:
        self.scopes.append(scope)
        return EntryPage((), None)

    async def contradictions(self, items: list[UUID]) -> dict[UUID, tuple[ContradictingItem, ...]]:
        return {}


def room() -> tuple[Review, Lists]:
    lists = Lists()
    return Review(Accounts(), lists), lists  # type: ignore[arg-type]


def requester(role: str, *closed: UUID) -> Requester:
    return Requester(TEAM, "core", uuid4(), "ada", uuid4(), role=role, closed=frozenset(closed))  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["developer", "auditor"])
async def test_others_than_leads_and_admins_review_nothing(role: str) -> None:
    review, lists = room()
    with pytest.raises(NotPermitted, match="Only a lead or an admin"):
        await review.counts(requester(role))
    with pytest.raises(NotPermitted):
        await review.page(requester(role), "new", limit=5)
    assert lists.scopes == []


@pytest.mark.parametrize("role", ["lead", "admin"])
async def test_a_review_leaves_out_what_is_closed_to_the_requester(role: str) -> None:
    review, lists = room()
    await review.counts(requester(role, CLOSED))
    await review.page(requester(role, CLOSED), "outdated", project="shop", limit=5)
    assert [(each.team_id, each.project_id, set(each.closed)) for each in lists.scopes] == [
        (TEAM, None, {CLOSED}),
        (TEAM, SHOP, {CLOSED}),
    ]


@pytest.mark.parametrize("name", ["vault", "nowhere"])
async def test_a_closed_project_is_as_unknown_as_one_that_is_not_there(name: str) -> None:
    review, _ = room()
    with pytest.raises(NotFound, match="cairn projects list"):
        await review.counts(requester("lead", CLOSED), project=name)


async def test_a_digest_leaves_out_every_closed_project() -> None:
    review, lists = room()
    digest = await review.digest(TEAM)
    assert {frozenset(each.closed) for each in lists.scopes} == {frozenset({CLOSED})}
    assert digest.review.counts["never_used"] == 1


class Ended:
    """The last row of a page."""

    id, created_at, helpful, used = uuid4(), AT, 2, 5


@pytest.mark.parametrize(("ranked", "keys"), [(True, (7, AT, Ended.id)), (False, (AT, Ended.id))])
def test_a_place_is_read_as_it_was_written(ranked: bool, keys: tuple[object, ...]) -> None:
    assert _place(_written(Ended(), ranked=ranked), ranked=ranked) == keys  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "|",
        "7|x/y",
        f"2026-11-01T12:00:00/{ID}",
        f"{AT.isoformat()}/{ID}|1",
        f"{2**63}|{AT.isoformat()}/{ID}",
        f"7|0001-01-01T00:00:00+14:00/{ID}",
    ],
)
@pytest.mark.parametrize("ranked", [True, False])
def test_what_is_no_place_is_refused(after: str, ranked: bool) -> None:
    with pytest.raises(InvalidInput):
        _place(after, ranked=ranked)


def test_a_place_of_one_list_is_none_of_the_other() -> None:
    with pytest.raises(InvalidInput):
        _place(_written(Ended(), ranked=True), ranked=False)  # type: ignore[arg-type]
