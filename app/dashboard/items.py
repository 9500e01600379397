"""Pages of items: list, record, correct, judge and delete them; one with its evidence and history."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.dashboard.filtering import AddressFilters, address, moment_of
from app.dashboard.knowledge import source_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, text_of, verified_form, visitor
from app.errors import InvalidInput
from app.knowledge.edits import MAX_NOTE_CHARS, MAX_TEXT_CHARS, MAX_TITLE_CHARS, ItemCorrection, ItemFields
from app.knowledge.item import KNOWLEDGE_TYPES, VERDICTS, HistoryEvent, Item, ItemFilter
from app.knowledge.reader import ShownPage
from app.services.administration import list_projects
from app.storage.tables import AnyRow

log = structlog.get_logger()

ITEMS = f"{PATH}/knowledge/items"
PAGE = 50
LIMITS = {"title": MAX_TITLE_CHARS, "text": MAX_TEXT_CHARS, "note": MAX_NOTE_CHARS}

router = APIRouter(prefix=f"{PATH}/knowledge/items", route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ItemListFilters(AddressFilters):
    """Filters of the list of items."""

    project: str
    type: str
    since: str
    until: str
    subject: str
    hidden: str

    @property
    def filter(self) -> ItemFilter:
        """All filters but the project, which is passed by name. Raises InvalidInput for an unknown type or date."""
        if self.type and self.type not in KNOWLEDGE_TYPES:
            raise InvalidInput(f"There is no type {self.type!r}: choose one from the list.", param="type")
        since, until = moment_of(self.since, "since"), moment_of(self.until, "until")
        return ItemFilter(None, self.type or None, since, until, self.subject, hidden=self.hidden == "1")


@router.get("")
async def listed(request: Request) -> Response:
    who = await visitor(request)
    filters, problem, page = ItemListFilters.of(request), "", ShownPage((), None)
    try:
        cursor, project = request.query_params.get("cursor"), filters.project or None
        page = await who.services.knowledge.reader.list(who.requester, filters.filter, project=project, limit=PAGE, cursor=cursor)
    except InvalidInput as error:
        problem = error.message
    projects = await list_projects(who.services, who.requester)
    return await state_of(request).renderer.page(
        "items.html",
        who,
        filters=filters,
        problem=problem,
        items=page.items,
        further=address(who, ITEMS, **filters.query, cursor=page.next) if page.next else None,
        projects=sorted(each.name for each in projects),
        types=KNOWLEDGE_TYPES,
        limits=LIMITS,
    )


@router.post("")
async def record(request: Request) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    words = ItemFields(text_of(form, "type"), text_of(form, "title"), _lines(form, "text"), _paths(form))
    recorded, new = await who.services.knowledge.writer.record(who.requester, text_of(form, "project"), words)
    log.info("dashboard.item_recorded", item=str(recorded.item.id), new=new)
    return _to(who, f"{ITEMS}/{recorded.item.id}")


@router.get("/{item_id}")
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
        freshness=shown.freshness,
        author=authors.get(author_id, "") if author_id else "",
        project=shown.project,
        mine=shown.can_delete,
        revision=shown.revision,
        history=[(each.entry, each.by or "") for each in entries],
        verdict=_own_verdict(who, [each.entry for each in entries]),
        verdicts=VERDICTS,
        types=KNOWLEDGE_TYPES,
        limits=LIMITS,
        source=lambda quote: source_of(who, quote),
    )


@router.post("/{item_id}/correct")
async def correct(request: Request, item_id: UUID) -> Response:
    """Correct only the fields that were changed: a form sends all of them, with CRLF line ends."""
    who = await visitor(request)
    form = await verified_form(request, who)
    shown = await who.services.knowledge.reader.item(who.requester, item_id)
    change = _changed(shown.item, text_of(form, "type"), text_of(form, "title"), _lines(form, "text"), _paths(form))
    if change.fields:
        revision = text_of(form, "revision") or None
        change = ItemCorrection(change.type, change.title, change.text, change.paths, revision)
        await who.services.knowledge.writer.correct(who.requester, item_id, change)
        log.info("dashboard.item_corrected", item=str(item_id), fields=sorted(change.fields))
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/{item_id}/feedback")
async def judge(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    await who.services.knowledge.writer.judge(who.requester, item_id, text_of(form, "verdict"), _lines(form, "note"))
    return _to(who, f"{ITEMS}/{item_id}")


@router.post("/{item_id}/delete")
async def delete(request: Request, item_id: UUID) -> Response:
    who = await visitor(request)
    await verified_form(request, who)
    await who.services.knowledge.writer.delete(who.requester, item_id)
    log.info("dashboard.item_deleted", item=str(item_id))
    return _to(who, ITEMS)


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
    return who.requester.developer_id, who.requester.is_admin


def _to(who: Visitor, path: str) -> Response:
    return RedirectResponse(address(who, path), status_code=303)
