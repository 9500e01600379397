"""Reads which items a lead should review, and what the weekly digest tells of them. Checks the permission, and adds names."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.clock import now
from app.errors import NotFound
from app.knowledge.item import ReviewCounts, ReviewList
from app.knowledge.reader import ItemToReview
from app.knowledge.review_lists import ReviewLists, ReviewScope
from app.storage.pages import EntryPage

DIGEST_TITLES = 5


@dataclass(frozen=True, slots=True)
class TeamDigest:
    """A team's digest: counts, and the newest and the most useful titles, which are quoted, never an instruction."""

    review: ReviewCounts
    newest: tuple[str, ...]
    most_useful: tuple[str, ...]


class Review:
    """Reads the lists of a review. Only for a lead or an admin: NotPermitted."""

    def __init__(self, accounts: Accounts, lists: ReviewLists) -> None:
        self._accounts = accounts
        self._lists = lists

    async def counts(self, requester: Requester, *, project: str | None = None) -> ReviewCounts:
        """Count the items of each list, of the named project or of all. NotFound for a project that isn't there."""
        scope = await self._scope(requester, project)
        return ReviewCounts(scope.new_since, await self._lists.counts(scope))

    async def page(
        self, requester: Requester, name: ReviewList, *, project: str | None = None, limit: int, after: str | None = None
    ) -> EntryPage[ItemToReview]:
        """Return a page of a list. InvalidInput for an unknown place; NotFound for a project that isn't there."""
        page = await self._lists.page(name, await self._scope(requester, project), limit=limit, after=after)
        names = await self._accounts.project_names(requester.team_id, {row.project_id for row in page.entries})
        against = await self._lists.contradictions([row.id for row in page.entries])
        return EntryPage(
            [
                ItemToReview(row, names[row.project_id], can_delete=True, contradicts=against.get(row.id, ()))
                for row in page.entries
                if row.project_id in names
            ],
            page.next,
        )

    async def digest(self, team_id: UUID) -> TeamDigest:
        """Read a team's digest, without its closed projects: nobody knows who reads it."""
        closed = [each.id for each in await self._accounts.find_projects(team_id) if each.open == "members"]
        scope = ReviewScope(team_id, now(), closed=closed)
        newest = await self._lists.page("new", scope, limit=DIGEST_TITLES)
        useful = await self._lists.page("most_useful", scope, limit=DIGEST_TITLES)
        return TeamDigest(
            ReviewCounts(scope.new_since, await self._lists.counts(scope)),
            newest=tuple(row.title for row in newest.entries),
            most_useful=tuple(row.title for row in useful.entries),
        )

    async def _scope(self, requester: Requester, project: str | None) -> ReviewScope:
        requester.check("change_any")
        scope = ReviewScope(requester.team_id, now(), closed=requester.closed)
        if project is None:
            return scope
        project_id = await self._accounts.project_named(requester.team_id, project, closed=requester.closed)
        if project_id is None:
            raise NotFound(f"There is no project {project!r} that is open to you. List the projects with `cairn projects list`.")
        return ReviewScope(scope.team_id, scope.now, project_id, scope.closed)
