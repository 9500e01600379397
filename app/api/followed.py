"""Routes of growing transcripts: append the lines that came, and see how far each file is journalled."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field

from app.api.schema import Plain, ProjectName, ResponseBody
from app.sessions.event import GivenFormat, GivenPiece
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/sessions/transcript-lines", tags=["sessions"], route_class=AuthenticatedRoute)

MAX_FILES = 1000
LINES = {
    "requestBody": {
        "required": True,
        "description": "The file's bytes from `offset` on. Lines may be cut anywhere: the rest comes with the next piece.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": '{"type":"user","uuid":"1","sessionId":"s1","message":{"role":"user","content":"Why NATS?"}}\n',
            }
        },
    }
}
Source = Annotated[
    Plain, Query(min_length=1, max_length=200, description="The client's stable name of the file, such as a hash.", examples=["8f14e45f"])
]


class PieceReply(ResponseBody):
    """Events and offset were committed together. Where `offset` is not the piece's end, the piece was not read."""

    offset: int = Field(description="From where to send next.")
    events: int = Field(description="Number of new events, which were stored.")
    resumed: bool | None = Field(
        description="Whether the file is read on where it ended (true), or sent whole each time and read at `end` (false); null: send its"
        " beginning first."
    )


class FollowedFileReply(ResponseBody):
    source: str
    offset: int = Field(description="Bytes that are read.")
    tail: str = Field(
        description="First 16 hex digits of the SHA-256 of the last 64 bytes before `offset` (of all, if fewer): differs where the file was"
        " written anew."
    )
    ended: bool = Field(description="Whether the last piece came with `end`: nothing waits for the file's next line.")


class FollowedFilesReply(ResponseBody):
    files: list[FollowedFileReply]
    next_cursor: NextCursor


@router.post(
    "",
    status_code=202,
    summary="Append new lines to a followed transcript",
    description="The journal becomes what an upload of the whole file gives. Idempotent: where a reply was lost, send from the last known"
    " `offset` again. Claude Code's and Codex' transcripts are read on where they ended; files of other formats are sent whole each time,"
    " and are read at `end`.",
    openapi_extra=LINES,
    responses=responses(400, 413),
)
async def append_lines(
    request: Request,
    services: TheServices,
    caller: Reader,
    *,
    source: Source,
    name: Annotated[Plain, Query(max_length=1000, description="Name of the file, which citations show.")] = "transcript",
    offset: Annotated[int, Query(ge=0, le=2**62, description="The piece's place in the file. 0: the file is read anew.")] = 0,
    end: Annotated[bool, Query(description="The file has no more for now: its last line and calls without a result count too.")] = False,
    format: Annotated[GivenFormat, Query(description="`auto`: recognised by content.")] = "auto",  # noqa: A002 - the contract's word
    project: Annotated[ProjectName | None, Query(description="Default: the repository or folder that the session worked in.")] = None,
    repository: Annotated[
        Plain | None, Query(max_length=1000, description="URL of the sessions' repository, where the transcript doesn't say.")
    ] = None,
    directory: Annotated[
        Plain | None,
        Query(
            max_length=4000,
            description="Folder that its sessions worked in, of the repository where that is a worktree: it goes before the transcript's.",
        ),
    ] = None,
    modified_at: Annotated[AwareDatetime | None, Query(description="Modification time of the file.")] = None,
) -> PieceReply:
    piece = GivenPiece(source, name, await request.body(), offset, end, format, project, modified_at, repository, directory)
    taken = await services.sessions.follower.take(caller, piece)
    return PieceReply(offset=taken.offset, events=taken.new, resumed=taken.resumed)


@router.get("", summary="List how far your followed transcripts are read", responses=responses())
async def list_followed(
    services: TheServices,
    caller: Reader,
    *,
    limit: Annotated[int, Query(ge=1, le=MAX_FILES)] = MAX_FILES,
    paging: Page,
) -> FollowedFilesReply:
    found = await services.sessions.follower.followed(caller, after=paging.after or "", limit=limit)
    files = [FollowedFileReply(source=each.source, offset=each.offset, tail=each.tail, ended=each.ended) for each in found]
    return FollowedFilesReply(files=files, next_cursor=paging.next_cursor(found[-1].source if len(found) == limit else None))
