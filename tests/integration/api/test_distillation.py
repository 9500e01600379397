"""Distillation through the engine: the team's distiller pays, within its limit, and a session's cost tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app import clock
from app.accounts.accounts import Accounts
from app.knowledge.distillation.material import Batch
from app.knowledge.distillation.model_calls import ModelCalls
from app.knowledge.distillation.pausing import RECHECKED
from app.knowledge.distillation.payers import Distillers
from app.knowledge.distillation.projection import DistillationProjection
from app.money import from_usd
from app.sessions.projections import ProjectionPaused
from app.sessions.session import Session
from app.settings import DistillationSettings
from tests.integration.api.conftest import Api, generic
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_mcp import call, client
from tests.signing_in import signed_in
from tests.unit.knowledge.distillation.replies import item, reply


async def never() -> bool:
    return False


class Team:
    """A team of its own with one session, and its distillation over a door."""

    def __init__(
        self, door: Door, name: str, session: UUID, words: str, projection: DistillationProjection, project: str, key: str
    ) -> None:
        self.door, self.name, self.session, self.words = door, name, session, words
        self.projection, self.project, self.key = projection, project, key

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

    async def items(self) -> list[UUID]:
        query = text("select distinct knowledge_id from knowledge_evidence where session_id = :session and distilled")
        async with self.door.api.services.database.begin() as connection:
            return list(await connection.scalars(query, {"session": self.session}))

    async def ask(self, path: str) -> Any:
        await self.door.engine._meter.close()
        await self.door.api.services.budget.requests._writing.finish()
        reply = await self.door.api.ask("GET", path, headers={"x-cairn-team": self.name})
        assert reply.status == 200, reply.text
        return reply.json


async def team(door: Door, *, limit_usd: float = 5.0, also: str = "", between: Callable[[], Awaitable[object]] | None = None) -> Team:
    """A team with a session that teaches one thing. `also`: what the session says next; `between`: called during each call of a model."""
    services, name, topic = door.api.services, f"dst{uuid4().hex[:8]}", f"svc{uuid4().hex[:8]}"
    key = await door.api.developer(name)
    words = f"In staging the {topic} gateway listens on port 8443, and only the mesh may reach it from the inside."
    said = [(f"{topic}-1", "assistant", words), *([(f"{topic}-2", "assistant", also)] if also else [])]
    done = await door.api.ingest(generic(*said), team=name, project=topic)
    options = DistillationSettings(enabled=True)
    calls = ModelCalls(door.front, Distillers(services.accounts, monthly_limit=from_usd(limit_usd)), options)
    projection = DistillationProjection(
        journal=services.journal,
        writer=services.knowledge.distilled,
        calls=calls if between is None else Meanwhile(calls, between),  # type: ignore[arg-type]
        batch_tokens=30 if also else options.batch_tokens,
        must_yield=never,
    )
    return Team(door, name, UUID(done["result"]["sessions"][0]), words, projection, topic, key)


class Meanwhile:
    """Calls a model; before its answer is there, something else happens."""

    def __init__(self, calls: ModelCalls, happens: Callable[[], Awaitable[object]]) -> None:
        self._calls, self._happens = calls, happens

    async def ask(self, session: Session, batch: Batch) -> str | None:
        answer = await self._calls.ask(session, batch)
        await self._happens()
        return answer


async def test_the_distiller_pays_and_the_sessions_cost_tells_it(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        made = await team(door)
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        assert (await made.distil())["distilled"]["new"] + (await made.distil())["distilled"]["known"] >= 1
        assert await made.evidence() == [made.words]
        budget = await made.ask(f"/v1/budgets/{made.distiller}")
        assert (budget["spent_usd"] > 0, budget["held_usd"], budget["unreconciled_usd"]) == (True, 0, 0)
        (cost,) = (await made.ask(f"/v1/budget/sessions?developer={made.distiller}"))["sessions"]
        assert (cost["session_id"], cost["cost_usd"]) == (str(made.session), budget["spent_usd"])
        details = await made.ask(f"/v1/budget/sessions/{cost['session']}")
        assert [each["agent"] for each in details["agents"]] == ["distillation"]
        shown = (await made.ask(f"/v1/sessions/{made.session}"))["cost"]
        assert [(each["agent"], each["cost_usd"]) for each in shown["agents"]] == [("distillation", budget["spent_usd"])]
        seen = await api.ask("GET", f"/v1/sessions/{made.session}", key=made.key)
        assert (seen.status, seen.json["cost"]) == (200, None), "a developer sees their own calls only"
        async with signed_in(api, api.key) as browser:
            async with browser.get(f"{api.url}/dashboard/sessions/{made.session}", params={"team": made.name}) as page:
                shown_cost = (await page.text()).partition('id="cost"')[2].partition("</section>")[0]
            async with browser.get(f"{api.url}/dashboard/knowledge/items/{(await made.items())[0]}", params={"team": made.name}) as page:
                assert page.status == 200
        assert "distillation" in shown_cost


async def test_an_item_says_that_a_model_worded_it_until_a_person_corrects_it(api: Api) -> None:
    async with open_door(api, "one") as door:
        made = await team(door)
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        await made.distil()
        (found,) = await made.items()
        async with api.services.database.begin() as connection:  # what the rules found in it too would have their words
            await connection.execute(text("delete from knowledge_evidence where knowledge_id = :item and not distilled"), {"item": found})
        assert await says(made, found) == (True, True, True)
        corrected = {"text": "In staging the gateway listens on port 8443: only the mesh may reach it."}
        answer = await api.ask("PATCH", f"/v1/knowledge/{found}", json=corrected, headers={"x-cairn-team": made.name})
        assert (answer.status, answer.json["distilled"]) == (200, False), answer.text
        assert await says(made, found) == (False, False, False)


async def says(made: Team, found: UUID) -> tuple[bool, bool, bool]:
    """Whether the API, a tool and the page say that a model worded an item."""
    api = made.door.api
    async with client(api, made.key) as opened:
        told, entry = await call(opened, "get", ids=[str(found)])
    assert ("worded by a model" in told) == entry["items"][0].get("distilled", False)
    async with (
        signed_in(api, api.key) as browser,
        browser.get(f"{api.url}/dashboard/knowledge/items/{found}", params={"team": made.name}) as page,
    ):
        shown = await page.text()
    return (await made.ask(f"/v1/knowledge/{found}"))["distilled"], "worded by a model" in told, "A model worded this item" in shown


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


SECRET = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"


async def test_a_reply_that_carries_a_secret_is_stored_nowhere_with_it(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        made = await team(door)
        worded = f"In staging the {made.project} gateway listens on port 8443, and only the mesh may reach it, token {SECRET}."
        door.fakes["one"].say(reply(item(worded, ("1", made.words))))
        await made.distil()
        await made.ask(f"/v1/budgets/{made.distiller}")
        async with api.services.database.begin() as connection:
            tables = list(await connection.scalars(text("select tablename from pg_tables where schemaname = 'public'")))
            for table in tables:
                query = text(f'select count(*) from "{table}" t where t::text like :secret')
                assert not await connection.scalar(query, {"secret": f"%{SECRET}%"}), table
        assert "knowledge_evidence" in tables


async def test_what_the_months_limit_stopped_goes_on_next_month(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    later = "The search cache keeps a page for 300 seconds, since the catalogue is written every 5 minutes."
    async with open_door(api, "one") as door:
        made = await team(door, also=later)
        first, second = reply(item(made.words, ("1", made.words))), reply(item(later, ("1", later)))
        door.fakes["one"].say(first)
        held, spent = await probe(door)
        await api.services.accounts.create_developer(made.distiller, team=made.name, monthly_limit_nanousd=held + spent // 2)
        with pytest.raises(ProjectionPaused) as paused:
            await made.distil()
        assert (await made.evidence(), len(door.fakes["one"].asked)) == ([made.words], 1)
        assert paused.value.until <= clock.now() + RECHECKED
        door.fakes["one"].say(second)
        with pytest.raises(ProjectionPaused):
            await made.distil()
        moment = clock.now() + timedelta(days=32)
        monkeypatch.setattr(clock, "now", lambda: moment)
        await made.distil()
        assert (sorted(await made.evidence()), len(door.fakes["one"].asked)) == (sorted([made.words, later]), 2)


async def probe(door: Door) -> tuple[int, int]:
    """The worst case and the price of one call, in nano-dollars, as another team's equal call tells them."""
    made = await team(door)
    await made.distil()
    await door.engine._meter.close()
    query = text("select max(h.nanousd) from budget_holds h join developers d on d.id = h.developer_id where d.name = :name")
    async with door.api.services.database.begin() as connection:
        held = await connection.scalar(query, {"name": made.distiller})
    spent = (await made.ask(f"/v1/budgets/{made.distiller}"))["spent_usd"]
    door.fakes["one"].clear()
    assert isinstance(held, int)
    return held, from_usd(spent)


