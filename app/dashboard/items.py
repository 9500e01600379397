"""Items one by one: listed, recorded, corrected, judged and deleted by people; with their evidence and history."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.dashboard.desk import desk_of
from app.dashboard.filtering import AddressFilters, address, moment_of
from app.dashboard.knowledge import source_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.visitor import PATH, Visitor, changing, text_of, visitor
from app.errors import InvalidInput
from app.knowledge.authoring import MAX_TEXT_CHARS, MAX_TITLE_CHARS, Author, Change, Words, revision_of
from app.knowledge.browsing import Filter
from app.knowledge.history import Entry
from app.knowledge.item import KNOWLEDGE_TYPES
from app.knowledge.judging import MAX_NOTE_CHARS
from app.knowledge.store import Item
from app.knowledge.weighing import VERDICTS, shown_freshness
from app.storage.tables import AnyRow

log = structlog.get_logger()

ITEMS = f"{PATH}/knowledge/items"
PAGE = 50
LIMITS = {"title": MAX_TITLE_CHARS, "text": MAX_TEXT_CHARS, "note": MAX_NOTE_CHARS}

router = APIRouter(prefix=f"{PATH}/knowledge/items", route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ListFilters(AddressFilters):
    """Filters of the list of items."""

    project: str
    type: str
    since: str
    until: str
    subject: str
    hidden: str

    async def filter(self, who: Visitor) -> Filter | None:
        """None: there is no such project, so it has no items. InvalidInput for a type or a date that can't be."""
        if self.type and self.type not in KNOWLEDGE_TYPES:
            raise InvalidInput(f"There is no type {self.type!r}: choose one of the list.", param="type")
        since, until = moment_of(self.since, "since"), moment_of(self.until, "until")
        project = await who.services.accounts.project_named(who.requester.team_id, self.project) if self.project else None
        if self.project and project is None:
            return None
        return Filter(project, self.type or None, since, until, self.subject, hidden=self.hidden == "1")


@router.get("")
async def listed(request: Request) -> Response:
    who = await visitor(request)
    filters, problem, rows, following = ListFilters.of(request), "", list[AnyRow](), None
    try:
        if (wanted := await filters.filter(who)) is not None:
            cursor = request.query_params.get("cursor")
            page = await who.services.knowledge.browsing.page(who.requester.team_id, wanted, limit=PAGE, cursor=cursor)
            rows, following = list(page.items), page.next
    except InvalidInput as error:
        problem = error.message
    projects = {each.id: each.name for each in await who.services.accounts.find_projects(who.requester.team_id)}
    return await desk_of(request).renderer.page(
        "items.html",
        who,
        filters=filters,
        problem=problem,
        items=[(row, projects.get(row.project_id, ""), shown_freshness(row.freshness, row)) for row in rows],
        further=address(who, ITEMS, **filters.query, cursor=following) if following else None,
        projects=sorted(projects.values()),
        types=KNOWLEDGE_TYPES,
        limits=LIMITS,
    )


@router.post("")
async def record(request: Request) -> Response:
    who = await visitor(request)
    form = await changing(request, who)
    words = Words(text_of(form, "type"), text_of(form, "title"), _lines(form, "text"), _paths(form))
    item_id, new = await who.services.knowledge.authoring.record(_author(who), text_of(form, "project"), words)
    log.info("dashboard.item_recorded", item=str(item_id), new=new)
    return _to(who, f"{ITEMS}/{item_id}")


@router.get("/{item_id}")
async def shown(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    services, team_id = who.services, who.requester.team_id
    item = await services.knowledge.store.get(team_id, item_id)
    entries = await services.knowledge.history.of(team_id, item_id)
    people = {each.developer_id for each in entries if each.developer_id is not None} | {item.developer_id} - {None}
    names = await services.accounts.names([each for each in people if each is not None])
    return await desk_of(request).renderer.page(
        "item.html",
        who,
        item=item,
        freshness=shown_freshness(item.freshness, item),
        author=names.get(item.developer_id, "") if item.developer_id else "",
        project=(await services.accounts.project_names(team_id, [item.project_id])).get(item.project_id, ""),
        mine=who.requester.is_admin or item.developer_id == who.requester.developer_id,
        revision=revision_of(item),
        history=[(each, _by(each, names)) for each in entries],
        verdict=_own_verdict(who, entries),
        verdicts=VERDICTS,
        types=KNOWLEDGE_TYPES,
        limits=LIMITS,
        source=lambda quote: source_of(who, quote),
    )


@router.post("/{item_id}/correct")
async def correct(request: Request, item_id: UUID) -> Response:
    """A form sends every field, and its own line ends: only what a person changed of it is a correction."""
    who = await visitor(request)
    form = await changing(request, who)
    item = await who.services.knowledge.store.get(who.requester.team_id, item_id)
    change = _changed(item, text_of(form, "type"), text_of(form, "title"), _lines(form, "text"), _paths(form))
    if change.fields:
        revision = text_of(form, "revision") or None
        change = Change(change.type, change.title, change.text, change.paths, revision)
        await who.services.knowledge.authoring.correct(_author(who), item_id, change)
        log.info("dashboard.item_corrected", item=str(item_id), fields=sorted(change.fields))
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/{item_id}/feedback")
async def judge(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    form = await changing(request, who)
    await who.services.knowledge.judging.judge(_author(who), item_id, text_of(form, "verdict"), _lines(form, "note"))
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/{item_id}/delete")
async def delete(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    await changing(request, who)
    await who.services.knowledge.store.delete(who.requester.team_id, item_id, developer_id=who.requester.developer_id)
    log.info("dashboard.item_deleted", item=str(item_id))
    return _to(who, ITEMS)


def _author(who: Visitor) -> Author:
    return Author(who.requester.team_id, who.requester.developer_id)


def _changed(item: Item, kind: str, title: str, text: str, paths: tuple[str, ...]) -> Change:
    return Change(
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
    """One a line."""
    return tuple(line.strip() for line in _lines(form, "paths").split("\n") if line.strip())


def _by(entry: Entry, names: dict[UUID, str]) -> str:
    if entry.by_admin:
        return "admin"
    return names.get(entry.developer_id, "") if entry.developer_id else ""


def _own_verdict(who: Visitor, entries: list[Entry]) -> str:
    """Find the visitor's own verdict, whose button is shown as pressed; empty: none."""
    mine = (entry.verdict for entry in entries if entry.verdict and (entry.developer_id, entry.by_admin) == _person(who))
    return next(mine, None) or ""


def _person(who: Visitor) -> tuple[UUID | None, bool]:
    return who.requester.developer_id, who.requester.is_admin


def _to(who: Visitor, path: str) -> Response:
    return RedirectResponse(address(who, path), status_code=303)
