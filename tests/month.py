"""A realistic month of a team, written through the ledger itself: each call is held and settled by its SQL functions, on its day.

What the ledger has no say in (when a row was written, the request log) is set beside it. Deterministic but for the calendar.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

from sqlalchemy import text

from app import clock
from app.accounts.views import DeveloperView
from app.alerts.rollup_values import CounterSum, Level, pack
from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from app.errors import BudgetExceeded
from app.services import Services
from app.telemetry.sketch import Sketch

NAMES = [
    "ada",
    "amir",
    "anke",
    "beatriz",
    "bjarne",
    "chen",
    "chiara",
    "dmitri",
    "elif",
    "emeka",
    "erik",
    "fatima",
    "freya",
    "gustavo",
    "hana",
    "hugo",
    "ines",
    "ivan",
    "jonas",
    "kamala",
    "kenji",
    "laila",
    "linus",
    "lucia",
    "mads",
    "mei",
    "milan",
    "nadia",
    "noor",
    "olu",
    "oskar",
    "petra",
    "priya",
    "ravi",
    "rosa",
    "sami",
    "tomas",
    "uma",
    "viktor",
    "yara",
]
MODELS = (
    ("groq", "llama-3.3-70b-versatile", 0.46),
    ("anthropic", "claude-sonnet-4-5", 0.26),
    ("openai", "gpt-4.1-mini", 0.18),
    ("gemini", "gemini-2.5-flash", 0.10),
)
PURPOSES, PROJECTS = ("chat", "review", "tests", "commit", "docs"), ("shop", "payments", "timetable", None)
AT_ONCE = 64
LIMITS = (8_330_000_000, 8_330_000_000, 8_330_000_000, 12_000_000_000, 5_000_000_000)


@dataclass(slots=True)
class Row:
    """A call to be made: who, when, what it takes."""

    developer: DeveloperView
    at: datetime
    provider: str
    model: str
    usage: TokenUsage
    purpose: str
    project: str | None
    fate: str


async def seed(services: Services, *, developers: int = 40, seed: int = 11) -> list[DeveloperView]:
    """This month until now, of so many developers of the team `default`."""
    chance = random.Random(seed)
    people = [await services.accounts.create_developer(name, monthly_limit_nanousd=chance.choice(LIMITS)) for name in NAMES[:developers]]
    now = clock.now()
    period = services.budget.spending.month()
    habits = {each.id: chance.lognormvariate(0.0, 0.5) for each in people}
    for day in services.budget.spending.days_of(period):
        morning = datetime.combine(day, time(7, 30), UTC)
        if morning > now:
            break
        workday = 1.0 if day.weekday() < 5 else 0.12
        rows = []
        for each in people:
            for _ in range(round(habits[each.id] * workday * chance.gauss(15, 5))):
                at = min(morning + timedelta(minutes=chance.triangular(0, 690, 200)), now - timedelta(seconds=chance.uniform(5, 3000)))
                rows.append(_row(chance, each, max(at, period.start)))
        with patch("app.clock.now", return_value=max(morning, period.start) + timedelta(hours=2)):
            for start in range(0, len(rows), AT_ONCE):
                batch = rows[start : start + AT_ONCE]
                made = await asyncio.gather(*(_made(services, row, chance.random()) for row in batch))
                await _logged(services, [each for each in made if each is not None])
    for each in people[:7]:  # under way
        with suppress(BudgetExceeded):
            attempt = Attempt(uuid4().hex, 1, "groq", "llama-3.3-70b-versatile")
            await services.budget.ledger.hold(Payer(each.id, each.team_id), attempt, Estimate(TokenBounds(9000, 1024), 61_000_000))
    admin = await services.accounts.acting_for("default")
    await services.budget.budgets.set_team_limits(admin, "default", {"nanousd": 300_000_000_000})
    await services.budget.budgets.top_up(admin, "ada", 2_000_000_000, note="the release")
    async with services.database.begin() as connection:
        # The ledger writes its own time: put it where the request log has it.
        await connection.execute(
            text(
                "update budget_movements m set at = r.at + make_interval(secs => r.milliseconds / 1000.0)"
                " from request_log r where r.request_id = m.request_id"
            )
        )
    return people


def _row(chance: random.Random, developer: DeveloperView, at: datetime) -> Row:
    provider, model, _ = chance.choices(MODELS, [each[2] for each in MODELS])[0]
    given = round(chance.lognormvariate(9.4, 0.6))
    usage = TokenUsage(
        input=given, output=round(chance.lognormvariate(7.1, 0.6)), cached_input=round(given * chance.choice((0, 0, 0.5, 0.8)))
    )
    fate = chance.choices(("fine", "cache", "fallback", "partial", "counted", "unknown"), (80, 11, 5, 2, 1.5, 0.3))[0]
    return Row(developer, at, provider, model, usage, chance.choices(PURPOSES, (40, 22, 18, 12, 8))[0], chance.choice(PROJECTS), fate)


async def _made(services: Services, row: Row, roll: float) -> dict[str, Any] | None:
    """Hold and settle, as the engine would; what the request log says of it."""
    ledger, request = services.budget.ledger, uuid4().hex
    price = services.budget.prices.price_of(row.model)
    cost = price.cost(row.usage)
    log = {
        "at": row.at, "request_id": request, "developer_id": row.developer.id, "team_id": row.developer.team_id, "purpose": row.purpose,
        "project": row.project, "model_asked": "auto", "provider": row.provider, "model_answered": row.model, "attempts": 1, "cache": "miss",
        "nanousd": cost, "saved_nanousd": 0, "milliseconds": round(400 + 9000 * roll**3), "status": 200,
    }  # fmt: skip
    if row.fate == "cache":
        tier = "memory" if roll < 0.7 else "database"
        return log | {"cache": tier, "attempts": 0, "nanousd": 0, "saved_nanousd": cost, "milliseconds": round(2 + 10 * roll)}
    payer, number = Payer(row.developer.id, row.developer.team_id), 1
    try:
        if row.fate == "fallback":
            first = "groq" if row.provider != "groq" else "openai"
            failed = await ledger.hold(
                payer, Attempt(request, 1, first, "llama-3.3-70b-versatile"), Estimate(TokenBounds(row.usage.input, 1024), cost)
            )
            await ledger.release(failed)
            number = 2
        estimate = Estimate(TokenBounds(row.usage.input, 1024), 2 * cost)
        hold = await ledger.hold(payer, Attempt(request, number, row.provider, row.model), estimate)
    except BudgetExceeded:
        return log | {"nanousd": 0, "status": 402, "provider": None, "model_answered": None, "milliseconds": 3}
    if row.fate == "unknown":
        await ledger.mark_unreconciled(hold, "timeout")
        return log | {"nanousd": 2 * cost, "status": 504, "model_answered": None}
    mark = row.fate if row.fate in {"partial", "counted"} else "usage"
    await ledger.settle(hold, Settlement(row.usage, cost, mark, price=price, provider=row.provider, model=row.model))  # type: ignore[arg-type]
    return log | {"attempts": number}


async def _logged(services: Services, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    names = ", ".join(rows[0])
    places = ", ".join(f":{name}" for name in rows[0])
    async with services.database.begin() as connection:
        await connection.execute(text(f"insert into request_log ({names}) values ({places})"), rows)


async def seed_measures(services: Services, *, hours: int = 24, seed: int = 3) -> None:
    """A day of roll-ups, as a server writes them by the minute."""
    chance = random.Random(seed)
    now = clock.now().replace(second=0, microsecond=0)
    source: UUID = uuid4()
    rows = []
    for back in range(hours * 60, 0, -1):
        at = now - timedelta(minutes=back)
        busy = max(0.08, 1 - abs(at.hour + at.minute / 60 - 13) / 7) * chance.uniform(0.8, 1.2)
        bump = 2.4 if 300 < back < 330 else 1.0

        def timing(middle: float, spread: float, times: float) -> Sketch:
            made = Sketch()
            for _ in range(max(1, round(times))):
                made.observe(chance.lognormvariate(0, spread) * middle)
            return made

        data: dict[str, Mapping[tuple[str, ...], Sketch | Level | CounterSum]] = {
            "inference.seconds": {(each,): timing(0.7 * bump, 0.5, 6 * busy) for each in ("groq", "anthropic")},
            "search.seconds": {(): timing(0.0085, 0.25, 12 * busy)},
            "embedding.seconds": {(): timing(0.0042, 0.3, 12 * busy)},
            "database.seconds": {("pool",): timing(0.0016 * bump, 0.5, 40 * busy)},
            "http.requests": {("api", "2xx"): CounterSum(round(140 * busy))},
            "cache.hits": {
                ("completions", "memory"): CounterSum(round(9 * busy)),
                ("completions", "database"): CounterSum(round(3 * busy)),
            },
            "cache.misses": {
                ("completions", "memory"): CounterSum(round(8 * busy)),
                ("completions", "database"): CounterSum(round(5 * busy)),
            },
            "queue.waiting": {(): _level(round(6 * busy * bump))},
            "queue.running": {(): _level(min(2, round(3 * busy)))},
            "pool.used": {(): _level(min(1.0, 0.12 * busy * bump))},
            "machine.cpu": {(): _level(min(1.0, 0.08 + 0.5 * busy * bump / 1.6))},
            "machine.memory": {(): _level(0.46 + 0.06 * busy)},
            "process.memory": {("serve",): _level(4.2e8)},
        }
        if back in {331, 297}:
            data["breaker.changes"] = {("groq", "open" if back == 331 else "closed"): CounterSum(1)}
        rows.append({"minute": at, "source": source, "role": "serve", "data": pack(data)})
    async with services.database.begin() as connection:
        await connection.execute(
            text("insert into rollup_minutes (minute, source, role, data) values (:minute, :source, :role, :data)"), rows
        )
        await connection.execute(
            text(
                "insert into alert_states (rule, key, labels, state, since, value, severity, summary) values"
                " ('breaker_open', 'groq', '{\"provider\": \"groq\"}', 'firing', :since, 1, 'warning', 'A provider''s breaker is open')"
            ),
            {"since": now - timedelta(minutes=4)},
        )


def _level(value: float) -> Level:
    made = Level()
    made.observe(value)
    return made