async def test_a_session_that_is_purged_while_its_call_is_on_the_way_leaves_nothing(api: Api) -> None:
    async with open_door(api, "one") as door:

        async def purge() -> None:
            done = await api.ask("DELETE", f"/v1/sessions/{made.session}", headers={"x-cairn-team": made.name})
            assert done.status == 200, done.text

        made = await team(door, between=purge)
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        await made.distil()
        assert await made.evidence() == []
        budget = await made.ask(f"/v1/budgets/{made.distiller}")
        assert (budget["held_usd"], budget["spent_usd"] > 0) == (0, True)
        assert (await api.ask("GET", f"/v1/sessions/{made.session}", headers={"x-cairn-team": made.name})).status == 404


async def test_two_workers_at_one_session_pay_and_store_once(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        made = await team(door)
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        await asyncio.gather(made.distil(), made.distil(), made.distil())
        assert (await made.evidence(), len(door.fakes["one"].asked)) == ([made.words], 1)
        assert (await made.ask(f"/v1/budgets/{made.distiller}"))["held_usd"] == 0


async def test_a_project_that_was_closed_meanwhile_is_distilled_for_its_members_only(api: Api) -> None:
    async with open_door(api, "one") as door:
        made = await team(door)
        headers = {"x-cairn-team": made.name}
        (project,) = (each for each in (await made.ask("/v1/projects"))["projects"] if each["name"] == made.project)
        closed = await api.ask("PATCH", f"/v1/projects/{project['id']}", json={"open": "members"}, headers=headers)
        assert closed.status == 200, closed.text
        door.fakes["one"].say(reply(item(made.words, ("1", made.words))))
        await made.distil()
        (found,) = await made.items()
        assert (await api.ask("GET", f"/v1/knowledge/{found}", headers=headers)).status == 200
        outside = await door.api.developer(made.name)
        assert (await api.ask("GET", f"/v1/knowledge/{found}", key=outside)).status == 404
        asked = await api.ask("POST", "/v1/knowledge/query", key=outside, json={"query": made.words, "min_score": 0})
        assert made.project not in asked.text.replace(made.words, "")
