"""The audit of prompts: who switched whether a project shows them, and who read whose."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from app.accounts.requester import PromptAction
from app.api.periods import Moment, check_period
from app.api.schema import AccountName, ProjectFilter, ResponseBody
from app.services.prompt_audit import PromptAuditQuery, list_prompt_audit
from app.storage.pages import PageWanted
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/audit", tags=["accounts"], route_class=AuthenticatedRoute)


class PromptAuditReply(ResponseBody):
    """An entry, which is never changed or deleted. Nothing of what was said is in it."""

    id: int
    at: datetime
    action: PromptAction = Field(
        description="`shown`, `hidden`: a project shows prompts from then on, or no longer. `merged`: another project was merged into it,"
        " and only sessions that begin later are shown. `read`: somebody read part of a session. `exported`: somebody exported all that"
        " a developer sent."
    )
    by: str | None = Field(description="Who did it. Null: the admin key.", examples=["grace"])
    project: str | None = Field(description="The project, by its name then. Null: of an export.", examples=["shop"])
    session_id: UUID | None = Field(description="The session that was read; it may have been purged since.")
    author: str | None = Field(description="Whose session was read or exported. Null: the admin key's.", examples=["ada"])
    first_event: int | None = Field(description="The first event that was shown, by its number in the session.")
    last_event: int | None


class PromptAuditList(ResponseBody):
    entries: list[PromptAuditReply]
    next_cursor: NextCursor


@router.get(
    "/prompts",
    summary="List who switched prompts on or off, and who read whose",
    description="The latest first. Admins and auditors see their team's; others the switches, what they did, and who read their sessions.",
    responses=responses(),
)
async def list_prompts(
    services: TheServices,
    caller: Reader,
    *,
    project: ProjectFilter = None,
    developer: Annotated[AccountName | None, Query(description="Only entries of this developer: theirs, or of their sessions.")] = None,
    action: Annotated[PromptAction | None, Query(description="Only entries of this kind.")] = None,
    since: Annotated[Moment | None, Query(description="Only entries of this time or later. Without a time zone: UTC.")] = None,
    until: Annotated[Moment | None, Query(description="Only entries before this time.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    paging: Page,
) -> PromptAuditList:
    check_period(since, until)
    wanted = PageWanted(limit, after=paging.after, since=since, until=until)
    page = await list_prompt_audit(services, caller, wanted, PromptAuditQuery(project, developer, action))
    entries = [
        PromptAuditReply(
            id=each.id,
            at=each.at,
            action=each.action,
            by=each.by,
            project=each.project,
            session_id=each.session_id,
            author=each.author,
            first_event=each.first,
            last_event=each.last,
        )
        for each in page.entries
    ]
    return PromptAuditList(entries=entries, next_cursor=paging.next_cursor(page.next))
