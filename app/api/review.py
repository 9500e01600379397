"""Routes of a review: which items a lead should look at, and what only a lead or an admin does with them. Titles and texts are quoted."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field

from app.api.item_relations import ContradictingItemReply, ReplacedByReply
from app.api.knowledge import ItemReply, item_reply
from app.api.periods import Moment
from app.api.schema import ProjectFilter, RequestBody, ResponseBody
from app.api.writing import ListedItem, listed_fields
from app.knowledge.item import MAX_PAGE, ReviewList
from app.knowledge.reader import ItemToReview
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=AuthenticatedRoute)

LISTS = (
    "`new`: learnt or recorded in the last 14 days, and neither judged nor corrected. `contradicted`: it can't hold beside an item said"
    " before it, and nobody has decided between the two: each pair is listed once. `outdated`: more people say so than find it helpful,"
    " its code changed or is gone, or a later item replaces it, and nobody has found it helpful since. `never_used`: known for 30 days,"
    " and no session used it, though three or more were served it, or none was ever served it; nobody found it helpful."
    " `most_useful`: found helpful, or used and accepted, the most often first."
)


class ReviewCountsReply(ResponseBody):
    """The number of items in each list."""

    new: int
    contradicted: int
    outdated: int
    never_used: int
    most_useful: int


class ReviewReply(ResponseBody):
    new_since: Moment = Field(description="Since when an item is new.")
    counts: ReviewCountsReply


class ReviewedItem(ListedItem):
    used: int = Field(
        description="Sessions that were served it, or an item merged into it, and did what that says, whose person continued with it."
    )
    replaced_by: ReplacedByReply | None = Field(description="The later item that says that this one no longer holds.")
    contradicts: list[ContradictingItemReply] = Field(
        description="Items that can't hold beside this one, until a person decides (POST …/contradictions/{other_id}): the latest 20."
    )


class ReviewPage(ResponseBody):
    items: list[ReviewedItem]
    next_cursor: NextCursor


class MergeItemBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "3f0c1c9e-7d7b-4f53-9d3c-1d2f7f6f2b11"}]})

    into: UUID = Field(description="The item that is kept, of the same project.")


@router.get(
    "/review",
    summary="Count the items to review",
    description=f"For a lead or an admin. {LISTS} Hidden items and those that were merged into others are in none.",
    responses=responses(),
)
async def counts(services: TheServices, caller: Reader, project: ProjectFilter = None) -> ReviewReply:
    return ReviewReply.model_validate(await services.knowledge.review.counts(caller, project=project))


@router.get(
    "/review/{name}",
    summary="List items to review",
    description="For a lead or an admin; the lists are those of the counts.",
    responses=responses(),
)
async def page(
    services: TheServices,
    caller: Reader,
    name: Annotated[ReviewList, Path(description=LISTS)],
    *,
    project: ProjectFilter = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    paging: Page,
) -> ReviewPage:
    found = await services.knowledge.review.page(caller, name, project=project, limit=limit, after=paging.after)
    return ReviewPage(items=[_reviewed(each) for each in found.entries], next_cursor=paging.next_cursor(found.next))


@router.post(
    "/{item_id}/keep",
    summary="Keep an item",
    description=(
        "For a lead or an admin: says that the item is helpful and still valid, which takes it out of `new`, `outdated` and `never_used`."
        " It is a verdict `helpful`, and undoes what has the item replaced, merged or retired. A contradiction is decided instead."
    ),
    responses=responses(409),
)
async def keep(services: TheServices, caller: Reader, item_id: UUID) -> ItemReply:
    return item_reply(await services.knowledge.writer.keep(caller, item_id))


@router.post(
    "/{item_id}/retire",
    summary="Retire an item",
    description=(
        "For a lead or an admin. No search finds the item any more, whatever others' verdicts. Nothing is deleted: POST …/restore, by a"
        " lead or an admin, brings it back, and the history keeps both."
    ),
    responses=responses(409),
)
async def retire(services: TheServices, caller: Reader, item_id: UUID) -> ItemReply:
    return item_reply(await services.knowledge.writer.retire(caller, item_id))


@router.post(
    "/{item_id}/merge",
    summary="Merge an item into another",
    description=(
        "For a lead or an admin. The item stays, marked as replaced by the one that is kept, which shows the evidence of both and is the"
        " reply. POST …/restore of the merged item undoes it."
    ),
    responses=responses(400, 409, 413),
)
async def merge(services: TheServices, caller: Reader, item_id: UUID, body: MergeItemBody) -> ItemReply:
    return item_reply(await services.knowledge.writer.merge(caller, item_id, body.into))


def _reviewed(shown: ItemToReview) -> ReviewedItem:
    row: Any = shown.item  # in a list it is a row
    later = None if row.replaced_by is None else ReplacedByReply(id=row.replaced_by, title=row.replaced_by_title)
    of_review = {"used": row.used, "replaced_by": later, "contradicts": shown.contradicts}
    return ReviewedItem.model_validate(listed_fields(shown) | of_review)
