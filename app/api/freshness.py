"""Routes of checks against the code: items to check, and the marks that a check found. Who has the repository checks; the server stores."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, ConfigDict, Field

from app.api.schema import Plain, ProjectName, RequestBody, ResponseBody, Untrusted
from app.freshness.marking import MAX_MARKS
from app.freshness.verdicts import CodeVerdict, Reason
from app.knowledge.item import CheckableItem, CodeMark, GivenMark
from app.storage.pages import PageWanted
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/knowledge/freshness", tags=["knowledge"], route_class=AuthenticatedRoute)

REPOSITORY = "URL of the repository's remote, in any spelling, else the name of its folder. Each repository has its own mark of an item."
CommitId = Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$", examples=["3f9c1d2e4b5a69788796a5b4c3d2e1f001234567"])]
Repository = Annotated[Plain, Field(min_length=1, max_length=500)]
ProjectWanted = Annotated[Plain, Query(min_length=1, max_length=200, description="Name of the project.")]
RepositoryWanted = Annotated[Plain, Query(min_length=1, max_length=500, description=REPOSITORY)]


class MarkBody(RequestBody):
    """A verdict on the code that an item speaks of, with what was looked up."""

    verdict: CodeVerdict
    path: Annotated[Plain, Field(max_length=1_000)] | None = Field(None, description="The file that was looked up, where it is now.")
    symbol: Annotated[Plain, Field(max_length=300)] | None = Field(
        None, description="The symbol that was looked up, as the item writes it."
    )
    former_path: Annotated[Plain, Field(max_length=1_000)] | None = Field(None, description="Where it was, if that is elsewhere.")
    commit: CommitId | None = Field(None, description="The last commit that changed or removed it.")
    committed_at: datetime | None = None
    reason: Reason | None = Field(None, description="Why it can't be verified.")


class ItemMark(MarkBody):
    id: UUID = Field(description="The item.")
    revision: Annotated[Plain, Field(max_length=100)] = Field(description="Of the words that were checked.")
    said_at: AwareDatetime | None = Field(
        None, description="The item's, as it was read. With it, what was taught again meanwhile is outdated."
    )


class MarksBody(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "project": "shop",
                    "repository": "https://github.com/acme/shop",
                    "head": "3f9c1d2e4b5a69788796a5b4c3d2e1f001234567",
                    "marks": [
                        {
                            "id": "0d5c2f3e-6c0e-4a55-9d4e-5ac5c5a3ef10",
                            "revision": "9b1c0e44d2a7f350",
                            "verdict": "changed",
                            "path": "src/db/pool.py",
                            "symbol": "Pool.acquire",
                            "commit": "77aa0c4f1d2e4b5a69788796a5b4c3d2e1f00123",
                            "committed_at": "2026-10-02T09:30:00Z",
                        }
                    ],
                }
            ]
        }
    )

    project: ProjectName
    repository: Repository = Field(description=REPOSITORY)
    head: CommitId = Field(description="The commit that was checked.")
    marks: list[ItemMark] = Field(max_length=MAX_MARKS)


class CodeMarkReply(ResponseBody):
    """The verdict on the code that an item speaks of, as last checked in one repository."""

    repository: str
    verdict: CodeVerdict
    path: str | None
    symbol: str | None
    former_path: str | None
    commit: str | None
    committed_at: datetime | None
    reason: Reason | None
    head: str
    checked_at: datetime | None

    @classmethod
    def of(cls, mark: CodeMark) -> Self:
        return cls.model_validate(mark)


class CheckableReply(ResponseBody):
    id: UUID
    revision: str
    title: str
    text: str
    paths: list[str]
    said_at: datetime = Field(
        description="Changes of the code after this time count: a person's last word, or an hour after the end of the last session that"
        " taught it, by when its code is committed."
    )
    mark: CodeMarkReply | None = Field(description="Of the last check in this repository.")
    untrusted: Untrusted = True


class CheckableList(ResponseBody):
    items: list[CheckableReply]
    next_cursor: NextCursor


class StoredMarksReply(ResponseBody):
    stored: int = Field(description="Marks that say something new. The others' time and commit are stored.")
    outdated: int = Field(
        description="Marks of items that are gone, or were corrected or taught again since they were read, which weren't stored."
    )


class RemovedMarksReply(ResponseBody):
    removed: int


@router.get("", summary="List a project's items to check against the code", responses=responses())
async def checkable(
    services: TheServices,
    caller: Reader,
    project: ProjectWanted,
    repository: RepositoryWanted,
    *,
    limit: Annotated[int, Query(ge=1, le=MAX_MARKS)] = MAX_MARKS,
    paging: Page,
) -> CheckableList:
    checking = services.knowledge.code_checking
    page = await checking.page(await checking.project(caller, project), repository, PageWanted(limit, after=paging.after))
    return CheckableList(items=[_checkable(each) for each in page.entries], next_cursor=paging.next_cursor(page.next))


@router.put(
    "",
    summary="Store what a check against the code found",
    description=(
        "For everybody who may judge items. A mark replaces that of the same item and repository; what is changed or gone ranks a little"
        " lower and says so, and nothing is hidden. Correcting an item, or learning it again, takes its marks away."
    ),
    responses=responses(400, 413),
)
async def store(services: TheServices, caller: Reader, body: MarksBody) -> StoredMarksReply:
    checking = services.knowledge.code_checking
    given = [_given(each, body) for each in body.marks]
    stored = await checking.store(await checking.project(caller, body.project), body.repository, given)
    return StoredMarksReply(stored=stored.stored, outdated=stored.outdated)


@router.delete(
    "",
    summary="Remove a repository's marks from a project's items",
    description="For everybody who may judge items: of a repository that is gone, or that was checked by mistake.",
    responses=responses(),
)
async def remove(
    services: TheServices,
    caller: Reader,
    project: ProjectWanted,
    repository: RepositoryWanted,
) -> RemovedMarksReply:
    checking = services.knowledge.code_checking
    return RemovedMarksReply(removed=await checking.remove(await checking.project(caller, project), repository))


def _given(mark: ItemMark, body: MarksBody) -> GivenMark:
    found = mark.model_dump(exclude={"id", "revision", "said_at"})
    return GivenMark(mark.id, mark.revision, CodeMark(repository=body.repository, head=body.head, **found), mark.said_at)


def _checkable(item: CheckableItem) -> CheckableReply:
    return CheckableReply(
        id=item.id,
        revision=item.revision,
        title=item.title,
        text=item.text,
        paths=list(item.paths),
        said_at=item.said_at,
        mark=None if item.mark is None else CodeMarkReply.of(item.mark),
    )
