"""Routes of contradictions: which items can't hold beside each other, and a person's decision between two. All words are quoted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.knowledge import ItemReply, item_reply
from app.api.schema import ProjectFilter, RequestBody, ResponseBody, Untrusted
from app.knowledge.item import MAX_PAGE, Decision
from app.knowledge.reader import ShownContradiction
from app.storage.pages import PageWanted
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=AuthenticatedRoute)


class DecisionBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "this_holds"}]})

    decision: Decision = Field(
        description="`this_holds`: the item of the path holds and replaces the other one. `both_hold`: both stay. `undecided`: takes back"
        " what was decided, so that somebody can decide anew."
    )


class ContradictionSideReply(ResponseBody):
    """One of two items that contradict each other."""

    id: UUID
    title: str
    words: str = Field(description="Its words, which contradict the other one's: quoted.")
    said_at: datetime = Field(description="When it was first said, or recorded.")


class ContradictionReply(ResponseBody):
    """Two items of a project that can't both hold, and nobody has decided between them."""

    project: str
    found_at: datetime
    items: list[ContradictionSideReply] = Field(description="The two, the one said first before the other.")
    untrusted: Untrusted = True


class ContradictionPage(ResponseBody):
    contradictions: list[ContradictionReply]
    next_cursor: NextCursor


@router.get(
    "/contradictions",
    summary="List the contradictions that nobody has decided",
    description="Pairs of items, the pair found last first. None of which one is hidden or replaced, or whose project is closed to you.",
    responses=responses(),
)
async def contradictions(
    services: TheServices,
    caller: Reader,
    *,
    project: ProjectFilter = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    paging: Page,
) -> ContradictionPage:
    page = await services.knowledge.reader.contradictions(caller, PageWanted(limit, after=paging.after), project=project)
    return ContradictionPage(contradictions=[_shown(each) for each in page.entries], next_cursor=paging.next_cursor(page.next))


@router.post(
    "/{item_id}/contradictions/{other_id}",
    summary="Decide between two items that contradict each other",
    description=(
        "For everybody in the team. If this one holds, the other is marked as replaced by it and ranks behind it; if both hold, they stay"
        " as they are. Either way the pair isn't shown as a contradiction again, until somebody takes the decision back (`undecided`, or"
        " POST …/restore of the item that was replaced), and both histories tell who decided."
    ),
    responses=responses(400, 409, 413),
)
async def decide(services: TheServices, caller: Reader, item_id: UUID, other_id: UUID, body: DecisionBody) -> ItemReply:
    return item_reply(await services.knowledge.writer.decide(caller, item_id, other_id, body.decision))


def _shown(shown: ShownContradiction) -> ContradictionReply:
    found = shown.contradiction
    sides = [ContradictionSideReply(**each._asdict()) for each in found.sides]
    return ContradictionReply(project=shown.project, found_at=found.found_at, items=sides)
