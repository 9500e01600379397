"""Budgets over HTTP: a developer's own; for the admin all of them, what moved them, and whether the books are right."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.budget.holds import Attempt, Estimate, Hold, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from app.errors import BudgetExceeded
from app.money import NANO, from_usd
from tests.integration.api.conftest import Api, Reply
from tests.waiting import patience

NOWHERE = "5f0c0000-0000-4000-8000-000000000000"
HUGE = b"1" + b"0" * 400


@dataclass(frozen=True, slots=True)
class Spender:
    """A developer of a team of their own, with 8.33 dollars a month, and what only the inference will do: holds and their ends."""

    api: Api
    name: str
    team: str
    key: str
    payer: Payer

    async def hold(self, usd: float, tokens: int = 150) -> Hold:
        attempt = Attempt(uuid4().hex, 1, "groq", "llama-3.3-70b-versatile")
        return await self.api.services.budget.ledger.hold(self.payer, attempt, Estimate(TokenBounds(tokens, 0), from_usd(usd)))

    async def settle(self, hold: Hold, usd: float) -> None:
        usage = TokenUsage(input=100, output=20, cached_input=30, cache_write=5)
        await self.api.services.budget.ledger.settle(hold, Settlement(usage, from_usd(usd), "usage", model="llama-3.3"))

    async def unreconciled(self, *usd: float) -> list[Hold]:
        holds = [await self.hold(each) for each in usd]
        for hold in holds:
            await self.api.services.budget.ledger.mark_unreconciled(hold, "the stream was cut")
        return holds

    async def own(self) -> dict[str, Any]:
        found = await self.api.ask("GET", "/v1/budget", key=self.key)
        assert found.status == 200, found.text
        return found.json  # type: ignore[no-any-return]

    async def admin(self, method: str, rest: str = "", **options: Any) -> Reply:
        return await self.api.ask(method, f"/v1/budgets/{self.name}{rest}", **options)

    async def top_up(self, usd: float, note: str | None = None) -> None:
        assert (await self.admin("POST", "/top-ups", json={"amount_usd": usd, "note": note})).status == 201

    async def movements(self, **params: int) -> list[dict[str, Any]]:
        return (await self.admin("GET", "/movements", params=params)).json["movements"]  # type: ignore[no-any-return]


@pytest.fixture
async def ada(api: Api) -> Spender:
    return await spender(api)


async def spender(api: Api) -> Spender:
    name, team = f"ada-{uuid4().hex[:10]}", f"team-{uuid4().hex[:10]}"
    assert (await api.ask("POST", "/v1/teams", json={"name": team})).status == 201
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": team})).status == 201
    key = (await api.ask("POST", f"/v1/developers/{name}/keys")).json["key"]
    found = await api.services.accounts.find_developer(name)
    return Spender(api, name, team, key, Payer(found.id, found.team_id))


def figures(budget: dict[str, Any]) -> tuple[float, ...]:
    """(limit, spent, held, remaining, unreconciled)."""
    return tuple(budget[f"{name}_usd"] for name in ("limit", "spent", "held", "remaining", "unreconciled"))


async def test_a_budget_that_nobody_used_is_whole_and_this_months(ada: Spender) -> None:
    found = await ada.own()
    period = {name: datetime.fromisoformat(moment) for name, moment in found.pop("period").items()}
    assert isinstance(found.pop("too_early_to_tell"), bool)  # by the day of the month, where nothing was ever spent
    assert found == {
        "developer": ada.name, "team": ada.team, "limit_usd": 8.33, "added_usd": 0, "spent_usd": 0, "held_usd": 0, "remaining_usd": 8.33,
        "unreconciled_usd": 0, "forecast_usd": 0, "limit_tokens": None, "spent_tokens": 0, "alerts": [], "revision": found["revision"],
    }  # fmt: skip
    assert period["start"] <= datetime.now(UTC) < period["end"]
    assert [(each.day, each.hour, each.minute) for each in period.values()] == [(1, 0, 0)] * 2


async def test_a_budget_tells_what_is_held_spent_and_left(ada: Spender) -> None:
    one, two = await ada.hold(3), await ada.hold(2)
    assert figures(await ada.own()) == (8.33, 0, 5, 3.33, 0)
    await ada.settle(one, 1.5)
    assert figures(await ada.own()) == (8.33, 1.5, 2, 4.83, 0)
    await ada.api.services.budget.ledger.release(two)
    found = await ada.own()
    assert figures(found) == (8.33, 1.5, 0, 6.83, 0)
    assert found["spent_tokens"] == 120
    assert (found["forecast_usd"], found["too_early_to_tell"]) == (1.5, True)  # the first call was just now


async def test_an_unknown_outcome_is_spent_and_told_apart(ada: Spender) -> None:
    await ada.unreconciled(2, 0.5)
    assert figures(await ada.own()) == (8.33, 2.5, 0, 5.83, 2.5)


async def test_what_costs_more_than_its_hold_is_charged_at_the_hold(ada: Spender) -> None:
    await ada.settle(await ada.hold(8), 9)
    assert figures(await ada.own()) == (8.33, 8, 0, 0.33, 0)
    assert [each["mark"] for each in await ada.movements()] == ["overrun"]


async def test_what_was_crossed_stands_with_the_budget(ada: Spender) -> None:
    await ada.settle(await ada.hold(7), 7)
    async with patience():
        while not (alerts := (await ada.own())["alerts"]):
            await asyncio.sleep(0.01)
    assert sorted(alerts) == ["50%", "80%"]


async def test_what_is_not_affordable_is_not_held(ada: Spender) -> None:
    with pytest.raises(BudgetExceeded):
        await ada.hold(8.34)
    assert figures(await ada.own()) == (8.33, 0, 0, 8.33, 0)
    assert await ada.movements() == []


@pytest.mark.parametrize("headers", [{}, {"x-cairn-team": "default"}])
async def test_an_admin_key_has_no_budget_and_is_told_where_all_are(api: Api, headers: dict[str, str]) -> None:
    refused = await api.ask("GET", "/v1/budget", headers=headers)
    assert (refused.status, refused.error["code"]) == (422, "invalid_input")
    assert "GET /v1/budgets" in refused.error["message"]


ADMINS = [
    ("GET", "/v1/budgets", None),
    ("GET", "/v1/budget/verify", None),
    ("GET", "/v1/budgets/NAME", None),
    ("PUT", "/v1/budgets/NAME", {"monthly_limit_usd": 500}),
    ("POST", "/v1/budgets/NAME/top-ups", {"amount_usd": 500}),
    ("GET", "/v1/budgets/NAME/movements", None),
    ("GET", "/v1/budgets/NAME/movements.csv", None),
    ("POST", "/v1/budgets/NAME/reconcile", {}),
    ("GET", "/v1/teams/TEAM/budget", None),
    ("PUT", "/v1/teams/TEAM/budget", {"monthly_limit_usd": None}),
]


@pytest.mark.parametrize(("method", "path", "body"), ADMINS)
async def test_a_developers_key_neither_sees_nor_sets_budgets_not_even_its_own(
    ada: Spender, method: str, path: str, body: dict[str, Any] | None
) -> None:
    place = path.replace("NAME", ada.name).replace("TEAM", ada.team)
    refused = await ada.api.ask(method, place, key=ada.key, json=body)
    assert (refused.status, refused.error["type"]) == (403, "permission_error")
    assert (await ada.api.ask(method, place, key=None, json=body)).status == 401
    assert figures(await ada.own()) == (8.33, 0, 0, 8.33, 0)
    assert await ada.movements() == []


async def test_all_budgets_are_listed_each_as_it_is_shown_alone(api: Api) -> None:
    used, unused = await spender(api), await spender(api)
    await used.settle(await used.hold(2), 1)
    listed = {each["developer"]: each for each in (await api.ask("GET", "/v1/budgets?order=newest")).json["budgets"]}
    assert {used.name, unused.name} <= set(listed)
    for each in (used, unused):
        shown = (await each.admin("GET")).json
        own = await each.own()
        assert listed[each.name] == shown == own
    named = [each["developer"] for each in (await api.ask("GET", "/v1/budgets?limit=1000")).json["budgets"]]
    assert named == sorted(named)


async def test_a_limit_counts_at_once_and_from_now_on(ada: Spender) -> None:
    await ada.settle(await ada.hold(3), 3)
    raised = await ada.admin("PUT", json={"monthly_limit_usd": 20})
    assert (raised.status, figures(raised.json)) == (200, (20, 3, 0, 17, 0))
    listed = (await ada.api.ask("GET", "/v1/developers?order=newest")).json["developers"]
    assert [each["monthly_limit_usd"] for each in listed if each["name"] == ada.name] == [20]
    await ada.hold(17)
    lowered = await ada.admin("PUT", json={"monthly_limit_usd": 2})
    assert figures(lowered.json) == (2, 3, 17, 0, 0)
    with pytest.raises(BudgetExceeded):
        await ada.hold(0.01)


@pytest.mark.parametrize("usd", [0, 0.000000001, 1_000_000])
async def test_a_limit_is_exact_at_both_ends(ada: Spender, usd: float) -> None:
    assert (await ada.admin("PUT", json={"monthly_limit_usd": usd})).json["limit_usd"] == usd
    await ada.hold(usd)
    with pytest.raises(BudgetExceeded):
        await ada.hold(0.000000001)


async def test_a_change_of_a_limit_is_a_movement_with_its_author(ada: Spender) -> None:
    await ada.admin("PUT", json={"monthly_limit_usd": 20})
    await ada.top_up(1.25, "the release")
    top_up, limit = await ada.movements()
    assert [(each["kind"], each["unit"], each["amount"]) for each in (limit, top_up)] == [
        ("limit", "nanousd", 20),
        ("top_up", "nanousd", 1.25),
    ]
    assert [(each["actor"], each["note"]) for each in (limit, top_up)] == [("admin", None), ("admin", "the release")]
    assert [(each["usd"], each["tokens"], each["request_id"]) for each in (limit, top_up)] == [(0, 0, None)] * 2


async def test_a_top_up_is_added_once_and_leaves_the_limit(ada: Spender) -> None:
    added = await ada.admin("POST", "/top-ups", json={"amount_usd": 5})
    assert (added.status, figures(added.json), added.json["added_usd"]) == (201, (8.33, 0, 0, 13.33, 0), 5)
    await ada.top_up(0.000000001)
    assert (await ada.own())["added_usd"] == 5.000000001
    await ada.hold(13.330000001)


async def test_a_team_has_limits_in_both_units_and_keeps_what_is_not_named(ada: Spender) -> None:
    place = f"/v1/teams/{ada.team}/budget"
    first = (await ada.api.ask("PUT", place, json={"monthly_limit_usd": 2})).json
    wall = first["limit_tokens"]
    assert {**first, "period": None} == {
        "team": ada.team, "period": None, "limit_usd": 2, "spent_usd": 0, "held_usd": 0,
        "limit_tokens": wall, "spent_tokens": 0, "held_tokens": 0, "revision": first["revision"],
    }  # fmt: skip
    assert wall % ada.api.services.settings.budget.team_tokens_a_day == 0  # type: ignore[operator]
    for body, limits in (
        ({"monthly_limit_tokens": 0}, (2, 0)),
        ({"monthly_limit_tokens": 2**53, "monthly_limit_usd": 0}, (0, 2**53)),
        ({"monthly_limit_usd": None}, (None, 2**53)),
        ({"monthly_limit_tokens": None}, (None, None)),
        ({"monthly_limit_tokens": 200, "monthly_limit_usd": 2.5}, (2.5, 200)),
    ):
        found = (await ada.api.ask("PUT", place, json=body)).json
        assert (found["limit_usd"], found["limit_tokens"]) == limits
    for usd, tokens, unit in ((2.51, 1, "nanousd"), (2.5, 201, "tokens")):
        with pytest.raises(BudgetExceeded) as refused:
            await ada.hold(usd, tokens)
        assert refused.value.unit == unit
    await ada.hold(2.5, 200)
    kept = (await ada.api.ask("PUT", place, json={"monthly_limit_usd": 9})).json
    assert (kept["held_usd"], kept["held_tokens"], kept["limit_tokens"]) == (2.5, 200, 200)
    assert await ada.movements() == []  # they are the team's


async def test_a_settlement_moves_with_all_that_was_used(ada: Spender) -> None:
    hold = await ada.hold(2)
    await ada.settle(hold, 0.123456789)
    (moved,) = await ada.movements()
    assert moved.pop("id") > 0
    assert datetime.fromisoformat(moved.pop("at")).tzinfo is not None
    assert moved.pop("hold_id") == str(hold.id)
    assert moved == {
        "kind": "settle", "mark": "usage", "request_id": hold.attempt.request_id, "attempt": 1, "provider": "groq", "model": "llama-3.3",
        "input_tokens": 100, "output_tokens": 20, "cached_input_tokens": 30, "cache_write_tokens": 5, "held_usd": 2, "usd": 0.123456789,
        "tokens": 120, "unit": None, "amount": None, "actor": None, "note": None, "corrects": None,
    }  # fmt: skip


async def test_a_hold_that_is_open_or_released_moved_nothing(ada: Spender) -> None:
    await ada.api.services.budget.ledger.release(await ada.hold(1))
    await ada.hold(1)
    assert await ada.movements() == []


@pytest.mark.parametrize(("size", "sizes"), [(2, [2, 2, 1]), (5, [5]), (4, [4, 1]), (1, [1] * 5), (1000, [5])])
async def test_the_history_is_paged_from_the_newest_by_its_cursors(ada: Spender, size: int, sizes: list[int]) -> None:
    for usd in range(1, 6):
        await ada.top_up(usd)
    pages: list[list[float]] = []
    params = {"limit": size}
    while True:
        page = (await ada.admin("GET", "/movements", params=params)).json
        pages.append([each["amount"] for each in page["movements"]])
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
        await ada.top_up(100)  # what comes meanwhile shifts no page
    assert [len(page) for page in pages] == sizes
    assert [usd for page in pages for usd in page] == [5, 4, 3, 2, 1]


async def test_movements_are_listed_by_kind_and_period_and_the_oldest_first(ada: Spender) -> None:
    for usd in (1, 2):
        await ada.top_up(usd)
    await ada.settle(await ada.hold(1), 1)

    async def listed(**params: str) -> list[float | None]:
        return [each["amount"] for each in (await ada.admin("GET", "/movements", params=params)).json["movements"]]

    assert await listed(kind="top_up", order="oldest") == [1, 2]
    assert await listed(kind="top_up") == [2, 1]
    assert await listed(kind="settle") == [None]
    assert await listed(until="2020-01-01") == []
    first = (await ada.admin("GET", "/movements", params={"order": "oldest", "limit": 1})).json
    rest = await ada.admin("GET", "/movements", params={"order": "oldest", "limit": 2, "cursor": first["next_cursor"]})
    assert [each["amount"] for each in rest.json["movements"]] == [2, None]


async def table(ada: Spender) -> list[list[str]]:
    found = await ada.admin("GET", "/movements.csv")
    assert (found.status, found.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert found.headers["content-disposition"] == 'attachment; filename="movements.csv"'
    return list(csv.reader(io.StringIO(found.text, newline="")))


async def test_the_export_has_a_heading_and_a_line_for_each_movement(ada: Spender) -> None:
    header = await table(ada)
    hold = await ada.hold(2)
    await ada.settle(hold, 0.5)
    await ada.unreconciled(1)
    await ada.admin("POST", "/reconcile", json={"amount_usd": 0.25, "note": 'as on the bill, "November"\nsee there; ü'})
    rows = await table(ada)
    assert rows[:1] == header
    told = await ada.movements()
    assert rows[0] == list(told[0])
    assert [[row[rows[0].index(name)] for name in ("id", "kind", "usd")] for row in rows[1:]] == [
        [str(each[name]) for name in ("id", "kind", "usd")] for each in told
    ]
    newest = dict(zip(rows[0], rows[1], strict=True))
    assert (newest["kind"], newest["usd"], newest["note"]) == ("reconcile", "-0.75", 'as on the bill, "November"\nsee there; ü')
    assert newest["input_tokens"] == newest["unit"] == ""


@pytest.mark.parametrize("note", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "\t=1", "="])
async def test_a_note_that_looks_like_a_formula_is_exported_as_text(ada: Spender, note: str) -> None:
    await ada.top_up(1, note)
    header, row = await table(ada)
    assert row[header.index("note")] == f"'{note}"
    assert (await ada.movements())[0]["note"] == note


async def test_the_export_is_whole_however_long(ada: Spender) -> None:
    many = text(
        "insert into budget_movements (kind, developer_id, team_id, period_start, unit, amount)"
        " select 'top_up', :developer, :team, now(), 'nanousd', n from generate_series(1, 2001) n"
    )
    async with ada.api.services.database.begin() as connection:
        await connection.execute(many, {"developer": ada.payer.developer_id, "team": ada.payer.team_id})
    rows = await table(ada)
    assert len({row[0] for row in rows[1:]}) == 2001


@pytest.mark.parametrize(
    ("body", "spent"),
    [
        ({}, 0),
        ({"amount_usd": None, "holds": None, "note": None}, 0),
        ({"amount_usd": 0}, 0),
        ({"amount_usd": 0.1}, 0.2),
        ({"amount_usd": 1}, 2),
    ],
)
async def test_all_that_is_unreconciled_is_closed_at_nothing_or_at_what_it_cost(ada: Spender, body: dict[str, Any], spent: float) -> None:
    await ada.unreconciled(1, 2)
    closed = await ada.admin("POST", "/reconcile", json={"note": "as billed", **body})
    assert (closed.status, closed.json) == (200, {"closed": 2})
    found = await ada.own()
    assert (found["spent_usd"], found["held_usd"], found["unreconciled_usd"]) == (spent, 0, 0)
    closings = (await ada.movements())[:2]
    assert {(each["kind"], each["actor"]) for each in closings} == {("reconcile", "admin")}
    assert sum(each["usd"] for each in closings) == spent - 3
    assert (await ada.admin("POST", "/reconcile", json=body)).json == {"closed": 0}


async def test_no_hold_is_closed_at_more_than_it_covered(ada: Spender) -> None:
    holds = await ada.unreconciled(1, 2)
    for body in ({"amount_usd": 1.5}, {"amount_usd": 2.01, "holds": [str(holds[1].id)]}):
        refused = await ada.admin("POST", "/reconcile", json=body)
        assert (refused.status, refused.error["param"]) == (422, "amount_usd")
        assert "correction" in refused.error["message"]
    assert (await ada.own())["unreconciled_usd"] == 3


async def test_only_the_holds_that_are_named_are_closed(ada: Spender) -> None:
    one, two, three = await ada.unreconciled(1, 2, 3)
    body = {"holds": [str(one.id), str(two.id), str(one.id)], "amount_usd": 0.5}
    assert (await ada.admin("POST", "/reconcile", json=body)).json == {"closed": 2}
    assert figures(await ada.own()) == (8.33, 4, 0, 4.33, 3)
    assert (await ada.admin("POST", "/reconcile", json={"holds": []})).json == {"closed": 0}
    assert (await ada.own())["unreconciled_usd"] == 3
    assert three.nanousd == 3 * NANO


async def test_a_hold_that_is_closed_open_anothers_or_unknown_is_not_found_and_none_is_closed(ada: Spender) -> None:
    closed, mine = await ada.unreconciled(1, 2)
    await ada.admin("POST", "/reconcile", json={"holds": [str(closed.id)]})
    (anothers,) = await (await spender(ada.api)).unreconciled(1)
    for unknown in (closed.id, (await ada.hold(1)).id, anothers.id, NOWHERE):
        refused = await ada.admin("POST", "/reconcile", json={"holds": [str(mine.id), str(unknown)]})
        assert (refused.status, str(unknown) in refused.error["message"]) == (404, True)
    assert (await ada.own())["unreconciled_usd"] == 2


async def test_the_history_names_the_hold_that_can_be_reconciled(ada: Spender) -> None:
    (hold,) = await ada.unreconciled(1)
    assert str(hold.id) in (await ada.admin("GET", "/movements")).text


async def test_a_hold_can_be_named_however_many_are_unreconciled(ada: Spender) -> None:
    many = text(
        "insert into budget_holds (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model,"
        " nanousd, tokens, state) select gen_random_uuid(), gen_random_uuid()::text, 1, :developer, :team, :period, current_date,"
        " gen_random_uuid(), 'groq', 'llama', 0, 0, 'unreconciled' from generate_series(1, 1000)"
    )
    period = (await ada.hold(0)).period_start
    async with ada.api.services.database.begin() as connection:
        await connection.execute(many, {"developer": ada.payer.developer_id, "team": ada.payer.team_id, "period": period})
    (hold,) = await ada.unreconciled(1)
    assert (await ada.admin("POST", "/reconcile", json={"holds": [str(hold.id)]})).json == {"closed": 1}


@asynccontextmanager
async def tampered(ada: Spender, change: str) -> AsyncIterator[list[dict[str, Any]]]:
    """The differences that verifying finds while somebody has changed ada's balance; it is put right again."""
    own = {"id": ada.payer.developer_id}
    async with ada.api.services.database.begin() as connection:
        kept = (await connection.execute(text("select * from budget_balances where subject_id = :id"), own)).mappings().one()
        await connection.execute(text(change), own)
    try:
        yield (await ada.api.ask("GET", "/v1/budget/verify")).json["differences"]
    finally:
        columns = ", ".join(kept)
        back = text(f"insert into budget_balances ({columns}) values ({', '.join(f':{name}' for name in kept)})")
        async with ada.api.services.database.begin() as connection:
            await connection.execute(text("delete from budget_balances where subject_id = :id"), own)
            await connection.execute(back, dict(kept))


