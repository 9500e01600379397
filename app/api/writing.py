"""Routes of items that people write: record, list, correct, judge, show the history. All text is redacted before it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from app.api.item_standing import AGE, FRESHNESS, FeedbackCounts
from app.api.knowledge import ItemReply, Origin, item_reply
from app.api.periods import Moment, check_period
from app.api.schema import Citation, NewestOrder, Plain, ProjectFilter, ProjectName, RequestBody, ResponseBody, Untrusted
from app.knowledge.edits import (
    MAX_NOTE_CHARS,
    MAX_PATH_CHARS,
    MAX_PATHS,
    MAX_TEXT_CHARS,
    MAX_TITLE_CHARS,
    ItemCorrection,
    ItemFields,
)
from app.knowledge.item import MAX_PAGE, Freshness, HistoryAction, ItemFilter, ItemState, KnowledgeType, Verdict
from app.knowledge.reader import ShownEntry, ShownItem
from app.storage.matching import MAX_WORDS_CHARS
from app.web.authenticated_route import AuthenticatedRoute
from app.web.entity_tags import KnownRevision, revision_tag
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=AuthenticatedRoute)

Paths = Annotated[
    list[Annotated[Plain, Field(min_length=1, max_length=MAX_PATH_CHARS)]],
    Field(max_length=MAX_PATHS, description="Files that it is about: it ranks higher for queries whose `files` include one."),
]
Title = Annotated[Plain, Field(max_length=MAX_TITLE_CHARS)]
Text = Annotated[
    Plain,
    Field(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        description="The knowledge, worded so that it can be understood without its context. No secrets.",
    ),
]


class RecordBody(RequestBody):
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
    title: Title | None = Field(None, description="Subject and lesson in a line. Default: the text's first sentence.")
    text: Text
    project: ProjectName = Field(description="Its project, which is created if there is none of this name.")
    paths: Paths = Field(default_factory=list)


class CorrectBody(RequestBody):
    """The fields to change; those left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Use pnpm here: the lock file is pnpm's.", "type": "tool_usage"}]})

    type: KnowledgeType | None = None
    title: Title | None = None
    text: Text | None = None
    paths: Paths | None = None


class FeedbackBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"verdict": "stale", "note": "We moved to pnpm in October."}]})

    verdict: Verdict
    note: Annotated[Plain, Field(max_length=MAX_NOTE_CHARS)] | None = Field(None, description="The reason, for the history.")


class ListedItem(ResponseBody):
    id: UUID
    type: KnowledgeType
    title: str
    text: str
    project: str
    origin: Origin
    confidence: float
    freshness: Freshness = Field(description=FRESHNESS)
    age_days: int = Field(description=AGE)
    evidence_count: int
    paths: list[str]
    revision: str
    feedback: FeedbackCounts
    hidden: bool
    created_at: datetime = Field(description="When it was recorded, or first said in a session.")
    corrected_at: datetime | None
    mine: bool = Field(description="Whether this key may correct and delete it.")
    untrusted: Untrusted = True


class KnowledgeList(ResponseBody):
    items: list[ListedItem]
    next_cursor: NextCursor


class HistoryEntry(ResponseBody):
    """An event in an item's history, with what the session said or the person wrote."""

    what: HistoryAction = Field(
        description="`learnt` or `merged` from a session; `recorded`, `corrected` or `judged` by a person; `used` by a session that was"
        " served it, whose person went on with that, or `refused`: took it back; `replaced` by an item whose words `note` has,"
        " or `restored` by a person who undid that; `contradicted` by an item whose words `note` has, or `decided` by a person,"
        " as `note` says; `merged_into` another item by a person, which has `absorbed` this one; `retired`, or `reinstated`, by a lead."
    )
    at: datetime
    by: str | None = Field(description="The developer's name, or `admin`. Null: a session, or a developer who was removed.")
    type: KnowledgeType | None = None
    title: str | None = None
    text: str | None = None
    paths: list[str] | None = None
    verdict: Verdict | None = None
    note: str | None = None
    source: Citation | None = None
    other: UUID | None = Field(
        None, description="The other item, whose title `title` is: that replaces or contradicts it, or that was merged into it."
    )
    untrusted: Untrusted = True


class HistoryReply(ResponseBody):
    history: list[HistoryEntry] = Field(description="The latest first, at most 200.")


@router.post(
    "",
    status_code=201,
    summary="Record an item",
    description=(
        "Stores what a person knows. It ranks higher than extracted items, and sessions don't change it. The same text in the same project"
        " is not recorded twice: the reply is then 200, with the first item."
    ),
    responses=responses(400, 409, 413) | {200: {"model": ItemReply, "description": "The item was recorded before."}},
)
async def record(services: TheServices, caller: Reader, body: RecordBody, response: Response) -> ItemReply:
    words = ItemFields(body.type, body.title or "", body.text, tuple(body.paths))
    recorded, new = await services.knowledge.writer.record(caller, body.project, words)
    response.status_code = 201 if new else 200
    response.headers["location"] = f"/v1/knowledge/{recorded.item.id}"
    response.headers["etag"] = revision_tag(recorded.revision)
    return item_reply(recorded)


