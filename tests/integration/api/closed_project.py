"""A closed project with contents of every kind, and who asks: its member, a lead, and those outside. For `test_closed_projects.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from app.budget.requests import RequestLog, RequestOutcome, RequestRecord
from app.budget.spend_rollup import roll_up
from tests.integration.api.conftest import Api, Reply, generic
from tests.waiting import patience

QUESTION = "Why did the harbour crane lose its grease, and which manifold fixed it?"
"""Finds every secret of the project in words that none of them is."""


@dataclass(slots=True)
class ClosedProject:
    """`secret`: a word in everything that is in the project, its transcripts' names and titles too, and in nothing else. `ids`: what is there."""

    api: Api
    team: str = field(default_factory=lambda: f"t{uuid4().hex[:10]}")
    name: str = field(default_factory=lambda: f"vault{uuid4().hex[:8]}")
    secret: str = field(default_factory=lambda: f"quartz{uuid4().hex[:8]}")
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def developer(self, who: str) -> str:
        return f"{who}-{self.team}"

    async def ask(self, who: str, method: str, path: str, **options: Any) -> Reply:
        return await self.api.ask(method, path, key=self.keys[who], **options)

    async def change(self, **body: Any) -> Reply:
        return await self.ask("lead", "PATCH", f"/v1/projects/{self.ids['project_id']}", json=body)

    async def tells(self, who: str, question: str = QUESTION, **more: Any) -> bool:
        """Whether a question to all of the team's knowledge is answered from the project."""
        found = await self.ask(who, "POST", "/v1/knowledge/query", json={"query": question, "min_score": 0, **more})
        assert found.status == 200, found.text
        assert not found.json["degraded"]
        return self.secret in found.text


async def fill(api: Api) -> ClosedProject:
    """Make a team with a project that holds something of every kind, and close it to all but `member`."""
    made = ClosedProject(api)
    assert (await api.ask("POST", "/v1/teams", json={"name": made.team})).status == 201
    for who, role in {"member": "developer", "outsider": "developer", "lead": "lead", "auditor": "auditor"}.items():
        body = {"name": made.developer(who), "team": made.team, "role": role}
        assert (await api.ask("POST", "/v1/developers", json=body)).status == 201
        made.keys[who] = (await api.ask("POST", f"/v1/developers/{made.developer(who)}/keys")).json["key"]
    await _open_contents(made)
    await _contents(made)
    await _calls(made)
    assert (await made.change(open="members", members=[made.developer("member")])).json["members"] == [made.developer("member")]
    return made


async def _open_contents(made: ClosedProject) -> None:
    """Something that everybody of the team may see, so that no list is empty."""
    body = {"type": "gotcha", "text": "The ferry's timetable is read at noon, whatever the season.", "project": "quay"}
    made.ids["open_item"] = (await made.ask("member", "POST", "/v1/knowledge", json=body)).json["id"]