async def test_whatever_moved_the_books_are_right(ada: Spender) -> None:
    await ada.settle(await ada.hold(2), 1)
    await ada.unreconciled(1, 2)
    await ada.admin("POST", "/reconcile", json={"amount_usd": 0.1})
    await ada.unreconciled(1)
    await ada.admin("PUT", json={"monthly_limit_usd": 20})
    await ada.top_up(3)
    await ada.hold(4)
    assert (await ada.api.ask("GET", "/v1/budget/verify")).json == {"differences": []}


async def test_a_balance_that_somebody_changed_is_named_with_both_figures(ada: Spender) -> None:
    await ada.settle(await ada.hold(2), 1.5)
    await ada.hold(2)
    change = (
        "update budget_balances set spent_nanousd = 500000000, spent_tokens = 7, held_nanousd = held_nanousd + 1 where subject_id = :id"
    )
    async with tampered(ada, change) as found:
        (different,) = found
        assert datetime.fromisoformat(different.pop("period_start")).day == 1
        assert different == {
            "subject": "developer", "subject_id": str(ada.payer.developer_id), "spent_usd": [0.5, 1.5], "held_usd": [2.000000001, 2],
            "spent_tokens": [7, 120], "held_tokens": [150, 150],
        }  # fmt: skip
    assert (await ada.api.ask("GET", "/v1/budget/verify")).json == {"differences": []}