@router.get("", summary="List items", responses=responses())
async def list_items(
    services: TheServices,
    caller: Reader,
    *,
    project: ProjectFilter = None,
    type: Annotated[KnowledgeType | None, Query(description="Only items of this type.")] = None,  # noqa: A002 - the contract's word
    since: Annotated[
        Moment | None, Query(description="Only items first said or recorded at this time or later. Without a time zone: UTC.")
    ] = None,
    until: Annotated[Moment | None, Query(description="Only items first said or recorded before this time.")] = None,
    subject: Annotated[
        Plain, Query(description="Only items about this, by name, or with these words in title, text or files.", max_length=MAX_WORDS_CHARS)
    ] = "",
    session: Annotated[UUID | None, Query(description="Only items that were learnt from this session.")] = None,
    hidden: Annotated[
        bool, Query(description="true: only the items that people judged wrong or retired, which are hidden otherwise.")
    ] = False,
    state: Annotated[
        ItemState | None,
        Query(
            description="`stale`: more people say out of date than find it helpful; `changed`, `gone`: so is the code that it speaks of;"
            " `recorded`, `corrected`: by a person."
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    order: NewestOrder = "newest",
    paging: Page,
) -> KnowledgeList:
    check_period(since, until)
    wanted = ItemFilter(None, type, since, until, subject, session, hidden, state, oldest_first=order == "oldest")
    page = await services.knowledge.reader.list(caller, wanted, project=project, limit=limit, cursor=paging.after)
    return KnowledgeList(
        items=[ListedItem.model_validate(listed_fields(each)) for each in page.entries], next_cursor=paging.next_cursor(page.next)
    )


@router.patch(
    "/{item_id}",
    summary="Correct an item",
    description=(
        "For its author, a lead or an admin. The correction stays, even if the session is read again. With `if-match` the correction is"
        " refused if somebody else has changed the item since; without, the last one wins. The history keeps both texts."
    ),
    responses=responses(400, 409, 412, 413),
)
async def correct(
    services: TheServices,
    caller: Reader,
    item_id: UUID,
    body: CorrectBody,
    response: Response,
    known: KnownRevision,
) -> ItemReply:
    paths = None if body.paths is None else tuple(body.paths)
    change = ItemCorrection(body.type, body.title, body.text, paths, revision=known)
    corrected = await services.knowledge.writer.correct(caller, item_id, change)
    response.headers["etag"] = revision_tag(corrected.revision)
    return item_reply(corrected)


@router.post(
    "/{item_id}/feedback",
    summary="Judge an item",
    description=(
        "For everybody in the team; a person's next verdict replaces the previous one. `helpful` ranks the item a little higher, `stale`"
        " lower and marks it, `wrong` hides it once two people or its author say so. A query with `explain` shows what verdicts weigh."
    ),
    responses=responses(400, 409, 413),
)
async def feedback(services: TheServices, caller: Reader, item_id: UUID, body: FeedbackBody) -> ItemReply:
    return item_reply(await services.knowledge.writer.judge(caller, item_id, body.verdict, body.note or ""))


@router.post(
    "/{item_id}/restore",
    summary="Undo that an item was replaced, merged or retired",
    description=(
        "For everybody in the team. Every link to an item that replaces this one, or into which it was merged, is undone and not made"
        " again: the item ranks as before, and what a person decided against it is undecided again. Only a lead or an admin also brings"
        " back one that was retired. Else nothing changes."
    ),
    responses=responses(409),
)
async def restore(services: TheServices, caller: Reader, item_id: UUID) -> ItemReply:
    return item_reply(await services.knowledge.writer.restore(caller, item_id))


@router.get("/{item_id}/history", summary="Show an item's history: learnt, merged, recorded, corrected, judged", responses=responses(409))
async def history(services: TheServices, caller: Reader, item_id: UUID) -> HistoryReply:
    return HistoryReply(history=[_entry(each) for each in await services.knowledge.reader.history(caller, item_id)])


def listed_fields(shown: ShownItem) -> dict[str, object]:
    """Return the fields of an item in any list."""
    row = shown.item
    return {name: getattr(row, name) for name in ListedItem.model_fields if hasattr(row, name)} | {
        "project": shown.project,
        "freshness": shown.freshness,
        "age_days": shown.age_days,
        "confidence": round(row.confidence, 3),
        "revision": shown.revision,
        "feedback": {"helpful": row.helpful, "wrong": row.wrong, "stale": row.stale},
        "mine": shown.can_delete,
    }


def _entry(shown: ShownEntry) -> HistoryEntry:
    each = shown.entry
    source = None if each.source is None else Citation.of(each.source)
    said = {name: getattr(each, name) for name in ("what", "at", "type", "title", "text", "verdict", "note", "other")}
    return HistoryEntry.model_validate(said | {"by": shown.by, "paths": each.paths and list(each.paths), "source": source})
