"""Pages of items: list, record, correct, judge and delete them; one with its evidence and history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.dashboard.filtering import AddressFilters, address, period_of, project_of
from app.dashboard.knowledge import ITEMS, source_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.review_place import ReviewPlace
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, text_of, verified_form, visitor
from app.errors import InvalidInput
from app.freshness.wording import describe
from app.knowledge.edits import MAX_NOTE_CHARS, MAX_TEXT_CHARS, MAX_TITLE_CHARS, ItemCorrection, ItemFields
from app.knowledge.item import DECISIONS, ITEM_STATES, KNOWLEDGE_TYPES, VERDICTS, Decision, HistoryEvent, Item, ItemFilter, ItemState
from app.services.administration import list_projects
from app.services.browsing import export_items
from app.storage.tables import AnyRow
from app.web.browsing_csv import csv_of_items

log = structlog.get_logger()

PAGE = 50
HIDDEN = "hidden"
STATES = {
    "stale": "out of date",
    "changed": "code changed since",
    "gone": "code is gone",
    "recorded": "recorded by people",
    "corrected": "corrected by people",
    HIDDEN: "judged wrong or retired",
}
LIMITS = {"title": MAX_TITLE_CHARS, "text": MAX_TEXT_CHARS, "note": MAX_NOTE_CHARS}

router = APIRouter(prefix=f"{PATH}/knowledge", route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ItemListFilters(AddressFilters):
    """Filters of the list of items."""

    project: str
    type: str
    state: str
    since: str
    until: str
    subject: str
    session: str
    order: str
    hidden: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """The list that an address asks for, without what can't be obeyed, which `problems` tell."""

    filters: ItemListFilters
    wanted: ItemFilter
    project: str | None
    problems: Sequence[str]


@router.get("/items")
async def listed(request: Request) -> Response:
    who = await visitor(request)
    view = await _view(who, request)
    problems, filters, cursor = list(view.problems), view.filters, request.query_params.get("cursor")
    reader = who.services.knowledge.reader
    try:
        page = await reader.list(who.requester, view.wanted, project=view.project, limit=PAGE, cursor=cursor)
    except InvalidInput as error:
        problems.append(error.message)
        page = await reader.list(who.requester, view.wanted, project=view.project, limit=PAGE)
    projects = await list_projects(who.services, who.requester)
    return await state_of(request).renderer.page(
        "items.html",
        who,
        filters=filters,
        problems=problems,
        states=STATES,
        items=page.entries,
        csv=address(who, f"{ITEMS}.csv", **filters.query),
        further=address(who, ITEMS, **filters.query, cursor=page.next) if page.next else None,
        projects=sorted(each.name for each in projects),
        types=KNOWLEDGE_TYPES,
        limits=LIMITS,
    )


@router.get("/items.csv")
async def table(request: Request) -> Response:
    """Export all items that the page's filters find. Raises what the page tells: a file has no place for it."""
    who = await visitor(request)
    view = await _view(who, request)
    if view.problems:
        raise InvalidInput(view.problems[0])
    return csv_of_items(request, await export_items(who.services, who.requester, view.wanted, project=view.project))


@router.post("/items")
async def record(request: Request) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    words = ItemFields(text_of(form, "type"), text_of(form, "title"), _lines(form, "text"), _paths(form))
    recorded, new = await who.services.knowledge.writer.record(who.requester, text_of(form, "project"), words)
    log.info("dashboard.item_recorded", item=str(recorded.item.id), new=new)
    return _to(who, f"{ITEMS}/{recorded.item.id}")


