"""Knowledge that people write, over HTTP: recorded, listed, corrected, judged, deleted; every bad input says what to do."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, Reply, lesson

TEXT = "The staging database of {} is restored from production at three every night: what was changed by hand is gone."
SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


def body(name: str, **more: object) -> dict[str, object]:
    return {"type": "gotcha", "text": TEXT.format(name), "project": name, **more}


async def record(api: Api, name: str, *, key: str = "admin", **more: object) -> Any:
    made = await api.ask("POST", "/v1/knowledge", key=key, json=body(name, **more))
    assert made.status == 201, made.text
    return made.json


async def found(api: Api, name: str, *, wanted: int = 1) -> list[Any]:
    return await api.items_found(TEXT.format(name), name, wanted=wanted, explain=True)


async def learnt(api: Api, name: str, *, key: str = "admin") -> Any:
    """An item that a session of its own teaches."""
    await api.ingest(lesson(name), key=key, project=name, name=f"{name}.jsonl")
    return (await api.ask("GET", "/v1/knowledge", key=key, params={"project": name})).json["items"][0]


async def test_a_recorded_item_is_told_whole_found_and_deleted(api: Api) -> None:
    key = await api.developer()
    made = await api.ask("POST", "/v1/knowledge", key=key, json=body("alder", paths=["deploy/staging.yaml"]))
    assert made.status == 201
    assert made.headers["location"] == f"/v1/knowledge/{made.json['id']}"
    assert made.headers["etag"] == f'"{made.json["revision"]}"'
    told = {name: made.json[name] for name in ("origin", "project", "paths", "mine", "evidence", "evidence_count", "hidden", "title")}
    title = "The staging database of alder is restored from production at three every night: what was changed …"
    assert told == {
        "origin": "recorded", "project": "alder", "paths": ["deploy/staging.yaml"], "mine": True, "evidence": [],
        "evidence_count": 1, "hidden": False, "title": title,
    }  # fmt: skip
    (result,) = await found(api, "alder")
    assert result["id"] == made.json["id"]
    assert result["source"]["locator"] == made.json["id"]
    assert result["explain"]["written_factor"] > 1
    assert (await api.ask("DELETE", f"/v1/knowledge/{made.json['id']}", key=key)).status == 204
    assert await found(api, "alder", wanted=0) == []


async def test_the_same_text_again_is_the_same_item(api: Api) -> None:
    first = await record(api, "birch")
    again = await api.ask("POST", "/v1/knowledge", json=body("birch", title="Another title", type="tool_usage"))
    assert (again.status, again.json["id"], again.json["title"]) == (200, first["id"], first["title"])
    elsewhere = await api.ask("POST", "/v1/knowledge", json=body("birch") | {"project": "birch-2"})
    assert elsewhere.status == 201


@pytest.mark.parametrize(
    ("change", "status", "param", "says"),
    [
        ({"type": "wisdom"}, 422, "type", "gotcha"),
        ({"type": None}, 422, "type", ""),
        ({"text": ""}, 422, "text", "is empty"),
        ({"text": " \n "}, 422, "text", "text is empty"),
        ({"text": "x" * 8001}, 422, "text", "8,000"),
        ({"text": "a\x00b"}, 422, "text", ""),
        ({"text": SECRET}, 422, "text", "only a secret"),
        ({"title": "t" * 201}, 422, "title", "200"),
        ({"paths": ["p"] * 21}, 422, "paths", "20"),
        ({"paths": ["p" * 501]}, 422, "paths.0", "500"),
        ({"paths": ["  "]}, 422, "paths", "paths[0] is empty"),
        ({"paths": "a.py"}, 422, "paths", "list"),
        ({"project": ""}, 422, "project", ""),
        ({"project": "p" * 101}, 422, "project", ""),
        ({"project": SECRET}, 422, "project", "secret"),
        ({"confidence": 1}, 422, "confidence", ""),
    ],
)
async def test_what_cannot_be_recorded_is_refused_by_name(api: Api, change: dict[str, Any], status: int, param: str, says: str) -> None:
    refused = await api.ask("POST", "/v1/knowledge", json=body("cedar") | change)
    assert (refused.status, refused.error["param"]) == (status, param)
    assert says in refused.error["message"]
    assert SECRET not in refused.text
    listed = await api.ask("GET", "/v1/knowledge", params={"project": "cedar"})
    assert (listed.status, listed.json) == (200, {"items": [], "next_cursor": None})


async def test_secrets_are_taken_out_of_all_that_is_written(api: Api) -> None:
    said = body("elm", title=f"Key {SECRET}", paths=[f"{SECRET}.env"])
    made = await api.ask("POST", "/v1/knowledge", json=said | {"text": f"The key {SECRET} opens the till"})
    assert made.status == 201
    path = f"/v1/knowledge/{made.json['id']}"
    corrected = await api.ask("PATCH", path, json={"text": f"Since May {SECRET} opens it", "title": f"May {SECRET}"})
    judged = await api.ask("POST", f"{path}/feedback", json={"verdict": "helpful", "note": f"it is {SECRET}"})
    history = await api.ask("GET", f"{path}/history")
    for reply in (made, corrected, judged, history):
        assert reply.status < 300
        assert SECRET not in reply.text
    assert "REDACTED" in history.text


async def test_a_correction_changes_what_is_found_at_once_and_is_told(api: Api) -> None:
    key = await api.developer()
    item = await learnt(api, "fir", key=key)
    path = f"/v1/knowledge/{item['id']}"
    before = (await api.ask("POST", "/v1/knowledge/query", json={"query": "keepalive_fir", "project": "fir", "kinds": ["item"]})).json
    assert before["results"]
    done = await api.ask(
        "PATCH", path, key=key, json={"text": "Set keepalive_fir to 20, never to 30."}, headers={"if-match": f'"{item["revision"]}"'}
    )
    assert done.status == 200
    assert done.headers["etag"] == f'"{done.json["revision"]}"' != f'"{item["revision"]}"'
    assert done.json["corrected_at"] is not None
    after = (await api.ask("POST", "/v1/knowledge/query", json={"query": "keepalive_fir", "project": "fir", "kinds": ["item"]})).json
    assert "Set keepalive_fir to 20, never to 30." in [each["text"] for each in after["results"]]
    await api.ingest(lesson("fir"), key=key, project="fir", name="fir.jsonl")
    assert (await api.ask("GET", path)).json["text"] == "Set keepalive_fir to 20, never to 30."
    (corrected, *_, first) = (await api.ask("GET", f"{path}/history")).json["history"]
    assert (corrected["what"], corrected["by"][:4], corrected["title"]) == ("corrected", "dev-", None)
    assert (first["what"], first["by"], first["source"]["transcript"]) == ("learnt", None, "fir.jsonl")


async def test_a_correction_of_what_has_changed_since_is_refused(api: Api) -> None:
    item = await record(api, "hazel")
    path, old = f"/v1/knowledge/{item['id']}", {"if-match": f'W/"{item["revision"]}"'}
    assert (await api.ask("PATCH", path, json={"title": "First"}, headers=old)).status == 200
    late = await api.ask("PATCH", path, json={"title": "Second"}, headers=old)
    assert (late.status, late.error["param"]) == (412, "if-match")
    assert "has been changed since" in late.error["message"]
    assert (await api.ask("PATCH", path, json={"title": "Third"}, headers={"if-match": "*"})).status == 200
    odd = await api.ask("PATCH", path, json={"title": "Fourth"}, headers={"if-match": '"a", "b"'})
    assert (odd.status, odd.error["param"]) == (422, "if-match")


@pytest.mark.parametrize(
    ("change", "param"),
    [({}, None), ({"text": "  "}, "text"), ({"title": "  "}, "title"), ({"type": "wisdom"}, "type"), ({"text": "x" * 8001}, "text"), ({"project": "x"}, "project")],
)  # fmt: skip
async def test_what_cannot_be_corrected_is_refused_by_name(api: Api, change: dict[str, Any], param: str | None) -> None:
    item = (await api.ask("POST", "/v1/knowledge", json=body("juniper"))).json
    refused = await api.ask("PATCH", f"/v1/knowledge/{item['id']}", json=change)
    assert (refused.status, refused.error["param"]) == (422, param)


async def each_way(api: Api, item: str, key: str) -> dict[str, Reply]:
    path = f"/v1/knowledge/{item}"
    return {
        "correct": await api.ask("PATCH", path, key=key, json={"title": "Mine now"}),
        "judge": await api.ask("POST", f"{path}/feedback", key=key, json={"verdict": "wrong"}),
        "history": await api.ask("GET", f"{path}/history", key=key),
        "delete": await api.ask("DELETE", path, key=key),
    }


async def test_another_teams_item_does_not_exist_nor_does_a_deleted_or_an_unknown_one(api: Api) -> None:
    item, stranger = await record(api, "larch"), await api.developer("writers")
    gone = await record(api, "larch", text="Something else that is to be deleted")
    assert (await api.ask("DELETE", f"/v1/knowledge/{gone['id']}")).status == 204
    tries = {"another team's": (item["id"], stranger), "deleted": (gone["id"], "admin"), "unknown": (str(uuid4()), "admin")}
    for name, (asked, key) in tries.items():
        for way, reply in (await each_way(api, asked, key)).items():
            assert (name, way, reply.status) == (name, way, 404)
            assert asked in reply.error["message"]
    assert (await api.ask("GET", f"/v1/knowledge/{item['id']}")).json["title"] == item["title"]
    assert (await api.ask("GET", "/v1/knowledge", key=stranger, params={"project": "larch"})).json["items"] == []


async def test_a_passage_is_neither_corrected_nor_judged(api: Api) -> None:
    await api.ingest(lesson("maple"), project="maple", name="maple.jsonl")
    asked = {"query": "keepalive_maple", "project": "maple", "kinds": ["passage"]}
    passage = (await api.ask("POST", "/v1/knowledge/query", json=asked)).json["results"][0]["id"]
    for way, reply in (await each_way(api, passage, "admin")).items():
        assert (way, reply.status) == (way, 409)
        assert "passage" in reply.error["message"]


async def test_a_teammate_judges_what_only_its_author_corrects_and_deletes(api: Api) -> None:
    author, mate = await api.developer(), await api.developer()
    item = await record(api, "oak", key=author)
    ways = await each_way(api, item["id"], mate)
    assert {way: reply.status for way, reply in ways.items()} == {"correct": 403, "judge": 200, "history": 200, "delete": 403}
    assert "feedback" in ways["correct"].error["message"]
    assert (ways["judge"].json["feedback"]["wrong"], ways["judge"].json["hidden"], ways["judge"].json["mine"]) == (1, False, False)
    again = await api.ask("POST", f"/v1/knowledge/{item['id']}/feedback", key=mate, json={"verdict": "stale", "note": "moved"})
    assert again.json["feedback"] == {"helpful": 0, "wrong": 0, "stale": 1}
    assert again.json["freshness"] == "stale"
    (result,) = await found(api, "oak")
    assert (result["freshness"], result["explain"]["feedback"]["stale"]) == ("stale", 1)
    own = await api.ask("POST", f"/v1/knowledge/{item['id']}/feedback", key=author, json={"verdict": "wrong"})
    assert own.json["hidden"]
    assert await found(api, "oak", wanted=0) == []
    hidden = await api.ask("GET", "/v1/knowledge", params={"project": "oak", "hidden": "true"})
    assert [each["id"] for each in hidden.json["items"]] == [item["id"]]


@pytest.mark.parametrize(
    ("said", "param"),
    [({"verdict": "meh"}, "verdict"), ({}, "verdict"), ({"verdict": "wrong", "note": "n" * 1001}, "note"), ({"verdict": "wrong", "by": "x"}, "by")],
)  # fmt: skip
async def test_a_verdict_that_cannot_be_is_refused_by_name(api: Api, said: dict[str, str], param: str) -> None:
    item = (await api.ask("POST", "/v1/knowledge", json=body("pine"))).json
    refused = await api.ask("POST", f"/v1/knowledge/{item['id']}/feedback", json=said)
    assert (refused.status, refused.error["param"]) == (422, param)


async def test_items_are_listed_by_project_type_and_date_page_by_page(api: Api) -> None:
    for number in range(5):
        await record(api, "rowan", text=f"Rule number {number} of rowan", type="gotcha" if number % 2 else "tool_usage")
    seen, cursor = [], None
    while True:
        params = {"project": "rowan", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.ask("GET", "/v1/knowledge", params=params)).json
        seen += [each["text"] for each in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [f"Rule number {number} of rowan" for number in (4, 3, 2, 1, 0)]
    typed = await api.ask("GET", "/v1/knowledge", params={"project": "rowan", "type": "tool_usage"})
    assert len(typed.json["items"]) == 3
    oldest = await api.ask("GET", "/v1/knowledge", params={"project": "rowan", "order": "oldest", "limit": "2"})
    assert [each["text"] for each in oldest.json["items"]] == [f"Rule number {number} of rowan" for number in (0, 1)]
    further = {"project": "rowan", "order": "oldest", "limit": "3", "cursor": oldest.json["next_cursor"]}
    assert (await api.ask("GET", "/v1/knowledge", params=further)).json["items"][0]["text"] == "Rule number 2 of rowan"
    assert len((await api.ask("GET", "/v1/knowledge", params={"project": "rowan", "since": "2020-01-01T00:00:00"})).json["items"]) == 5


async def test_items_are_listed_by_subject_and_period(api: Api) -> None:
    first = await record(api, "mulberry", text="The 100% rollout_gate waits for Größe L", paths=["deploy/gate.yaml"])
    await record(api, "mulberry", text="夜间不要部署")

    async def found(**params: str) -> list[str]:
        return [each["text"] for each in (await api.ask("GET", "/v1/knowledge", params={"project": "mulberry", **params})).json["items"]]

    for subject, wanted in {
        "ROLLOUT gate": 1,
        "100%": 1,
        "größe": 1,
        "deploy/gate": 1,
        "部署": 1,
        "gate 部署": 0,
        "r%t": 0,
        "rollout.gate": 0,
        "": 2,
    }.items():
        assert len(await found(subject=subject)) == wanted, subject
    assert await found(until="2020-01-01") == []
    assert len(await found(since="2020-01-01", until="2999-01-01T00:00:00+02:00")) == 2
    assert await found(since=first["created_at"], until=first["created_at"]) == []


async def test_what_a_session_taught_is_listed_by_the_session(api: Api) -> None:
    one, other = [await api.ingest(lesson(f"juniper{number}")) for number in (1, 2)]
    await record(api, "juniper", text="In no session")
    listed = (await api.ask("GET", "/v1/knowledge", params={"session": one["result"]["sessions"][0]})).json["items"]
    assert listed
    assert all("juniper1" in each["text"] for each in listed)
    stranger = await api.developer(team="juniper-strangers")
    params = {"session": other["result"]["sessions"][0]}
    assert (await api.ask("GET", "/v1/knowledge", key=stranger, params=params)).json["items"] == []


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"subject": "x" * 201}, "subject"),
        ({"subject": "a\x00b"}, "subject"),
        ({"session": "mine"}, "session"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "until"),
        ({"cursor": "bm9uc2Vuc2U"}, "cursor"),
        ({"type": "wisdom"}, "type"),
        ({"type": "passage"}, "type"),
        ({"since": "yesterday"}, "since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"project": SECRET}, "project"),
    ],
)
async def test_a_page_that_cannot_be_is_refused_by_name(api: Api, params: dict[str, str], param: str) -> None:
    refused = await api.ask("GET", "/v1/knowledge", params=params)
    assert (refused.status, refused.error["param"]) == (422, param)


async def test_many_items_at_once_are_stored_or_refused_and_nothing_else(api: Api) -> None:
    key, other = await api.developer(), await api.developer()
    sending = [api.ask("POST", "/v1/knowledge", key=key, json=body("willow", text=f"Rule {number} of willow")) for number in range(300)]
    replies, between = await asyncio.gather(asyncio.gather(*sending), record(api, "willow-2", key=other))
    assert between["id"]
    counts = {status: sum(each.status == status for each in replies) for status in {each.status for each in replies}}
    assert set(counts) == {201, 429}
    refused = next(each for each in replies if each.status == 429)
    assert "are still being written" in refused.error["message"]
    assert int(refused.headers["retry-after"]) >= 1
    total = 0
    cursor: str | None = None
    while True:
        params = {"project": "willow", "limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = (await api.ask("GET", "/v1/knowledge", params=params)).json
        total += len(page["items"])
        if (cursor := page["next_cursor"]) is None:
            break
    assert total == counts[201]
