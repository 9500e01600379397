"""Pages of a review: the lists of items that a lead should look at, to keep, correct, merge or retire them; and where to merge one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.dashboard.filtering import address, page_at, project_of
from app.dashboard.items import decision_of
from app.dashboard.knowledge import ITEMS
from app.dashboard.page_route import DataPageRoute
from app.dashboard.review_place import ReviewPlace
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, text_of, verified_form, visitor
from app.errors import InvalidInput, NotFound, NotPermitted
from app.knowledge.edits import MAX_TITLE_CHARS
from app.knowledge.item import REVIEW_LISTS, Item, ReviewList
from app.knowledge.results import Query, Result
from app.services.administration import list_projects
from app.storage.tables import AnyRow

log = structlog.get_logger()

PAGE: Final = 20
CANDIDATES: Final = 10
"""Items that are offered to merge another one into."""
LISTS: Final[Mapping[ReviewList, tuple[str, str]]] = {
    "new": ("New", "Learnt or recorded in the last 14 days, and neither judged nor corrected."),
    "contradicted": ("Contradicted", "Can’t hold beside an item said before it, and nobody has decided between the two."),
    "outdated": (
        "Out of date",
        "More people say so than find it helpful, its code changed or is gone, or a later item replaces it; and nobody kept it since.",
    ),
    "never_used": (
        "Never used",
        "Known for 30 days. No session used it, though three or more were given it, or none was ever given it; nobody found it helpful.",
    ),
    "most_useful": ("Most useful", "Found helpful, or used by sessions whose people accepted that; the most often first."),
}
"""The name of each list, and what is in it."""

router = APIRouter(prefix=f"{PATH}/knowledge", route_class=DataPageRoute, include_in_schema=False)


@router.get("/review")
async def shown(request: Request) -> Response:
    who = await _lead(request)
    place, problems = ReviewPlace.of(request), list[str]()
    name = place.name
    if place.list and name != place.list:
        problems.append(f"There is no list “{place.list}”: choose one of these.")
    project = await project_of(who, place.project)
    review = who.services.knowledge.review
    page, problem = await page_at(
        place.cursor, lambda after: review.page(who.requester, name, project=project.name, limit=PAGE, after=after)
    )
    if place.cursor and not page.entries:  # the last item of the last page was just reviewed
        page = await review.page(who.requester, name, project=project.name, limit=PAGE)
    problems += filter(None, [project.problem, problem])
    counted = await review.counts(who.requester, project=project.name)
    return await state_of(request).renderer.page(
        "review.html",
        who,
        chosen_project=project.name or "",
        problems=problems,
        chosen=name,
        about=LISTS[name][1],
        lists=[(each, LISTS[each][0], counted.counts[each], ReviewPlace(each, place.project).address(who)) for each in REVIEW_LISTS],
        items=[(each, replace(place, list=name, at=str(number))) for number, each in enumerate(page.entries, 1)],
        further=ReviewPlace(name, place.project, page.next).address(who) if page.next else None,
        projects=sorted(each.name for each in await list_projects(who.services, who.requester)),
    )


@router.post("/review/{item_id}/keep")
async def keep(request: Request, item_id: UUID) -> Response:
    who, form = await _change(request)
    await who.services.knowledge.writer.keep(who.requester, item_id)
    log.info("dashboard.item_kept", item=str(item_id))
    return ReviewPlace.of_form(form).back(who)


@router.post("/review/{item_id}/retire")
async def retire(request: Request, item_id: UUID) -> Response:
    who, form = await _change(request)
    await who.services.knowledge.writer.retire(who.requester, item_id)
    log.info("dashboard.item_retired", item=str(item_id))
    return ReviewPlace.of_form(form).back(who)


@router.post("/review/{item_id}/contradictions/{other_id}")
async def decide(request: Request, item_id: UUID, other_id: UUID) -> Response:
    who, form = await _change(request)
    decision = decision_of(form)
    await who.services.knowledge.writer.decide(who.requester, item_id, other_id, decision)
    log.info("dashboard.contradiction_decided", item=str(item_id), other=str(other_id), decision=decision)
    return ReviewPlace.of_form(form).back(who)


@router.get("/items/{item_id}/merge")
async def candidates(request: Request, item_id: UUID) -> Response:
    """Offer the items of the same project that are likest to one, or that answer `q`, to merge it into."""
    who = await _lead(request)
    reader = who.services.knowledge.reader
    shown, place = await reader.item(who.requester, item_id), ReviewPlace.of(request)
    words = request.query_params.get("q", "").strip()[:MAX_TITLE_CHARS] or shown.item.title
    query = Query(text=words, project=shown.project, kinds=("item",), min_score=0.0, limit=CANDIDATES + 1)
    found = (await reader.find(who.requester, query)).results
    offered = [each for each in found if each.id != item_id and each.replaced_by is None]
    return await state_of(request).renderer.page(
        "merge_item.html",
        who,
        item=shown.item,
        shown=shown,
        place=place,
        review_address=place.address(who),
        words=words,
        found=[*await _valid(who, folded_with(item_id, found)), *offered][:CANDIDATES],
        item_address=lambda other: address(who, f"{ITEMS}/{other}"),
    )


@router.post("/items/{item_id}/merge")
async def merge(request: Request, item_id: UUID) -> Response:
    """Merge the item into the one that was chosen, and lead back to the review, or show that one."""
    who, form = await _change(request)
    try:
        into = UUID(text_of(form, "into"))
    except ValueError:
        raise InvalidInput("No item was chosen: go back and choose the one that is kept.", param="into") from None
    await who.services.knowledge.writer.merge(who.requester, item_id, into)
    log.info("dashboard.item_merged", item=str(item_id), into=str(into))
    place = ReviewPlace.of_form(form)
    return place.back(who) if place.list else RedirectResponse(address(who, f"{ITEMS}/{into}"), status_code=303)


def folded_with(item_id: UUID, results: Sequence[Result]) -> list[UUID]:
    """Return the near-copies of an item, which a search folds under it or beside it under a better one: they are no results."""
    together = (each.like for each in results if each.like and item_id in (each.id, *each.like))
    return [each for like in together for each in like if each != item_id][:CANDIDATES]


async def _valid(who: Visitor, items: Sequence[UUID]) -> list[Item | AnyRow]:
    """Read those of some items that another one may be merged into."""
    read = list[Item | AnyRow]()
    for each in items:
        with suppress(NotFound):  # deleted meanwhile
            item = (await who.services.knowledge.reader.item(who.requester, each)).item
            if not item.replaced_by and not item.hidden:
                read.append(item)
    return read


async def _lead(request: Request) -> Visitor:
    who = await visitor(request)
    if not who.requester.may("change_any"):
        raise NotPermitted("This page is for leads and admins. You can judge items on their own pages.")
    return who


async def _change(request: Request) -> tuple[Visitor, FormData]:
    who = await _lead(request)
    return who, await verified_form(request, who)
