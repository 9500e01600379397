"""The page "Now": the sessions that go on, what they do, cost and teach; and whose sessions are captured, by which ways."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app import clock
from app.dashboard.live import clean_project, mark_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, visitor
from app.services.administration import list_projects
from app.services.under_way import UNDER_WAY, list_under_way

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@router.get("/now")
async def now(request: Request) -> Response:
    who = await visitor(request)
    project = clean_project(request.query_params.get("project", ""))
    mark = await mark_of(who, "now", project=project)
    renderer = state_of(request).renderer
    return await renderer.page(
        "now.html",
        who,
        mark=mark,
        today=clock.now().astimezone(renderer.zone).date(),
        under_way=await list_under_way(who.services, who.requester, project=project or None),
        minutes=UNDER_WAY.seconds // 60,
        project=project,
        projects=sorted(each.name for each in await list_projects(who.services, who.requester)),
        captures=await who.services.sessions.captures.lately(who.requester),
        whole_team=who.requester.may("read_captures"),
    )
