"""Routes by which people record, list, correct and judge items, and read an item's history. All they write is redacted, then stored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import ConfigDict, Field

from app.accounts.requester import Requester
from app.api.knowledge import FeedbackCounts, ItemReply, Origin, item_reply, no_passage
from app.api.schema import Body, Citation, Plain, ProjectFilter, ProjectName, Reply, Untrusted
from app.errors import InvalidInput
from app.knowledge.authoring import MAX_PATH_CHARS, MAX_PATHS, MAX_TEXT_CHARS, MAX_TITLE_CHARS, Author, Change, Words, revision_of
from app.knowledge.browsing import MAX_PAGE, Filter
from app.knowledge.history import Entry, What
from app.knowledge.item import Freshness, KnowledgeType
from app.knowledge.judging import MAX_NOTE_CHARS
from app.knowledge.weighing import Verdict, shown_freshness
from app.storage.matching import MAX_WORDS_CHARS
from app.storage.tables import AnyRow
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Caller, TheServices

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=AuthenticatedRoute)

A_PASSAGE = "This is a passage: what was said stays as it was said. Items can be corrected and judged."
Paths = Annotated[
    list[Annotated[Plain, Field(min_length=1, max_length=MAX_PATH_CHARS)]],
    Field(max_length=MAX_PATHS, description="Files that it speaks of: it comes first where a query's `files` name one."),
]
Title = Annotated[Plain, Field(max_length=MAX_TITLE_CHARS)]
Text = Annotated[
    Plain, Field(min_length=1, max_length=MAX_TEXT_CHARS, description="What is to be known, so that it can be read alone. No secrets.")
]


class RecordBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "gotcha",
                    "text": "The staging database is restored from production every night at 03:00 UTC: what was changed by hand is gone.",
                    "project": "shop",
                    "paths": ["deploy/staging.yaml"],
                }
            ]
        }
    )

    type: KnowledgeType
    title: Title | None = Field(None, description="Its subject and lesson; without one, the text's first sentence.")
    text: Text
    project: ProjectName = Field(description="Made when it is first named, as for sessions.")
    paths: Paths = Field(default_factory=list)


class CorrectBody(Body):
    """Only what is to be changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Use pnpm here: the lock file is pnpm's.", "type": "tool_usage"}]})

    type: KnowledgeType | None = None
    title: Title | None = None
    text: Text | None = None
    paths: Paths | None = None


class FeedbackBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"verdict": "stale", "note": "We moved to pnpm in October."}]})

    verdict: Verdict
    note: Annotated[Plain, Field(max_length=MAX_NOTE_CHARS)] | None = None


class ListedItem(Reply):
    id: UUID
    type: KnowledgeType
    title: str
    text: str
    project: str
    origin: Origin
    confidence: float
    freshness: Freshness
    evidence_count: int
    paths: list[str]
    revision: str
    feedback: FeedbackCounts
    hidden: bool
    created_at: datetime = Field(description="When it was first learnt, by its session's time, or recorded.")
    corrected_at: datetime | None
    mine: bool = Field(description="Whether this key may correct and delete it.")
    untrusted: Untrusted = True


class KnowledgeList(Reply):
    items: list[ListedItem]
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last one.")


class HistoryEntry(Reply):
    """`learnt` and `merged` are a session's, with its words; `recorded` and `corrected` a person's, with what was written of it."""

    what: What
    at: datetime
    by: str | None = Field(description="A developer's name, or `admin`. Null: nobody, a session taught it; or somebody who is gone.")
    type: KnowledgeType | None = None
    title: str | None = None
    text: str | None = None
    paths: list[str] | None = None
    verdict: Verdict | None = None
    note: str | None = None
    source: Citation | None = None
    untrusted: Untrusted = True


class HistoryReply(Reply):
    history: list[HistoryEntry] = Field(description="The latest first; 200 at most.")


@router.post(
    "",
    status_code=201,
    summary="Record an item",
    description=(
        "What a person knows. It is found before what was extracted, and no session's reading changes it. The same text again, in the same"
        " project, is the same item: 200."
    ),
    responses=responses(400, 409, 413) | {200: {"model": ItemReply, "description": "It was recorded before."}},
)
async def record(services: TheServices, caller: Caller, body: RecordBody, response: Response) -> ItemReply:
    words = Words(body.type, body.title or "", body.text, tuple(body.paths))
    item_id, new = await services.knowledge.authoring.record(author_of(caller), body.project, words)
    found = await item_reply(services, caller, item_id)
    response.status_code = 201 if new else 200
    response.headers["location"] = f"/v1/knowledge/{item_id}"
    response.headers["etag"] = f'"{found.revision}"'
    return found