async def test_a_balance_that_is_gone_is_named(ada: Spender) -> None:
    await ada.settle(await ada.hold(2), 1.5)
    async with tampered(ada, "delete from budget_balances where subject_id = :id") as found:
        assert [each["subject_id"] for each in found] == [str(ada.payer.developer_id)]


AMOUNTS = [
    b"-1",
    b"-0.000000001",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    HUGE,
    b'"8.33"',
    b"true",
    b"[8]",
    b"{}",
    b"1000000.01",
    b"1e300",
]
PLACES = [
    ("PUT", "/v1/budgets/NAME", "monthly_limit_usd", (b"null",)),
    ("POST", "/v1/budgets/NAME/top-ups", "amount_usd", (b"null", b"0", b"-0.0", b"1e-10", b"1e-400")),
    ("POST", "/v1/budgets/NAME/reconcile", "amount_usd", ()),
    ("PUT", "/v1/teams/TEAM/budget", "monthly_limit_usd", ()),
    ("PUT", "/v1/teams/TEAM/budget", "monthly_limit_tokens", (b"1.5", b"9007199254740993")),
]
WRONG = [
    (method, path, name, amount)
    for method, path, name, more in PLACES
    for amount in (*AMOUNTS, *more)
    if not (name == "monthly_limit_tokens" and amount == b"1000000.01")
]


