"""Projects: listed, shown; opened and closed by a lead or an admin; renamed and merged by an admin."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.accounts.requester import Openness
from app.accounts.views import OpennessChange, ProjectView
from app.api.listing import NamedListing
from app.api.schema import REVISION, AccountName, ProjectName, RequestBody, ResponseBody
from app.services import administration
from app.web.authenticated_route import AuthenticatedRoute
from app.web.entity_tags import KnownRevision, revision_tag
from app.web.errors import responses
from app.web.paging import NextCursor
from app.web.requester import Admin, Manager, Reader, TheServices

router = APIRouter(prefix="/v1/projects", tags=["accounts"], route_class=AuthenticatedRoute)


Members = Annotated[list[AccountName], Field(max_length=1000)]


class ProjectReply(ResponseBody):
    id: UUID
    name: str = Field(examples=["shop"])
    identity: str | None = Field(
        description="How its sessions are recognised: by a repository, else a folder. Null: only by the name that was sent with them.",
        examples=["repository:github.com/acme/shop"],
    )
    owner: str | None = Field(description="Part of its identity that distinguishes it from projects of the same name.", examples=["acme"])
    created_at: datetime
    open: Openness = Field(description="Who may see it: all developers of its team, or only its members, leads and admins.")
    members: list[str] = Field(description="Names of its members, sorted; none while it is open to the team.", examples=[["ada", "bo"]])
    prompts_shown_since: datetime | None = Field(
        description="What is said in sessions that began since then is shown to the team's leads, auditors and admins; each reading is"
        " recorded. Null: everybody sees their own sessions alone."
    )
    revision: str = Field(
        description=f"Changes with its name, with whom it is open to, and with whether it shows prompts. {REVISION}",
        examples=["1f3c9a22b0d54e77"],
    )


class ProjectList(ResponseBody):
    projects: list[ProjectReply]
    next_cursor: NextCursor


class ChangeBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "checkout"}, {"open": "members", "members": ["ada", "bo"]}]})

    name: ProjectName | None = Field(None, description="New name. For admins.", examples=["checkout"])
    open: Openness | None = Field(None, description="`members`: close it to everybody but its members, leads and admins. `team`: open it.")
    members: Members | None = Field(None, description="Names of all members; they replace the current members.", examples=[["ada", "bo"]])
    add_members: Members = Field([], description="Developers of its team to add as members.", examples=[["cy"]])
    remove_members: Members = Field([], description="Developers to remove from the members.", examples=[["bo"]])
    show_prompts: bool | None = Field(
        None,
        strict=True,
        description="true: from now on show leads, auditors and admins what is said in its new sessions, and record each reading"
        " (`GET /v1/audit/prompts`). false: show it no longer.",
    )


class MergeBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "018f3c5e-7d7a-7c3e-9a51-0f6d1c2b3a49"}]})

    into: UUID = Field(description="The project that remains.")


class MergeReply(ResponseBody):
    project: ProjectReply = Field(description="The project that remains.")
    sessions: int = Field(description="Number of sessions that were moved.")


@router.get("", summary="List projects", responses=responses())
async def list_projects(services: TheServices, caller: Reader, listing: NamedListing) -> ProjectList:
    page = await administration.list_projects_page(services, caller, listing.wanted)
    return ProjectList(projects=[_view(each) for each in page.entries], next_cursor=listing.next_cursor(page.next))


@router.get("/{project_id}", summary="Show a project", responses=responses())
async def show(services: TheServices, caller: Reader, project_id: UUID, response: Response) -> ProjectReply:
    return _tagged(response, await administration.show_project(services, caller, project_id))


@router.patch(
    "/{project_id}",
    summary="Rename a project, or change who may see it or whether it shows prompts",
    description=(
        "Admins may rename; leads and admins may change who sees it, and whether it shows prompts. For everybody else a closed project, "
        "its sessions and its knowledge don't exist: lists omit it, and requests for it get 404. This takes effect at once on this "
        "server and within moments on others; other servers show a new name within half a minute."
    ),
    responses=responses(400, 409, 412),
)
async def change(
    services: TheServices, caller: Manager, project_id: UUID, body: ChangeBody, known: KnownRevision, response: Response
) -> ProjectReply:
    openness = OpennessChange(body.open, body.members, body.add_members, body.remove_members)
    changed = await administration.change_project(
        services, caller, project_id, name=body.name, openness=openness, show_prompts=body.show_prompts, revision=known
    )
    return _tagged(response, changed)


@router.post(
    "/{project_id}/merge",
    summary="Merge a project into another",
    description="For admins. Its sessions and knowledge are moved; what is sent later under its name, repository or folder goes there too."
    " A closed project is merged only into one that is open to nobody else.",
    responses=responses(400, 409),
)
async def merge(services: TheServices, admin: Admin, project_id: UUID, body: MergeBody) -> MergeReply:
    stayed, moved = await administration.merge_projects(services, admin, project_id, body.into)
    return MergeReply(project=_view(stayed), sessions=moved)


def _tagged(response: Response, project: ProjectView) -> ProjectReply:
    response.headers["etag"] = revision_tag(project.revision)
    return _view(project)


def _view(project: ProjectView) -> ProjectReply:
    return ProjectReply.model_validate(project)
