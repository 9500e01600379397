"""Routes of sessions: upload a transcript, append live events, list, show, purge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import AwareDatetime, Field

from app.api import live, multipart
from app.api.periods import Moment, check_period
from app.api.schema import AccountName, NewestOrder, Plain, ProjectFilter, ProjectName, ResponseBody
from app.api.session_costs import SessionCostDetailsReply, cost_reply
from app.services.browsing import SessionScope, list_team_sessions
from app.services.session_costs import cost_of
from app.sessions.event import GivenFormat, GivenTranscript
from app.sessions.reader import ProjectionProgress, ShownSession
from app.sessions.session import FACTS, SessionFilter
from app.storage.matching import MAX_WORDS_CHARS
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices, services_of

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=AuthenticatedRoute)

SessionName = Annotated[
    Plain,
    Path(
        max_length=200,
        description="The session's id in the IDE or agent, or its id in Cairn.",
        examples=["ide-4711"],
    ),
]
LiveProject = Annotated[
    ProjectName | None, Query(description="The project of a new session. Default: the project named `default`.", examples=["shop"])
]
TRANSCRIPT_SCHEMA = {
    "schema": {"type": "string", "format": "binary"},
    "example": '{"id":"1","role":"user","text":"Why NATS?"}\n',
}
UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "The transcript: the raw body, or the multipart field `file`.",
        "content": {
            "application/octet-stream": TRANSCRIPT_SCHEMA,
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}


class Accepted(ResponseBody):
    """The transcript is stored. `GET /v1/jobs/{job_id}` shows how far it has been read."""

    job_id: UUID


class LiveReply(ResponseBody):
    session_id: UUID
    accepted: int = Field(description="Number of new events, which were stored.")
    duplicates: int = Field(description="Number of events whose id was stored before: they change nothing.")
    redactions: dict[str, int] = Field(description="Secrets that were redacted, by kind.", examples=[{"aws-access-key": 1}])


class SessionReply(ResponseBody):
    id: UUID
    project: str
    developer: str | None = Field(description="Who sent it first. Null: the admin key, or somebody who is gone.", examples=["ada"])
    provider: str = Field(examples=["claude-code"])
    external_id: str = Field(description="The session's id in the agent that recorded it.")
    title: str | None
    transcript: str = Field(description="Name of the file that it was read from; citations show it.")
    directory: str | None = Field(
        description="Working directory. This and the fields up to `model` are null if the transcript doesn't say."
    )
    repository: str | None = Field(examples=["git@github.com:acme/shop.git"])
    branch: str | None
    commit: str | None
    agent_version: str | None = Field(description="Version of the agent.")
    model: str | None = Field(description="The first model that answered in it.")
    started_at: datetime | None
    ended_at: datetime | None
    dated_at: datetime | None = Field(
        description="When it took place: by its events, its heading, or its file's name or modification time; never the"
        " upload's. Null: unknown."
    )
    events: int
    redactions: dict[str, int]
    mine: bool = Field(description="Whether this key may purge it: its author's, a lead's or an admin's.")
    created_at: datetime


class ProjectionProgressReply(ResponseBody):
    """A projection's checkpoint in this session: how far it has read, and why it failed."""

    name: str = Field(examples=["items"])
    events: int = Field(description="Number of the last event that it has read.")
    current: bool = Field(description="Whether the current version of the projection's code has read the whole session.")
    parked: str | None = Field(description="Why it failed on this session; null: it has not.")
    retry_at: datetime | None = Field(description="When it is retried after a failure; null: not before its version changes.")


class SessionDetails(SessionReply):
    projections: list[ProjectionProgressReply]
    cost: SessionCostDetailsReply | None = Field(
        description="What its calls of models through Cairn cost. Null: none is known, or none that this key may see."
    )


class SessionList(ResponseBody):
    sessions: list[SessionReply]
    next_cursor: NextCursor


class PurgeReply(ResponseBody):
    """Number of events, passages and items that were deleted. Passages and items that other sessions hold too remain."""

    events: int
    passages_removed: int
    knowledge_removed: int


@router.post(
    "",
    status_code=202,
    summary="Ingest a transcript",
    description="The body is streamed, and may have up to `server.max_upload_bytes`; compressed (gzip, zstd), it may unpack to as much. A"
    " job reads it: the reply has its id.",
    openapi_extra=UPLOAD,
    responses=responses(400, 413),
)
async def ingest(
    request: Request,
    services: TheServices,
    caller: Reader,
    *,
    project: Annotated[ProjectName | None, Query(description="Default: the repository or folder that the session worked in.")] = None,
    format: Annotated[GivenFormat, Query(description="`auto`: recognised by content.")] = "auto",  # noqa: A002 - the contract's word
    name: Annotated[Plain | None, Query(max_length=1000, description="Name of the file, which citations show.")] = None,
    x_filename: Annotated[str | None, Header(max_length=3000, description="`name` as a header, percent-encoded.")] = None,
    modified_at: Annotated[
        AwareDatetime | None, Query(description="Modification time of the file: the date of a session whose events have none.")
    ] = None,
    directory: Annotated[
        Plain | None, Query(max_length=4000, description="Folder that the sessions worked in, for those that don't tell it themselves.")
    ] = None,
) -> Accepted:
    named = name or (unquote(x_filename) if x_filename else None)
    in_form, stream = await _transcript(request)
    given = GivenTranscript(named or in_form or "transcript", project, format, modified_at, directory)
    job = await services.sessions.intake.submit(caller, stream, given, limit=services.settings.server.max_upload_bytes)
    return Accepted(job_id=job)


