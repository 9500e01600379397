"""One transcript of each agent over HTTP: what was said is found, and the same file again adds nothing."""

from __future__ import annotations

import pytest

from tests.integration.api.conftest import Api
from tests.unit.sessions.transcripts_of_agents import ANSWER, TRANSCRIPTS

ONE_OF_EACH = {format: name for name, (format, _) in reversed(TRANSCRIPTS.items())}


@pytest.mark.parametrize("name", sorted(ONE_OF_EACH.values()))
async def test_what_an_agent_said_is_found_and_the_same_file_adds_nothing(api: Api, name: str) -> None:
    format, data = TRANSCRIPTS[name]
    sent = await api.ask("POST", f"/v1/sessions?project=gate-{name}&name={name}", data=data)
    assert sent.status == 202, sent.text
    job = await api.finished(sent.json["job_id"])
    assert job["state"] == "done", job
    assert job["result"]["format"] == format
    assert job["result"]["events"]["new"] >= 4
    assert not job["result"]["problems"]
    found = await api.ask("POST", "/v1/knowledge/query", json={"query": "Does the gate count a visitor twice?", "project": f"gate-{name}"})
    assert any(ANSWER in result["text"] for result in found.json["results"]), found.text
    again = await api.ask("POST", f"/v1/sessions?project=gate-{name}&name=renamed", data=data)
    result = (await api.finished(again.json["job_id"]))["result"]
    assert result["events"] == {"new": 0, "known": job["result"]["events"]["new"]}
    assert result["sessions"] == job["result"]["sessions"]


async def test_a_named_format_reads_what_could_be_another(api: Api) -> None:
    format, data = TRANSCRIPTS["droid"]
    sent = await api.ask("POST", f"/v1/sessions?project=named&format={format}", data=data.split(b"\n", 1)[1])  # no header
    assert (await api.finished(sent.json["job_id"]))["result"]["events"]["new"] == 4


async def test_a_database_that_is_damaged_is_refused_with_the_reason(api: Api) -> None:
    sent = await api.ask("POST", "/v1/sessions?format=cursor-database", data=TRANSCRIPTS["cursor-database"][1][:5000])
    job = await api.finished(sent.json["job_id"])
    assert job["state"] == "failed"
    assert "database" in job["error"]["message"]