def named(path: str, ada: Spender) -> str:
    return path.replace("NAME", ada.name).replace("TEAM", ada.team)


@pytest.mark.parametrize(("method", "path", "name", "amount"), WRONG, ids=lambda each: each[:20])
async def test_an_amount_that_is_none_is_refused_and_named_and_changes_nothing(
    ada: Spender, method: str, path: str, name: str, amount: bytes
) -> None:
    await ada.unreconciled(1)
    body = b'{"%s": %s}' % (name.encode(), amount)
    refused = await ada.api.ask(method, named(path, ada), data=body, headers={"content-type": "application/json"})
    assert (refused.status, refused.error["param"]) == (422, name), refused.text
    assert refused.error["message"].startswith(name)
    assert figures(await ada.own()) == (8.33, 1, 0, 7.33, 1)
    assert [each["kind"] for each in await ada.movements()] == ["unreconciled"]


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("PUT", "/v1/budgets/NAME", {}, "monthly_limit_usd"),
        ("PUT", "/v1/budgets/NAME", {"monthly_limit_usd": 1, "monthly_limit_tokens": 1}, "monthly_limit_tokens"),
        ("POST", "/v1/budgets/NAME/top-ups", {"note": "x"}, "amount_usd"),
        ("POST", "/v1/budgets/NAME/top-ups", {"amount_usd": 1, "amount": 1}, "amount"),
        ("POST", "/v1/budgets/NAME/top-ups", {"amount_usd": 1, "note": "x" * 501}, "note"),
        ("POST", "/v1/budgets/NAME/top-ups", {"amount_usd": 1, "note": "a\x00b"}, "note"),
        ("POST", "/v1/budgets/NAME/top-ups", {"amount_usd": 1, "note": 7}, "note"),
        ("POST", "/v1/budgets/NAME/reconcile", {"amount": 1}, "amount"),
        ("POST", "/v1/budgets/NAME/reconcile", {"holds": ["mine"]}, "holds.0"),
        ("POST", "/v1/budgets/NAME/reconcile", {"holds": NOWHERE}, "holds"),
        ("POST", "/v1/budgets/NAME/reconcile", {"holds": [NOWHERE] * 1001}, "holds"),
        ("POST", "/v1/budgets/NAME/reconcile", {"note": "a\x00b"}, "note"),
        ("PUT", "/v1/teams/TEAM/budget", {}, "monthly_limit_usd"),
        ("PUT", "/v1/teams/TEAM/budget", {"limit": 1}, "limit"),
    ],
)
async def test_a_body_with_a_wrong_field_names_it(ada: Spender, method: str, path: str, body: dict[str, Any], param: str) -> None:
    refused = await ada.api.ask(method, named(path, ada), json=body)
    assert (refused.status, refused.error["param"]) == (422, param), refused.text
    assert param in refused.error["message"]
    assert await ada.movements() == []


