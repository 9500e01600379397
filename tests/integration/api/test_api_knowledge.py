"""Knowledge over HTTP: what an answer says of itself, and who may read and delete."""

from __future__ import annotations

from uuid import uuid4

from tests.integration.api.conftest import Api, lesson


def name() -> str:
    return f"svc{uuid4().hex[:8]}"


async def learnt(api: Api, topic: str, key: str = "admin") -> str:
    """The id of what the lesson about `topic` taught."""
    await api.ingest(lesson(topic), key=key)
    found = await api.ask("POST", "/v1/knowledge/query", key=key, json={"query": f"keepalive_{topic}", "kinds": ["item"]})
    return str(found.json["results"][0]["id"])


async def test_an_item_is_read_with_its_evidence(api: Api) -> None:
    topic = name()
    item = (await api.ask("GET", f"/v1/knowledge/{await learnt(api, topic)}")).json
    assert topic in item["text"]
    assert item["untrusted"] is True
    assert item["evidence"][0]["locator"] == f"{topic}-2"
    assert item["evidence_count"] == len(item["evidence"])


async def test_nothing_relevant_is_an_empty_list(api: Api) -> None:
    found = await api.ask("POST", "/v1/knowledge/query", json={"query": "the taste of raspberry sherbet on a summer evening"})
    assert found.status == 200
    assert found.json["results"] == []
    assert found.json["degraded"] == []


async def test_an_explained_answer_says_how_its_score_came_about(api: Api) -> None:
    topic = name()
    await learnt(api, topic)
    asked = {"query": f"keepalive_{topic}", "kinds": ["item"]}
    plain = await api.ask("POST", "/v1/knowledge/query", json=asked)
    assert "explain" not in plain.json["results"][0]
    explained = await api.ask("POST", "/v1/knowledge/query", json=asked | {"explain": True})
    assert f"keepalive_{topic}" in explained.json["results"][0]["explain"]["exact"]


async def test_one_team_never_finds_anothers_knowledge(api: Api) -> None:
    topic = name()
    item = await learnt(api, topic)
    stranger = await api.developer(team=name())
    found = await api.ask("POST", "/v1/knowledge/query", key=stranger, json={"query": f"keepalive_{topic}", "min_score": 0})
    assert found.json["results"] == []
    assert (await api.ask("GET", f"/v1/knowledge/{item}", key=stranger)).status == 404
    assert (await api.ask("DELETE", f"/v1/knowledge/{item}", key=stranger)).status == 404
    assert (await api.ask("GET", f"/v1/knowledge/{item}")).status == 200


async def test_a_developer_deletes_only_what_it_authored_and_it_stays_deleted(api: Api) -> None:
    topic, author, colleague = name(), await api.developer(), await api.developer()
    item = await learnt(api, topic, key=author)
    assert (await api.ask("GET", f"/v1/knowledge/{item}", key=colleague)).json["mine"] is False
    assert (await api.ask("DELETE", f"/v1/knowledge/{item}", key=colleague)).status == 403
    assert (await api.ask("DELETE", f"/v1/knowledge/{item}", key=author)).status == 204
    assert (await api.ask("GET", f"/v1/knowledge/{item}", key=author)).status == 404
    again = await api.ingest(lesson(topic), key=author)
    assert again["result"]["knowledge"]["new"] == 0


async def test_redaction_says_what_it_took_out_and_where(api: Api) -> None:
    secret = "gh" + "p_" + "A1b2C3d4" * 4 + "E5f6"
    text = f"Ünïcode before {secret} and after"
    done = (await api.ask("POST", "/v1/redact", json={"text": text})).json
    assert secret not in done["text"]
    assert [text[found["start"] : found["end"]] for found in done["findings"]] == [secret]
    assert f"[REDACTED:{done['findings'][0]['kind']}]" in done["text"]
