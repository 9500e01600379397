"""A process that pays as a server does, under a load that it is told: python -m tests.performance.payers (an order, as JSON, on stdin).

It says `ready`; the next line on stdin starts the load. It says what it measured, as JSON, once that is whole, and keeps the load up
until stdin ends: of several processes none is measured beside fewer others than the rest.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from uuid import UUID, uuid4

import uvloop

from app import settings as config
from app.accounts.accounts import Accounts
from app.alerts.budget_evaluator import announced_alerts
from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.ledger import Ledger
from app.budget.part import open_budget
from app.budget.prices import Price, TokenBounds, TokenUsage
from app.queue.outbox import Outbox
from app.redaction.labels import free_text
from app.services.monitoring import open_monitoring
from app.storage.database import Database
from app.supervision import Supervisor
from app.telemetry import logs

ESTIMATE = Estimate(TokenBounds(input_tokens=6, max_tokens=4), nanousd=1000)
SETTLEMENT = Settlement(TokenUsage(input=6, output=2), 500, "usage", Price(input=50_000_000, output=100_000_000), "fake", "fake-1")
WARM_UP_SECONDS = 5.0

Pay = Callable[[float], Coroutine[object, object, None]]


@dataclass(frozen=True, slots=True)
class Order:
    """The load: `at_once` in a closed loop, or (0) `rate` pairs a second, begun when they are due and whatever is still under way.

    `pairs` are counted after `warm_up` others; it ends after `seconds` at the latest.
    """

    url: str
    payers: list[tuple[str, str]]
    at_once: int
    rate: float
    warm_up: int
    pairs: int
    seconds: float
    seed: int = 0


@dataclass(slots=True)
class Measured:
    """Microseconds since each counted pair began: until its hold was granted, until its settlement was written."""

    order: Order
    opened: float = field(default_factory=time.perf_counter)
    since: float = 0.0
    until: float = 0.0
    begun: int = 0
    under_way: int = 0
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    holds: list[int] = field(default_factory=list)
    pairs: list[int] = field(default_factory=list)

    def begin(self, due: float) -> bool:
        """Whether the pair that begins now is counted. The first that no longer is shows that no more are to come."""
        order = self.order
        if not self.since:
            self.begun += 1
            if self.begun <= order.warm_up and due - self.opened < WARM_UP_SECONDS:
                return False
            self.since, self.begun = due, 0
        self.begun += 1
        counted = self.begun <= order.pairs and due - self.since < order.seconds
        self.under_way += counted
        if not counted and not self.under_way:
            self.whole.set()
        return counted

    def end(self, due: float, granted: float) -> None:
        self.until = time.perf_counter()
        self.holds.append(round((granted - due) * 1e6))
        self.pairs.append(round((self.until - due) * 1e6))
        self.under_way -= 1


async def main(order: Order) -> None:
    logs.configure(config.LogSettings(level="warning"), clean=free_text)
    async with AsyncExitStack() as stack:
        ledger = await _ledger(stack, order.url)
        payers = [Payer(UUID(developer), UUID(team)) for developer, team in order.payers]
        measured, chosen, stop = Measured(order), random.Random(order.seed), threading.Event()
        stack.callback(stop.set)

        async def pay(due: float) -> None:
            counted = measured.begin(due)
            hold = await ledger.hold(chosen.choice(payers), Attempt(uuid4().hex, 1, "fake", "fake-1"), ESTIMATE)
            granted = time.perf_counter()
            await ledger.settle(hold, SETTLEMENT)
            if counted:
                measured.end(due, granted)

        print("ready", flush=True)
        if not await asyncio.to_thread(sys.stdin.readline):
            return  # whoever ordered it is gone
        measured.opened = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(order.at_once):
                tasks.create_task(_one_after_the_other(pay, stop))
            if order.rate:
                tasks.create_task(_when_due(tasks, pay, order, stop))
            await measured.whole.wait()
            said = {"holds": measured.holds, "pairs": measured.pairs, "seconds": measured.until - measured.since}
            print(json.dumps(said), flush=True)
            await asyncio.to_thread(sys.stdin.read)
            stop.set()


async def _one_after_the_other(pay: Pay, stop: threading.Event) -> None:
    while not stop.is_set():
        await pay(time.perf_counter())


async def _when_due(tasks: asyncio.TaskGroup, pay: Pay, order: Order, stop: threading.Event) -> None:
    """As strangers come: independently of each other. Timed in a thread, since a loop's timers are a millisecond coarse."""
    loop = asyncio.get_running_loop()

    def begin(due: float) -> None:
        tasks.create_task(pay(due))

    def come() -> None:
        gaps, due = random.Random(order.seed), time.perf_counter()
        while not stop.is_set():
            due += gaps.expovariate(order.rate)
            time.sleep(max(0.0, due - time.perf_counter()))
            loop.call_soon_threadsafe(begin, due)

    await asyncio.to_thread(come)


async def _ledger(stack: AsyncExitStack, url: str) -> Ledger:
    """Open the ledger as the composition does: with its own two connections, its keeper and its alerts."""
    settings = config.load()
    database = await Database.open(settings.database, url, name="payers")
    stack.push_async_callback(database.close)
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=0)
    outbox = Outbox(database, settings.webhook)
    opening = open_budget(settings, database=database, url=url, accounts=accounts, read_alerts=announced_alerts)
    made, part = await stack.enter_async_context(opening)
    monitoring = open_monitoring(settings, "worker", database=database, accounts=accounts, outbox=outbox, budget=made)
    _, alerts = await stack.enter_async_context(monitoring)
    await stack.enter_async_context(Supervisor().run_loops([*part.loops, *alerts.loops]))
    return made.ledger


def as_line(order: Order) -> bytes:
    return json.dumps(asdict(order)).encode() + b"\n"


if __name__ == "__main__":
    uvloop.run(main(Order(**json.loads(sys.stdin.readline()))))