@pytest.mark.parametrize(("method", "path", "name", "_"), PLACES)
async def test_a_body_that_is_missing_or_no_object_is_refused_and_one_that_is_no_json_unreadable(
    ada: Spender, method: str, path: str, name: str, _: object
) -> None:
    as_json = {"content-type": "application/json"}
    for body, status in ((b"", 422), (b"null", 422), (b"[]", 422), (b"8.33", 422), (b'{"%s": 1' % name.encode(), 400), (b"\xff", 400)):
        refused = await ada.api.ask(method, named(path, ada), data=body, headers=as_json)
        assert (refused.status, refused.error["type"]) == (status, "invalid_request_error"), body
    as_text = await ada.api.ask(method, named(path, ada), data=b'{"%s": 1}' % name.encode(), headers={"content-type": "text/plain"})
    assert (as_text.status, "application/json" in as_text.error["message"]) == (422, True)


@pytest.mark.parametrize(("method", "path", "body"), [each for each in ADMINS if "NAME" in each[1] or "TEAM" in each[1]])
async def test_an_unknown_name_is_told_and_an_impossible_one_too(api: Api, method: str, path: str, body: dict[str, Any] | None) -> None:
    for name, status in ((f"nobody-{uuid4().hex[:8]}", 404), ("%00", 422), ("a%01b", 422), ("%20a", 422), ("x" * 101, 422)):
        refused = await api.ask(method, path.replace("NAME", name).replace("TEAM", name), json=body)
        assert refused.status == status, name
        assert status == 404 or refused.error["param"] in {"developer", "name"}
        assert status == 422 or ("/v1/developers" in refused.error["message"]) is ("NAME" in path)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1e2", "cursor=x", "kind=gift", "order=dearest"])