@router.post(
    "/{session}/events",
    status_code=202,
    response_model=LiveReply,
    summary="Append events to a live session",
    description="The session is created by its first events. Idempotent: an event whose id is stored already changes nothing."
    " All lines are accepted, or none.",
    openapi_extra=live.BODY,
    responses=responses(400, 413),
)
async def append(request: Request, caller: Reader, session: SessionName, project: LiveProject = None) -> Response:
    services = services_of(request)
    given = live.read(await request.body(), max_events=services.settings.sessions.max_live_events)
    done = await services.sessions.live.receive(caller, session, given, project=project)
    return Response(LiveReply.model_validate(done).model_dump_json(), status_code=202, media_type="application/json")


@router.get("", summary="List sessions", responses=responses())
async def list_sessions(
    services: TheServices,
    caller: Reader,
    *,
    project: ProjectFilter = None,
    provider: Annotated[Plain | None, Query(description="Only sessions of this agent.", max_length=100, examples=["claude-code"])] = None,
    since: Annotated[Moment | None, Query(description="Only sessions that began at this time or later. Without a time zone: UTC.")] = None,
    until: Annotated[Moment | None, Query(description="Only sessions that began before this time.")] = None,
    subject: Annotated[
        Plain,
        Query(
            description="Only sessions with these words in title, file name or branch, or in one passage or item of theirs.",
            max_length=MAX_WORDS_CHARS,
        ),
    ] = "",
    developer: Annotated[AccountName | None, Query(description="Only sessions that this developer of the team sent first.")] = None,
    own: Annotated[
        bool,
        Query(description="Only sessions that came with a key of this developer; for the admin key those of no developer that there is."),
    ] = False,
    order: NewestOrder = "newest",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    paging: Page,
) -> SessionList:
    check_period(since, until)
    wanted = SessionFilter(None, provider, since, until, subject, oldest_first=order == "oldest")
    before = None if paging.after is None else UUID(paging.after)
    scope = SessionScope(project, developer, own)
    page = await list_team_sessions(services, caller, wanted, scope, before=before, limit=limit)
    return SessionList(sessions=[_view(each) for each in page.entries], next_cursor=paging.next_cursor(page.next))


@router.get("/{session_id}", summary="Show a session, with how far each projection has read it, and what it cost", responses=responses())
async def show(services: TheServices, caller: Reader, session_id: UUID) -> SessionDetails:
    shown = await services.sessions.reader.show(caller, session_id)
    progress = await services.sessions.reader.progress(shown)
    cost = await cost_of(services, caller, shown.session)
    return SessionDetails(
        **dict(_view(shown)), projections=[_progress(each) for each in progress], cost=None if cost is None else cost_reply(cost)
    )


@router.delete(
    "/{session_id}",
    summary="Purge a session, with all knowledge found only in it",
    description=(
        "For its author, a lead or an admin. Its events, passages and items are deleted in one transaction, and shortly after from "
        "the index."
    ),
    responses=responses(),
)
async def purge(services: TheServices, caller: Reader, session_id: UUID) -> PurgeReply:
    gone = await services.sessions.purge.delete_session(caller, session_id)
    knowledge = services.knowledge
    return PurgeReply(
        events=gone.events,
        passages_removed=gone.removed[knowledge.passages.name],
        knowledge_removed=gone.removed[knowledge.items.name],
    )


async def _transcript(request: Request) -> tuple[str | None, AsyncIterator[bytes]]:
    """Return the file's name (None where the client gave none) and its bytes, from a raw body or a form."""
    found = multipart.boundary(request.headers.get("content-type", ""))
    stream = aiter(request.stream())
    if found is None:
        return None, stream
    part = multipart.FilePart(stream, found)
    return await part.name(), part.chunks()


def _progress(progress: ProjectionProgress) -> ProjectionProgressReply:
    return ProjectionProgressReply(
        name=progress.name,
        events=progress.last_event,
        current=progress.up_to_date,
        parked=progress.parked_reason,
        retry_at=progress.retry_at,
    )


def _view(shown: ShownSession) -> SessionReply:
    session = shown.session
    return SessionReply(
        id=session.id,
        project=shown.project,
        developer=shown.developer,
        provider=session.provider,
        external_id=session.external_id,
        title=session.title,
        transcript=session.transcript,
        **{name: getattr(session, name) for name in FACTS},
        started_at=session.started_at,
        ended_at=session.ended_at,
        dated_at=session.at,
        events=session.event_count,
        redactions=session.redactions,
        mine=shown.can_delete,
        created_at=session.created_at,
    )