async def _contents(made: ClosedProject) -> None:
    secret = made.secret
    answer = (
        f"Root cause: the harbour crane lost its grease because {secret}_valve was unset.\n\n"
        f"Fix: I set {secret}_valve = 30 in {secret}/crane.toml, and the manifold holds its grease."
    )
    transcript = generic(
        (f"{secret}-1", "user", f"Why did the harbour crane of {secret} lose its grease at night?"),
        (f"{secret}-2", "assistant", answer),
        (f"{secret}-3", "user", "Great, that works. Thanks!"),
    )
    sent = await made.ask("member", "POST", "/v1/sessions", data=transcript, params={"project": made.name, "name": f"{secret}.jsonl"})
    made.ids["job"] = sent.json["job_id"]
    done = await made.api.finished(made.ids["job"])
    (made.ids["session"],) = done["result"]["sessions"]
    words = {"type": "gotcha", "text": f"The manifold {secret} of the harbour crane wants its grease warm.", "project": made.name}
    made.ids["item"] = (await made.ask("member", "POST", "/v1/knowledge", json=words)).json["id"]
    for queue in ("kafka", "pulsar"):
        against = words | {"text": f"Grease reports of the crane {secret} go through {queue}-main."}
        made.ids[queue] = (await made.ask("member", "POST", "/v1/knowledge", json=against)).json["id"]
    remark = {"verdict": "helpful", "note": f"As {secret} said."}
    assert (await made.ask("lead", "POST", f"/v1/knowledge/{made.ids['item']}/feedback", json=remark)).status in {200, 201}
    made.ids["external"] = f"live-{secret}"
    live = generic((f"{secret}-9", "user", f"Grease the manifold {secret} of the crane now."))
    events = await made.ask("member", "POST", f"/v1/sessions/{made.ids['external']}/events?project={made.name}", data=live)
    made.ids["live"] = events.json["session_id"]
    hook = {
        "session_id": f"hook-{secret}",
        "hook_event_name": "UserPromptSubmit",
        "cwd": f"/home/ada/{secret}",
        "prompt": f"Is {secret} dry?",
    }
    assert (await made.ask("member", "POST", "/v1/hooks/claude-code", json=hook, headers={"x-cairn-project": made.name})).status == 200
    asked = {"query": f"Which composer wrote the {secret} sonata?", "project": made.name}
    assert (await made.ask("member", "POST", "/v1/knowledge/query", json=asked)).status == 200
    projects = (await made.ask("member", "GET", "/v1/projects")).json["projects"]
    made.ids["project_id"] = next(each["id"] for each in projects if each["name"] == made.name)
    made.ids["open_project_id"] = next(each["id"] for each in projects if each["name"] == "quay")
    found = (await made.ask("member", "POST", "/v1/knowledge/query", json={"query": QUESTION, "kinds": ["passage"], "min_score": 0})).json
    made.ids["passage"] = found["results"][0]["id"]
    assert made.secret in json.dumps(found)


CALL_NANOUSD = {"member": 3_000_000, "outsider": 2_000_000}
"""Cost of each of their calls: two of the closed project, before and after the roll-up, and one of an open project."""


async def _calls(made: ClosedProject) -> None:
    """Calls of models that name the project, of its member and, from when it was open, of an outsider; some of them rolled up."""
    for who in CALL_NANOUSD:
        await _call(made, who, made.name)
        await _call(made, who, "quay")
    with patch("app.budget.spend_rollup.SETTLED", timedelta(hours=-1)):
        async with patience():
            while await roll_up(made.api.services.database):
                pass
    for who in CALL_NANOUSD:
        await _call(made, who, made.name)


async def _call(made: ClosedProject, who: str, project: str) -> None:
    budget, database, request, cost = made.api.services.budget, made.api.services.database, uuid4().hex, CALL_NANOUSD[who]
    payer = await made.api.services.accounts.find_developer(made.developer(who))
    attempt = Attempt(request, 1, "fake", "fake-1")
    hold = await budget.ledger.hold(Payer(payer.id, payer.team_id), attempt, Estimate(TokenBounds(10, 10), 2 * cost))
    await budget.ledger.settle(hold, Settlement(TokenUsage(input=10), cost, "usage"))
    log = RequestLog(database)
    answered = (RequestOutcome.ANSWERED, project, "fake", "fake-1")
    log.add(RequestRecord(request, payer.id, payer.team_id, "chat", "auto", 1, "miss", cost, 0, 5, *answered))
    await log.close()


async def read_some(made: ClosedProject, who: str, method: str, path: str, *, seconds: float = 5, **options: Any) -> tuple[int, str]:
    """Ask, and read at most some seconds of the answer: a stream has no end. Returns its status, and its headers and text."""
    headers = {"authorization": f"Bearer {made.keys[who]}", **options.pop("headers", {})}
    async with made.api.http.request(method, made.api.url + path, headers=headers, **options) as reply:
        said = bytearray(str(dict(reply.headers)).encode())
        try:
            async with asyncio.timeout(seconds):
                async for chunk in reply.content.iter_any():
                    said += chunk
        except TimeoutError:
            pass
        return reply.status, said.decode("utf-8", "replace")


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """Put the project's names and ids into a request of the table."""
    if isinstance(value, str):
        for name, each in ids.items():
            value = value.replace("{" + name + "}", each)
        return value
    if isinstance(value, Mapping):
        return {key: filled(each, ids) for key, each in value.items()}
    return [filled(each, ids) for each in value] if isinstance(value, list) else value