async def test_a_page_that_cannot_be_is_refused(ada: Spender, query: str) -> None:
    refused = await ada.admin("GET", f"/movements?{query}")
    assert (refused.status, refused.error["param"]) == (422, query.partition("=")[0])


async def test_a_charge_is_corrected_and_both_are_told(ada: Spender) -> None:
    await ada.settle(await ada.hold(3), 3)
    (charge,) = await ada.movements()
    made = await ada.admin("POST", "/corrections", json={"movement": charge["id"], "charged_usd": 0.5, "note": "as billed"})
    assert (made.status, made.json["spent_usd"], made.json["remaining_usd"]) == (201, 0.5, 7.83)
    correction, before = await ada.movements()
    assert before == charge
    assert (correction["kind"], correction["usd"], correction["corrects"], correction["actor"]) == (
        "correction",
        -2.5,
        charge["id"],
        "admin",
    )
    again = await ada.admin("POST", "/corrections", json={"movement": charge["id"], "charged_usd": 0.5, "note": "as billed"})
    assert (again.status, again.error["code"]) == (409, "conflict")
    too_much = await ada.admin("POST", "/corrections", json={"movement": charge["id"], "charged_usd": 9, "note": "as billed"})
    assert (too_much.status, "limit" in too_much.error["message"]) == (409, True)
    assert (await ada.api.ask("GET", "/v1/budget/verify")).json == {"differences": []}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"movement": 1, "charged_usd": 1}, 422, "note"),
        ({"movement": 1, "charged_usd": 1, "note": ""}, 422, "note"),
        ({"movement": 1, "charged_usd": -1, "note": "x"}, 422, "charged_usd"),
        ({"movement": 0, "charged_usd": 1, "note": "x"}, 422, "movement"),
        ({"movement": "1", "charged_usd": 1, "note": "x"}, 422, "movement"),
        ({"charged_usd": 1, "note": "x"}, 422, "movement"),
        ({"movement": 2**62, "charged_usd": 1, "note": "x"}, 404, None),
    ],
)
async def test_a_correction_that_cannot_be_is_refused_by_name(ada: Spender, body: dict[str, Any], status: int, param: str | None) -> None:
    refused = await ada.admin("POST", "/corrections", json=body)
    assert (refused.status, refused.error["param"]) == (status, param)


async def test_only_an_admin_corrects(ada: Spender) -> None:
    body = {"movement": 1, "charged_usd": 0, "note": "mine"}
    assert (await ada.api.ask("POST", f"/v1/budgets/{ada.name}/corrections", key=ada.key, json=body)).status == 403
