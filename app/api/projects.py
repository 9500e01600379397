"""Projects: listed, shown; renamed and merged by an admin."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from app.accounts.views import ProjectView
from app.api.schema import ProjectName, RequestBody, ResponseBody
from app.services import administration
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, Reader, TheServices

router = APIRouter(prefix="/v1/projects", tags=["accounts"], route_class=AuthenticatedRoute)


class ProjectReply(ResponseBody):
    id: UUID
    name: str = Field(examples=["shop"])
    identity: str | None = Field(
        description="How its sessions are recognised: by a repository, else a folder. Null: only by the name that was sent with them.",
        examples=["repository:github.com/acme/shop"],
    )
    owner: str | None = Field(description="Part of its identity that distinguishes it from projects of the same name.", examples=["acme"])
    created_at: datetime


class ProjectList(ResponseBody):
    projects: list[ProjectReply]


class RenameBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "checkout"}]})

    name: ProjectName


class MergeBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "018f3c5e-7d7a-7c3e-9a51-0f6d1c2b3a49"}]})

    into: UUID = Field(description="The project that remains.")


class MergeReply(ResponseBody):
    project: ProjectReply = Field(description="The project that remains.")
    sessions: int = Field(description="Number of sessions that were moved.")


@router.get("", summary="List projects", responses=responses())
async def list_projects(services: TheServices, caller: Reader) -> ProjectList:
    return ProjectList(projects=[_view(each) for each in await administration.list_projects(services, caller)])


@router.get("/{project_id}", summary="Show a project", responses=responses())
async def show(services: TheServices, caller: Reader, project_id: UUID) -> ProjectReply:
    return _view(await administration.show_project(services, caller, project_id))


@router.patch(
    "/{project_id}",
    summary="Rename a project",
    description="For admins. Other servers show the new name within half a minute.",
    responses=responses(400, 409),
)
async def rename(services: TheServices, admin: Admin, project_id: UUID, body: RenameBody) -> ProjectReply:
    return _view(await administration.rename_project(services, admin, project_id, body.name))


@router.post(
    "/{project_id}/merge",
    summary="Merge a project into another",
    description="For admins. Its sessions and knowledge are moved; what is sent later under its name, repository or folder goes there too.",
    responses=responses(400),
)
async def merge(services: TheServices, admin: Admin, project_id: UUID, body: MergeBody) -> MergeReply:
    stayed, moved = await administration.merge_projects(services, admin, project_id, body.into)
    return MergeReply(project=_view(stayed), sessions=moved)


def _view(project: ProjectView) -> ProjectReply:
    return ProjectReply(id=project.id, name=project.name, identity=project.identity, owner=project.owner, created_at=project.created_at)
