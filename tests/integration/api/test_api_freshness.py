"""Checks against the code over HTTP: items handed out, marks stored and refused; a git host's webhook."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, Reply, serving

ROUTE = "/v1/knowledge/freshness"
HEAD = "a" * 40
SECRET = "a secret of the git host"
HOOK = "/v1/webhooks/git"


@pytest.fixture(scope="module")
async def hooked(short_folder: Path) -> AsyncIterator[Api]:
    """A server with a webhook. Its worker has no repository, so checks stay queued."""
    settings = {"repositories": {"shop": "/srv/git/shop.git"}, "webhook_secret": SECRET}
    async with serving(short_folder / "hooked", freshness=settings) as made:
        yield made


async def recorded(api: Api, project: str, *, key: str = "admin") -> Any:
    body = {"type": "gotcha", "text": f"`close_{project}` in src/till.py counts twice", "project": project, "paths": ["src/till.py"]}
    made = await api.ask("POST", "/v1/knowledge", key=key, json=body)
    assert made.status == 201, made.text
    return made.json


def marks(project: str, *items: dict[str, object], **more: object) -> dict[str, object]:
    return {"project": project, "repository": "till", "head": HEAD, "marks": list(items), **more}


async def test_items_are_handed_out_and_their_marks_told_everywhere(api: Api) -> None:
    key = await api.developer()
    item = await recorded(api, "larch-marks")
    listed = await api.ask("GET", ROUTE, key=key, params={"project": "larch-marks", "repository": "till"})
    (given,) = listed.json["items"]
    assert (given["id"], given["revision"], given["paths"], given["mark"]) == (item["id"], item["revision"], ["src/till.py"], None)
    assert (given["said_at"], listed.json["next_cursor"], given["untrusted"]) == (item["created_at"], None, True)
    mark = {
        "verdict": "changed",
        "path": "src/till.py",
        "symbol": "close_larch",
        "commit": "b" * 40,
        "committed_at": "2026-10-02T09:30:00Z",
    }
    body = marks(
        "larch-marks", {"id": given["id"], "revision": given["revision"], **mark}, {"id": str(uuid4()), "revision": "x", "verdict": "gone"}
    )
    stored = await api.ask("PUT", ROUTE, key=key, json=body)
    assert (stored.status, stored.json) == (200, {"stored": 1, "outdated": 1})
    shown = (await api.ask("GET", f"/v1/knowledge/{item['id']}", key=key)).json
    (told,) = shown["code"]
    assert shown["freshness"] == "changed"
    assert {name: told[name] for name in mark} == mark
    assert (told["repository"], told["head"], told["reason"], told["former_path"]) == ("till", HEAD, None, None)
    assert shown["revision"] == item["revision"]
    again = await api.ask("GET", ROUTE, key=key, params={"project": "larch-marks", "repository": "till"})
    assert again.json["items"][0]["mark"] == told


async def test_marks_are_removed_by_repository_and_those_of_what_was_said_since_are_outdated(api: Api) -> None:
    key = await api.developer()
    item = await recorded(api, "alder-marks")
    params = {"project": "alder-marks", "repository": "till"}
    (given,) = (await api.ask("GET", ROUTE, key=key, params=params)).json["items"]
    mark = {"id": given["id"], "revision": given["revision"], "verdict": "gone", "said_at": given["said_at"]}
    older = await api.ask("PUT", ROUTE, key=key, json=marks("alder-marks", mark | {"said_at": "2026-01-01T00:00:00Z"}))
    assert older.json == {"stored": 0, "outdated": 1}
    for stored in (1, 0):
        assert (await api.ask("PUT", ROUTE, key=key, json=marks("alder-marks", mark))).json == {"stored": stored, "outdated": 0}
    assert (await api.ask("GET", f"/v1/knowledge/{item['id']}", key=key)).json["freshness"] == "gone"
    for removed in (1, 0):
        done = await api.ask("DELETE", ROUTE, key=key, params=params)
        assert (done.status, done.json) == (200, {"removed": removed})
    shown = (await api.ask("GET", f"/v1/knowledge/{item['id']}", key=key)).json
    assert (shown["freshness"], shown["code"]) == ("fresh", [])
    assert (await api.ask("DELETE", ROUTE, key=key, params=params | {"project": "no such"})).status == 404


async def test_pages_follow_each_other(api: Api) -> None:
    made = {(await api.ask("POST", "/v1/knowledge", json={"type": "gotcha", "text": f"Rule {n} of `step_{n}`", "project": "rowan-marks"})).json["id"] for n in range(3)}  # fmt: skip
    seen: list[str] = []
    params = {"project": "rowan-marks", "repository": "till", "limit": "2"}
    while True:
        page = (await api.ask("GET", ROUTE, params=params)).json
        seen += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert (set(seen), len(seen)) == (made, 3)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"head": "HEAD"}, "head"),
        ({"repository": ""}, "repository"),
        ({"project": None}, "project"),
        ({"marks": [{"id": str(uuid4()), "revision": "x", "verdict": "stale"}]}, "marks"),
        ({"marks": [{"id": "x", "revision": "x", "verdict": "gone"}]}, "marks"),
        ({"marks": [{"id": str(uuid4()), "revision": "x", "verdict": "gone", "commit": "../x"}]}, "marks"),
        ({"marks": [{"id": str(uuid4()), "revision": "x", "verdict": "gone", "path": "a\0b"}]}, "marks"),
        ({"marks": [{"id": str(uuid4()), "revision": "x", "verdict": "gone"}] * 1_001}, "marks"),
        ({"marks": [{"id": str(uuid4()), "revision": "x", "verdict": "gone", "said_at": "2026-01-01T00:00:00"}]}, "marks"),
    ],
)
async def test_a_bad_field_is_named(api: Api, change: dict[str, object], param: str) -> None:
    await recorded(api, f"elm-{uuid4()}")
    refused = await api.ask("PUT", ROUTE, json=marks("elm") | change)
    assert refused.status == 422, refused.text
    assert refused.json["error"]["param"].startswith(param)


async def test_an_unknown_project_is_not_found(api: Api) -> None:
    assert (await api.ask("GET", ROUTE, params={"project": "no such", "repository": "till"})).status == 404
    assert (await api.ask("PUT", ROUTE, json=marks("no such"))).status == 404


def signature(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}"


async def push(api: Api, body: bytes, signed: str | None, project: str = "shop") -> Reply:
    headers = {"content-type": "application/json"} | ({} if signed is None else {"x-hub-signature-256": signed})
    return await api.ask("POST", HOOK, key=None, params={"project": project}, data=body, headers=headers)


async def test_a_push_starts_one_check_and_nothing_else_is_believed(hooked: Api) -> None:
    body = b'{"ref": "refs/heads/main"}'
    for signed in (None, "", "sha256=", signature(body, "another secret"), signature(b"{}"), signature(body).upper(), "sha1=x"):
        assert (await push(hooked, body, signed)).status == 401, signed
    assert (await push(hooked, body, signature(body), "till")).status == 404
    for _ in range(3):
        done = await push(hooked, body, signature(body))
        assert (done.status, done.json) == (202, {"state": "queued"}), done.text
    jobs = (await hooked.ask("GET", "/v1/jobs", params={"kind": "freshness"})).json["jobs"]
    assert [each["state"] for each in jobs] == ["queued"]


async def test_without_a_secret_there_is_no_webhook(api: Api) -> None:
    assert (await push(api, b"{}", signature(b"{}"))).status == 404