@router.get("", summary="List items, the newest first", responses=responses())
async def list_items(
    services: TheServices,
    caller: Caller,
    *,
    project: ProjectFilter = None,
    type: Annotated[KnowledgeType | None, Query(description="Only items of this type.")] = None,  # noqa: A002 - the contract's word
    since: Annotated[datetime | None, Query(description="First learnt or recorded then or later. Without a time zone: UTC.")] = None,
    until: Annotated[datetime | None, Query(description="First learnt or recorded before then.")] = None,
    subject: Annotated[Plain, Query(description="Words of its title, text or files.", max_length=MAX_WORDS_CHARS)] = "",
    session: Annotated[UUID | None, Query(description="Only what was learnt from this session.")] = None,
    hidden: Annotated[bool, Query(description="Instead of the rest, those that people judged wrong.")] = False,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(description="The `next` of the page before.", max_length=200)] = None,
) -> KnowledgeList:
    project_id = None
    if project is not None and (project_id := await services.accounts.project_named(caller.team_id, project)) is None:
        return KnowledgeList(items=[], next=None)
    wanted = Filter(project_id, type, since, until, subject, session, hidden)
    page = await services.knowledge.browsing.page(caller.team_id, wanted, limit=limit, cursor=cursor)
    names = await services.accounts.project_names(caller.team_id, {row.project_id for row in page.items})
    return KnowledgeList(items=[_listed(row, names, caller) for row in page.items if row.project_id in names], next=page.next)


@router.patch(
    "/{item_id}",
    summary="Correct an item",
    description=(
        "Its author or an admin. The correction holds whatever its sessions say when they are read again. With `if-match` (the `etag`, or"
        " `revision`) it is refused where the item has been changed since; without, the last writer wins. The history keeps both."
    ),
    responses=responses(400, 409, 413),
)
async def correct(
    services: TheServices,
    caller: Caller,
    item_id: UUID,
    body: CorrectBody,
    response: Response,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
) -> ItemReply:
    paths = None if body.paths is None else tuple(body.paths)
    change = Change(body.type, body.title, body.text, paths, revision=_revision(if_match))
    async with no_passage(services, caller, item_id, A_PASSAGE):
        await services.knowledge.authoring.correct(author_of(caller), item_id, change)
    found = await item_reply(services, caller, item_id)
    response.headers["etag"] = f'"{found.revision}"'
    return found


@router.post(
    "/{item_id}/feedback",
    summary="Judge an item",
    description=(
        "Anybody of the team, one verdict a person: a second one replaces the first. `helpful` raises it a little, `stale` puts it behind"
        " and marks it, `wrong` hides it once two people say so, or its author does. `explain` of a query shows what verdicts weigh."
    ),
    responses=responses(400, 409, 413),
)
async def feedback(services: TheServices, caller: Caller, item_id: UUID, body: FeedbackBody) -> ItemReply:
    async with no_passage(services, caller, item_id, A_PASSAGE):
        await services.knowledge.judging.judge(author_of(caller), item_id, body.verdict, body.note or "")
    return await item_reply(services, caller, item_id)


@router.get("/{item_id}/history", summary="What became of an item", responses=responses(409))
async def history(services: TheServices, caller: Caller, item_id: UUID) -> HistoryReply:
    async with no_passage(
        services, caller, item_id, "A passage has no history: its places say where it was said (GET /v1/knowledge/{id})."
    ):
        entries = await services.knowledge.history.of(caller.team_id, item_id)
    names = await services.accounts.names({each.developer_id for each in entries if each.developer_id is not None})
    return HistoryReply(history=[_entry(each, names) for each in entries])


def author_of(caller: Requester) -> Author:
    return Author(caller.team_id, caller.developer_id)


def _revision(if_match: str | None) -> str | None:
    """An etag's value, weak or not; `*` and nothing: whatever stands there."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = if_match.strip().removeprefix("W/").strip('"')
    if not found.isalnum():
        raise InvalidInput("if-match: send one revision, as `etag` or `revision` gave it.", param="if-match")
    return found


def _listed(row: AnyRow, names: dict[UUID, str], caller: Requester) -> ListedItem:
    plain = {name: getattr(row, name) for name in ListedItem.model_fields if hasattr(row, name)}
    return ListedItem.model_validate(
        plain
        | {
            "project": names[row.project_id],
            "freshness": shown_freshness(row.freshness, row),
            "confidence": round(row.confidence, 3),
            "revision": revision_of(row),
            "feedback": {"helpful": row.helpful, "wrong": row.wrong, "stale": row.stale},
            "mine": caller.is_admin or row.developer_id == caller.developer_id,
        }
    )


def _entry(each: Entry, names: dict[UUID, str]) -> HistoryEntry:
    by: Literal["admin"] | str | None = "admin" if each.by_admin else None if each.developer_id is None else names.get(each.developer_id)
    source = None if each.source is None else Citation.of(each.source)
    said = {name: getattr(each, name) for name in ("what", "at", "type", "title", "text", "verdict", "note")}
    return HistoryEntry.model_validate(said | {"by": by, "paths": each.paths and list(each.paths), "source": source})
