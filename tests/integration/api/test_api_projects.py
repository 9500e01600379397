"""Projects over HTTP: listed to the team, renamed and merged by an admin alone."""

from __future__ import annotations

from uuid import uuid4

from tests.integration.api.conftest import Api, generic


async def made(api: Api, name: str, **who: str) -> str:
    """A project's id, made by a live session."""
    sent = await api.ask("POST", f"/v1/sessions/{name}-1/events?project={name}", data=generic(("a", "user", "x")), **who)
    assert sent.status == 202
    found = (await api.ask("GET", "/v1/projects?order=newest&limit=1000", **who)).json["projects"]
    return next(str(each["id"]) for each in found if each["name"] == name)


def name() -> str:
    return f"p{uuid4().hex[:8]}"


async def test_an_admin_renames_a_project(api: Api) -> None:
    project, other, renamed = await made(api, name()), name(), name()
    await made(api, other)
    done = await api.ask("PATCH", f"/v1/projects/{project}", json={"name": renamed})
    assert (done.status, done.json["name"]) == (200, renamed)
    assert (await api.ask("GET", f"/v1/projects/{project}")).json["name"] == renamed
    taken = await api.ask("PATCH", f"/v1/projects/{project}", json={"name": other})
    assert (taken.status, taken.error["param"]) == (409, "name")
    unknown = await api.ask("PATCH", f"/v1/projects/{uuid4()}", json={"name": name()})
    assert unknown.status == 404


async def test_an_admin_merges_a_project_into_another(api: Api) -> None:
    gone, stays = await made(api, name()), await made(api, name())
    done = await api.ask("POST", f"/v1/projects/{gone}/merge", json={"into": stays})
    assert (done.status, done.json["project"]["id"], done.json["sessions"]) == (200, stays, 1)
    assert (await api.ask("GET", f"/v1/projects/{gone}")).status == 404
    itself = await api.ask("POST", f"/v1/projects/{stays}/merge", json={"into": stays})
    assert (itself.status, itself.error["param"]) == (422, "into")


async def test_a_developer_sees_the_teams_projects_and_changes_none(api: Api) -> None:
    developer, stranger = await api.developer(), await api.developer(team=name())
    project = await made(api, name())
    assert (await api.ask("GET", f"/v1/projects/{project}", key=developer)).status == 200
    assert (await api.ask("GET", f"/v1/projects/{project}", key=stranger)).status == 404
    assert (await api.ask("PATCH", f"/v1/projects/{project}", key=developer, json={"name": "mine"})).status == 403
    assert (await api.ask("POST", f"/v1/projects/{project}/merge", key=developer, json={"into": project})).status == 403
