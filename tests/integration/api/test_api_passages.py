"""What was said, over HTTP, with the real engines and the real model: found and cited, within what was asked for, and refused with a reason."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from app.tokens import count_text
from tests.integration.api.conftest import Api, Reply, generic


def name() -> str:
    return f"svc{uuid4().hex[:8]}"


def talk(topic: str) -> str:
    """Nothing of it is a lesson that extraction keeps: who asks about it asks for what was said."""
    return generic(
        (f"{topic}-1", "user", f"Which port does the {topic} gateway listen on in staging, and who may reach it?"),
        (f"{topic}-2", "assistant", f"## Ports of {topic}\n\nIn staging the {topic} gateway listens on 8443; only the mesh may reach it."),
        (f"{topic}-3", "assistant", "In production it is 443, behind the balancer in Dublin."),
        (f"{topic}-4", "user", "And the colour of the login button?"),
        (f"{topic}-5", "assistant", "It stays teal, as the brand book says."),
    )


async def ask(api: Api, query: str, **fields: Any) -> Reply:
    return await api.ask("POST", "/v1/knowledge/query", json={"query": query, **fields})


async def test_what_was_said_is_found_and_cited(api: Api) -> None:
    topic, project = name(), name()
    job = await api.ingest(talk(topic), project=project, name=f"{topic}.jsonl")
    found = (await ask(api, f"which port does the {topic} gateway use in staging?", project=project, explain=True)).json
    best = found["results"][0]
    assert (best["kind"], best["type"], best["project"], best["untrusted"]) == ("passage", "passage", project, True)
    assert "8443" in best["text"]
    assert best["source"]["session_id"] == job["result"]["sessions"][0]
    assert best["source"]["locator"] in {f"{topic}-1", f"{topic}-2"}
    assert best["confidence"] == 1
    assert {"relevance", "parts", "raw"} <= best["explain"].keys()
    assert found["abstained"] is False
    assert found["tokens"] == sum(count_text(each["text"]) for each in found["results"])


async def test_max_tokens_and_kinds_are_obeyed(api: Api) -> None:
    topic, project = name(), name()
    await api.ingest(talk(topic), project=project)
    question = f"which port does the {topic} gateway use in staging?"
    found = (await ask(api, question, project=project, max_tokens=100)).json
    assert sum(count_text(each["text"]) for each in found["results"]) <= 100
    items = (await ask(api, question, project=project, kinds=["item"])).json
    assert all(each["kind"] == "item" for each in items["results"])
    passages = (await ask(api, question, project=project, kinds=["passage"])).json
    assert {each["kind"] for each in passages["results"]} == {"passage"}


async def test_an_answer_quotes_what_was_said_and_cites_it(api: Api) -> None:
    topic, project = name(), name()
    job = await api.ingest(talk(topic), project=project, name=f"{topic}.jsonl")
    found = (await ask(api, f"which port does the {topic} gateway use in staging?", project=project, mode="answer")).json
    answer = found["answer"]
    assert answer["abstained"] is False
    assert "8443" in answer["text"]
    assert count_text("".join(each["text"] for each in answer["citations"])) <= 400
    texts = {each["id"]: each["text"] for each in found["results"]}
    for number, cited in enumerate(answer["citations"], start=1):
        assert cited["text"] in texts[cited["result"]]
        assert f"{cited['text']} [{number}]" in answer["text"]
        assert (cited["session_id"], cited["transcript"]) == (job["result"]["sessions"][0], f"{topic}.jsonl")
    assert "answer" not in (await ask(api, f"which port does the {topic} gateway use in staging?", project=project)).json


async def test_an_answer_of_nothing_is_an_abstention(api: Api) -> None:
    project = name()
    await api.ingest(talk(name()), project=project)
    found = (await ask(api, "how do I bake an apple pie with cinnamon?", project=project, mode="answer")).json
    assert found["answer"] == {"text": "", "citations": [], "abstained": True, "untrusted": True}
    nowhere = (await ask(api, "anything?", project=name(), mode="answer")).json
    assert nowhere["answer"]["abstained"] is True


async def test_since_and_until_filter_by_when_it_was_said(api: Api) -> None:
    topic, project = name(), name()
    event = '{"id": "1", "role": "assistant", "timestamp": "2026-02-03T12:00:00Z", "text": "The %s gateway listens on 8443 in staging."}\n'
    await api.ingest(event % topic, project=project)
    question = f"where does the {topic} gateway listen?"
    within = {"since": "2026-02-03T00:00:00", "until": "2026-02-03T13:00:00+01:00"}
    assert (await ask(api, question, project=project, min_score=0, since="2026-02-03")).json["results"]
    assert not (await ask(api, question, project=project, min_score=0, **within)).json["results"]
    assert not (await ask(api, question, project=project, min_score=0, since="2026-02-04T00:00:00Z")).json["results"]


async def test_nothing_that_answers_is_an_abstention(api: Api) -> None:
    project = name()
    found = (await ask(api, "the taste of raspberry sherbet", project=project)).json
    assert (found["results"], found["abstained"], found["tokens"], found["degraded"]) == ([], True, 0, [])


async def test_a_purge_leaves_nothing_to_find(api: Api) -> None:
    topic, project = name(), name()
    job = await api.ingest(talk(topic), project=project)
    question = f"which port does the {topic} gateway use in staging?"
    assert (await ask(api, question, project=project)).json["results"]
    await api.ask("DELETE", f"/v1/sessions/{job['result']['sessions'][0]}")
    assert not (await ask(api, question, project=project, min_score=0)).json["results"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"kinds": []}, "kinds"),
        ({"kinds": ["fact"]}, "kinds.0"),
        ({"kinds": ["passage"], "types": ["gotcha"]}, "types"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-02-03T00:00:00Z", "until": "2026-02-03T00:00:00Z"}, "since"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "until"),
        ({"max_tokens": 99}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"files": ["a"] * 21}, "files"),
        ({"files": ["a" * 501]}, "files.0"),
    ],
)
async def test_what_cannot_be_asked_is_told_by_its_field(api: Api, fields: dict[str, Any], param: str) -> None:
    refused = await ask(api, "anything", **fields)
    assert refused.status == 422
    assert refused.error["param"] == param
    assert len(refused.error["message"]) > 10


async def test_a_question_of_100_kB_is_refused_and_an_odd_one_answered(api: Api) -> None:
    long = await ask(api, "x" * 100_000)
    assert (long.status, long.error["param"]) == (422, "query")
    project = name()
    await api.ingest(talk(name()), project=project)
    for odd in ("the", "?!", "为什么网关只监听一个端口？", "🧵", "مرحبا", "x" * 7_999):
        assert (await ask(api, odd, project=project)).status == 200


async def test_the_openapi_page_shows_both_kinds(api: Api) -> None:
    schemas = (await api.ask("GET", "/openapi.json")).json["components"]["schemas"]
    assert schemas["QueryBody"]["examples"][1]["kinds"] == ["passage"]
    assert {"kinds", "files", "since", "until", "max_tokens"} <= schemas["QueryBody"]["properties"].keys()
    assert {"tokens", "abstained"} <= schemas["AnswerReply"]["properties"].keys()


async def test_a_passage_is_read_by_its_id_and_goes_with_its_session(api: Api) -> None:
    topic, project = name(), name()
    job = await api.ingest(talk(topic), project=project, name=f"{topic}.jsonl")
    (best,) = (await ask(api, f"{topic} production balancer Dublin", project=project, kinds=["passage"], limit=1)).json["results"]
    read = (await api.ask("GET", f"/v1/knowledge/{best['id']}")).json
    assert (read["kind"], read["project"], read["untrusted"]) == ("passage", project, True)
    assert read["evidence_count"] == len(read["evidence"]) == 1
    assert read["text"] in best["text"]
    assert read["evidence"][0]["locator"] == best["source"]["locator"]
    refused = await api.ask("DELETE", f"/v1/knowledge/{best['id']}")
    assert (refused.status, "DELETE /v1/sessions/" in refused.json["error"]["message"]) == (409, True)
    stranger = await api.developer(team=name())
    assert (await api.ask("GET", f"/v1/knowledge/{best['id']}", key=stranger)).status == 404
    assert (await api.ask("DELETE", f"/v1/knowledge/{best['id']}", key=stranger)).status == 404
    (session,) = job["result"]["sessions"]
    assert (await api.ask("DELETE", f"/v1/sessions/{session}")).json["passages_removed"] == 5
    gone = await api.ask("GET", f"/v1/knowledge/{best['id']}")
    assert (gone.status, best["id"] in gone.json["error"]["message"]) == (404, True)
