"""The digests of all teams: one whose lists can't be read in time doesn't keep the others from theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.clock import now
from app.errors import DatabaseUnavailable
from app.knowledge.item import REVIEW_LISTS, ReviewCounts
from app.knowledge.review import TeamDigest
from app.services.review_digest import read_digests


@dataclass(frozen=True, slots=True)
class Team:
    id: UUID
    name: str


class Accounts:
    def __init__(self, *names: str) -> None:
        self.teams = [Team(uuid4(), name) for name in names]

    async def list_teams(self) -> list[Team]:
        return self.teams


class Review:
    """Reads the digest of every team but those that are too large."""

    def __init__(self, accounts: Accounts, *large: str) -> None:
        self._large = {team.id for team in accounts.teams if team.name in large}

    async def digest(self, team_id: UUID) -> TeamDigest:
        if team_id in self._large:
            raise DatabaseUnavailable("The database took too long.")
        return TeamDigest(ReviewCounts(now(), dict.fromkeys(REVIEW_LISTS, 1)), ("newest",), ())


async def read(*large: str, page: str | None = None) -> list[tuple[str, str | None]]:
    accounts: Any = Accounts("blue team", "green", "red")
    review: Any = Review(accounts, *large)
    return [(each.team, each.url) for each in await read_digests(accounts, review, page)]


async def test_a_team_that_takes_too_long_is_left_out() -> None:
    assert [team for team, _ in await read("green")] == ["blue team", "red"]


async def test_where_no_team_can_be_read_the_database_is_away() -> None:
    with pytest.raises(DatabaseUnavailable):
        await read("blue team", "green", "red")


async def test_each_digest_leads_to_its_teams_page() -> None:
    (blue, *_) = await read(page="https://cairn.test/dashboard/knowledge/review")
    assert blue == ("blue team", "https://cairn.test/dashboard/knowledge/review?team=blue+team")
    assert {url for _, url in await read()} == {None}
