"""Repeated questions over HTTP, with the real worker: what is given again, and what no acknowledged write leaves standing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.integration.api.conftest import Api, Reply, lesson


def name() -> str:
    return f"svc{uuid4().hex[:8]}"


async def asked(api: Api, topic: str, *, key: str = "admin", control: str | None = None, **fields: Any) -> Reply:
    headers = {} if control is None else {"cache-control": control}
    body = {"query": f"keepalive_{topic}", **fields}
    found = await api.ask("POST", "/v1/knowledge/query", key=key, json=body, headers=headers)
    assert found.status == 200, found.text
    return found


def tier(reply: Reply) -> str:
    return reply.headers["x-cairn-cache"]


async def test_the_second_time_it_comes_from_memory_and_says_how_long_that_took(api: Api) -> None:
    topic = name()
    key = await api.developer(
        team=topic
    )  # of the default team sessions are still being read, which changes what its answers are cached under
    await api.ingest(lesson(topic), key=key)
    first, second = await asked(api, topic, key=key), await asked(api, topic, key=key)
    assert (tier(first), tier(second)) == ("miss", "memory")
    assert second.json["results"] == first.json["results"] != []
    assert 0 < second.json["took_ms"] != first.json["took_ms"]


async def test_what_a_worker_learnt_is_found_once_its_job_is_done(api: Api) -> None:
    topic = name()
    before = [await asked(api, topic) for _ in range(2)]
    assert not any(topic in each.text for each in before)
    job = await api.ingest(lesson(topic))
    assert job["state"] == "done"
    found = await asked(api, topic)
    assert (tier(found), topic in found.json["results"][0]["text"]) == ("miss", True)


async def test_what_was_deleted_or_purged_is_not_given_again(api: Api) -> None:
    for door in ("knowledge", "sessions"):
        topic = name()
        job = await api.ingest(lesson(topic))
        kinds = ["item"] if door == "knowledge" else ["passage"]
        item, again = [(await asked(api, topic, kinds=kinds)).json["results"][0]["id"] for _ in range(2)]
        gone = item if door == "knowledge" else job["result"]["sessions"][0]
        assert (await api.ask("DELETE", f"/v1/{door}/{gone}")).status in {200, 204}
        assert again not in [result["id"] for result in (await asked(api, topic)).json["results"]]


async def test_cache_control_is_obeyed(api: Api) -> None:
    topic, key = name(), await api.developer(team=name())
    wishes = ("no-store", None, "no-cache", "No-Store, max-age=0", None)
    assert [tier(await asked(api, topic, key=key, control=wish)) for wish in wishes] == ["miss", "miss", "miss", "miss", "memory"]


async def test_nothing_crosses_teams(api: Api) -> None:
    topic, project = name(), name()
    await api.ingest(lesson(topic), project=project)
    assert (await asked(api, topic, project=project)).json["results"]
    team = name()
    stranger = await api.developer(team=team)
    for fields in ({}, {"project": project}, {"prefer_project": project}):
        for _ in range(2):
            assert (await asked(api, topic, key=stranger, min_score=0, **fields)).json["results"] == []
    await api.ingest(lesson(topic), key=stranger, project=project)
    theirs = [(await asked(api, topic, key=stranger, project=project)).json["results"][0]["id"] for _ in range(2)]
    ours = [(await asked(api, topic, project=project)).json["results"][0]["id"] for _ in range(2)]
    assert len({*theirs, *ours}) == 2


async def test_a_mistake_is_told_each_time_and_never_kept(api: Api) -> None:
    for _ in range(2):
        wrong = await api.ask("POST", "/v1/knowledge/query", json={"query": "x", "limit": 500})
        assert (wrong.status, wrong.error["param"]) == (422, "limit")


async def test_the_admin_sees_and_empties_it(api: Api) -> None:
    topic, key = name(), await api.developer()
    for _ in range(2):
        await asked(api, topic, key=key)
    shown = {each["name"]: each for each in (await api.ask("GET", "/v1/caches")).json["caches"]}
    assert set(shown) >= {"completions", "queries", "embeddings", "keys"}
    for cache in ("queries", "keys"):
        memory = shown[cache]["tiers"][0]
        assert memory["tier"] == "memory"
        assert memory["hits"] > 0
        assert memory["misses"] > 0
        assert memory["bytes"] > 0
    assert shown["queries"]["saved_seconds"] > 0
    assert (await api.ask("DELETE", "/v1/caches/queries")).json["entries"] > 0
    assert tier(await asked(api, topic)) == "miss"
    page = (await api.ask("GET", "/metrics")).text
    assert 'cairn_cache_lookups{cache="queries",outcome="hit",tier="memory"}' in page
