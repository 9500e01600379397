"""Distillation through the engine: the team's distiller pays, within its limit, and a session's cost tells it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.knowledge.distillation.model_calls import ModelCalls
from app.knowledge.distillation.payers import Distillers
from app.knowledge.distillation.projection import DistillationProjection
from app.money import from_usd
from app.sessions.projections import ProjectionPaused
from app.settings import DistillationSettings
from tests.integration.api.conftest import Api, generic
from tests.integration.api.door import Door, open_door
from tests.unit.knowledge.distillation.replies import item, reply


async def never() -> bool:
    return False


class Team:
    """A team of its own with one session, and its distillation over a door."""

    def __init__(self, door: Door, name: str, session: UUID, words: str, projection: DistillationProjection) -> None:
        self.door, self.name, self.session, self.words = door, name, session, words
        self.projection = projection

    @property
    def distiller(self) -> str:
        return f"distiller-{self.name}"

    async def distil(self) -> dict[str, Any]:
        services = self.door.api.services
        team_id = await services.accounts.team_id(self.name)
        return await services.sessions.deferred.project(self.projection, team_id, self.session)

    async def evidence(self) -> list[str]:
        query = text("select text from knowledge_evidence where session_id = :session and distilled")
        async with self.door.api.services.database.begin() as connection:
            return list(await connection.scalars(query, {"session": self.session}))

    async def ask(self, path: str) -> Any:
        await self.door.engine._meter.close()
        await self.door.api.services.budget.requests._writing.finish()
        reply = await self.door.api.ask("GET", path, headers={"x-cairn-team": self.name})
        assert reply.status == 200, reply.text
        return reply.json


async def team(door: Door, *, limit_usd: float = 5.0) -> Team:
    """A team with a session that teaches one thing."""
    services, name, topic = door.api.services, f"t{uuid4().hex[:8]}", f"svc{uuid4().hex[:8]}"
    await door.api.developer(name)
    words = f"In staging the {topic} gateway listens on port 8443, and only the mesh may reach it from the inside."
    done = await door.api.ingest(generic((f"{topic}-1", "assistant", words)), team=name, project=topic)
    options = DistillationSettings(enabled=True)
    projection = DistillationProjection(
        journal=services.journal,
        writer=services.knowledge.distilled,
        calls=ModelCalls(door.front, Distillers(services.accounts, monthly_limit=from_usd(limit_usd)), options),
        batch_tokens=options.batch_tokens,
        must_yield=never,
    )
    return Team(door, name, UUID(done["result"]["sessions"][0]), words, projection)


async def test_the_distiller_pays_and_the_sessions_cost_tells_it(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        made = await team(door)
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        assert (await made.distil())["distilled"]["new"] + (await made.distil())["distilled"]["known"] >= 1
        assert await made.evidence() == [made.words]
        budget = await made.ask(f"/v1/budgets/{made.distiller}")
        assert budget["spent_usd"] > 0
        (cost,) = (await made.ask(f"/v1/budget/sessions?developer={made.distiller}"))["sessions"]
        assert (cost["session_id"], cost["usd"]) == (str(made.session), budget["spent_usd"])
        details = await made.ask(f"/v1/budget/sessions/{cost['session']}")
        assert [each["agent"] for each in details["agents"]] == ["distillation"]


async def test_an_answer_that_was_paid_and_not_stored_comes_from_the_cache(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door(api, "one", cached=True) as door:
        made = await team(door)
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        with monkeypatch.context() as patch:

            async def killed(*_: Any, **__: Any) -> Any:
                raise asyncio.CancelledError

            patch.setattr(door.api.services.knowledge.store, "reconcile", killed)
            with pytest.raises(asyncio.CancelledError):
                await made.distil()
        spent = (await made.ask(f"/v1/budgets/{made.distiller}"))["spent_usd"]
        await made.distil()
        assert await made.evidence() == [made.words]
        assert len(door.fakes["one"].asked) == 1
        assert (await made.ask(f"/v1/budgets/{made.distiller}"))["spent_usd"] == spent > 0


async def test_a_used_up_limit_stops_it_and_a_raised_one_lets_it_go_on(api: Api) -> None:
    async with open_door(api, "one") as door:
        made = await team(door, limit_usd=0.000001)
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        with pytest.raises(ProjectionPaused):
            await made.distil()
        assert (len(door.fakes["one"].asked), await made.evidence()) == (0, [])
        raised = await api.ask("PUT", f"/v1/budgets/{made.distiller}", json={"monthly_limit_usd": 1})
        assert raised.status == 200, raised.text
        await made.distil()
        assert await made.evidence() == [made.words]


@pytest.mark.parametrize("says", ["I am sorry, I can't do that.", '{"items": [{"title": "x"}]}', reply(item("Nobody ever said that the gateway listens anywhere.", ("1", "the gateway listens on port 9999")))])  # fmt: skip
async def test_a_bad_model_costs_one_call_and_leaves_no_item(api: Api, says: str) -> None:
    async with open_door(api, "one") as door:
        made = await team(door)
        door.fakes["one"].say(says)
        await made.distil()
        await made.distil()
        assert (len(door.fakes["one"].asked), await made.evidence()) == (1, [])


async def test_a_disabled_distiller_sends_no_session_to_a_model(api: Api) -> None:
    async with open_door(api, "one") as door:
        made = await team(door)
        assert isinstance(api.services.accounts, Accounts)
        await api.services.accounts.create_developer(made.distiller, team=made.name)
        await api.services.accounts.developers.change(made.distiller, disabled=True)
        with pytest.raises(ProjectionPaused):
            await made.distil()
        assert not door.fakes["one"].asked