@router.get("/items/{item_id}")
async def shown(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    reader = who.services.knowledge.reader
    shown = await reader.item(who.requester, item_id)
    entries = await reader.history(who.requester, item_id)
    author_id = shown.item.developer_id
    authors = await who.services.accounts.names([author_id] if author_id is not None else [])
    return await state_of(request).renderer.page(
        "item.html",
        who,
        item=shown.item,
        shown=shown,
        author=authors.get(author_id, "") if author_id else "",
        code=[(each, describe(each)) for each in shown.item.code],
        mine=shown.can_delete,
        reviews=who.requester.may("change_any"),
        place=ReviewPlace.of(request),
        correcting=request.query_params.get("correct") == "1",
        revision=shown.revision,
        history=[(each.entry, each.by or "") for each in entries],
        verdict=_own_verdict(who, [each.entry for each in entries]),
        verdicts=VERDICTS,
        types=KNOWLEDGE_TYPES,
        limits=LIMITS,
        source=lambda quote: source_of(who, quote),
        item_address=lambda other: address(who, f"{ITEMS}/{other}"),
        subject_address=lambda name: address(who, ITEMS, subject=name),
    )


@router.post("/items/{item_id}/correct")
async def correct(request: Request, item_id: UUID) -> Response:
    """Correct only the fields that were changed: a form sends all of them, with CRLF line ends. Leads back to a review that led here."""
    who = await visitor(request)
    form = await verified_form(request, who)
    shown = await who.services.knowledge.reader.item(who.requester, item_id)
    change = _changed(shown.item, text_of(form, "type"), text_of(form, "title"), _lines(form, "text"), _paths(form))
    if change.fields:
        revision = text_of(form, "revision") or None
        change = ItemCorrection(change.type, change.title, change.text, change.paths, revision)
        await who.services.knowledge.writer.correct(who.requester, item_id, change)
        log.info("dashboard.item_corrected", item=str(item_id), fields=sorted(change.fields))
    place = ReviewPlace.of_form(form)
    return place.back(who) if place.list else _to(who, f"{ITEMS}/{item_id}")


@router.post("/items/{item_id}/feedback")
async def judge(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    await who.services.knowledge.writer.judge(who.requester, item_id, text_of(form, "verdict"), _lines(form, "note"))
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/items/{item_id}/restore")
async def restore(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    await verified_form(request, who)
    await who.services.knowledge.writer.restore(who.requester, item_id)
    log.info("dashboard.item_restored", item=str(item_id))
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/items/{item_id}/contradictions/{other_id}")
async def decide(request: Request, item_id: UUID, other_id: UUID) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    decision = decision_of(form)
    await who.services.knowledge.writer.decide(who.requester, item_id, other_id, decision)
    log.info("dashboard.contradiction_decided", item=str(item_id), other=str(other_id), decision=decision)
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/items/{item_id}/retire")
async def retire(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    await verified_form(request, who)
    await who.services.knowledge.writer.retire(who.requester, item_id)
    log.info("dashboard.item_retired", item=str(item_id))
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/items/{item_id}/delete")
async def delete(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    await verified_form(request, who)
    await who.services.knowledge.writer.delete(who.requester, item_id)
    log.info("dashboard.item_deleted", item=str(item_id))
    return _to(who, ITEMS)


def decision_of(form: FormData) -> Decision:
    """Return a form's decision between two items. InvalidInput for what is none."""
    given = text_of(form, "decision")
    decision = next((each for each in DECISIONS if each == given), None)
    if decision is None:
        raise InvalidInput("The form names no decision: reload the page and decide again.", param="decision")
    return decision


async def _view(who: Visitor, request: Request) -> ItemView:
    filters = ItemListFilters.of(request)
    if filters.hidden == "1" and not filters.state:  # addresses from before there were states
        filters = replace(filters, state=HIDDEN)
    filters = replace(filters, hidden="")
    project, period = await project_of(who, filters.project), period_of(filters.since, filters.until)
    problems = [*filter(None, [project.problem]), *period.problems]
    kind: str | None = filters.type or None
    if kind and kind not in KNOWLEDGE_TYPES:
        problems.append(f"There is no type “{kind}”: choose one from the list.")
        kind = None
    if filters.state and filters.state not in STATES:
        problems.append(f"There is no state “{filters.state}”: choose one from the list.")
    session = None
    try:
        session = UUID(filters.session) if filters.session else None
    except ValueError:
        problems.append(f"“{filters.session}” is not a session's id. This view ignores it.")
    wanted = ItemFilter(None, kind, period.since, period.until, filters.subject, session, hidden=filters.state == HIDDEN)
    state: ItemState | None = next((each for each in ITEM_STATES if each == filters.state), None)
    return ItemView(filters, replace(wanted, state=state, oldest_first=filters.order == "oldest"), project.name, problems)


def _changed(item: Item | AnyRow, kind: str, title: str, text: str, paths: tuple[str, ...]) -> ItemCorrection:
    return ItemCorrection(
        type=kind if kind != item.type else None,
        title=title if title != item.title.strip() else None,
        text=text if text != _line_ends(item.text).strip() else None,
        paths=paths if paths != tuple(item.paths) else None,
    )


def _lines(form: FormData, field: str) -> str:
    return _line_ends(text_of(form, field))


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _paths(form: FormData) -> tuple[str, ...]:
    """Parse the paths, one a line."""
    return tuple(line.strip() for line in _lines(form, "paths").split("\n") if line.strip())


def _own_verdict(who: Visitor, entries: list[HistoryEvent]) -> str:
    """Return the visitor's own verdict, whose button is shown as pressed; empty: none."""
    mine = (entry.verdict for entry in entries if entry.verdict and (entry.developer_id, entry.by_admin) == _person(who))
    return next(mine, None) or ""


def _person(who: Visitor) -> tuple[UUID | None, bool]:
    return who.requester.developer_id, who.requester.developer_id is None


def _to(who: Visitor, path: str) -> Response:
    return RedirectResponse(address(who, path), status_code=303)
