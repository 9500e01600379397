"""Holds and settlements. A hold is granted only where spent + held + worst case ≤ limit, of the developer, the team and the key together.

It is durable before this returns, and ends once. Many in flight share statements, which weakens nothing: see sql/budget_hold.sql.
Knows no provider and no HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog

from app import clock
from app.budget.holds import Attempt, Estimate, Headroom, Hold, Payer, Settlement
from app.budget.ledger_rows import end_row, hold_row, payer_row, refusal, remaining
from app.budget.periods import Calendar
from app.budget.prices import Price
from app.budget.shrink import shrink
from app.budget.standing_limits import MAX_AMOUNT
from app.errors import BudgetExceeded, CairnError, Conflict, DatabaseUnavailable, InvalidInput
from app.storage import statements
from app.storage.direct import DedicatedConnection
from app.storage.grouped import GroupCommit
from app.telemetry import metrics, traces

log = structlog.get_logger()

MAX_IN_A_STATEMENT = 128
SHRINK_TRIES = 4
UNWRITABLE = "its settlement could not be written"
HOLD, SETTLE = "select budget_hold($1::jsonb)", "select budget_settle($1::jsonb)"
HEADROOM = statements.load("budget", "headroom")

Opened = Callable[[Payer, datetime], Coroutine[Any, Any, None]]
"""Create the balances of a payer's period where they are missing."""
Watched = Callable[[Sequence[dict[str, Any]], Sequence[dict[str, Any]]], None]
"""Called after each batch of settlements with the balances that changed and the holds that ended (`BudgetFacts.record`). Must not block."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """An end of a hold, as a row for `budget_settle`."""

    id: UUID
    row: dict[str, Any]


class Ledger:
    """Grants holds and settles them, many to a statement; keeps what PostgreSQL could not take until it can."""

    def __init__(
        self,
        *,
        holds: DedicatedConnection,
        endings: DedicatedConnection,
        calendar: Calendar,
        process_id: UUID,
        open_period: Opened,
        watch: Watched,
        timeout_seconds: float,
    ) -> None:
        self._holds = holds
        self._endings = endings
        self._calendar = calendar
        self._process_id = process_id
        self._open_period = open_period
        self._watch = watch
        self.timeout_seconds = timeout_seconds
        """Seconds that a caller waits until a hold is durable; then it is refused."""
        self._holding = GroupCommit(self._hold_batch, max_weight=MAX_IN_A_STATEMENT, name="holds")
        self._ending = GroupCommit(self._settle_batch, max_weight=MAX_IN_A_STATEMENT, name="settlements")
        self._headrooms = GroupCommit(self._headroom_batch, max_weight=MAX_IN_A_STATEMENT, name="headrooms")
        self._opening: dict[tuple[Payer, datetime], asyncio.Task[None]] = {}
        self._open: set[UUID] = set()
        """Holds that were granted and whose end isn't written. One that is open in PostgreSQL alone was never used: `release_strays`."""
        self._unwritten: dict[UUID, _Ending] = {}
        """Endings that PostgreSQL couldn't take: written by `catch_up` once it is back. If we die before, the sweep finds their holds."""
        self._last_end: dict[UUID, asyncio.Future[int | None]] = {}
        """By developer and by key: the end that was submitted last and isn't written. Those before it are written before it."""

    async def hold(self, payer: Payer, attempt: Attempt, estimate: Estimate) -> Hold:
        """Reserve the worst case of one attempt.

        BudgetExceeded says what is left; DatabaseUnavailable if it can't be made durable in time: then nothing may be sent.
        Conflict if the attempt has a hold already: no two calls share one, so request ids are the server's own.
        A refusal is final only once the developer's and the key's ends that are being written are written: they free what they don't use.
        """
        if not (0 <= estimate.nanousd <= MAX_AMOUNT and 0 <= estimate.tokens <= MAX_AMOUNT):
            raise InvalidInput(f"A call of {estimate.tokens:,} tokens is too large for the ledger: lower max_tokens.", param="max_tokens")
        try:
            with traces.span("budget hold"):
                async with asyncio.timeout(self.timeout_seconds):
                    under_way = [end for each in _ending_with(payer) if (end := self._last_end.get(each)) is not None]
                    try:
                        hold = await self._granted(payer, attempt, estimate)
                    except BudgetExceeded:
                        if not under_way:
                            raise
                        await asyncio.wait(under_way)
                        hold = await self._granted(payer, attempt, estimate)
        except TimeoutError:
            metrics.hold_asked("failed")
            raise DatabaseUnavailable(
                "The database did not answer in time, so the call's cost could not be reserved. Nothing was sent to a provider. Try again."
            ) from None
        except CairnError as error:
            metrics.hold_asked("refused" if isinstance(error, BudgetExceeded) else "failed")
            raise
        metrics.hold_asked("granted")
        return hold

    async def hold_affordable(
        self, payer: Payer, attempt: Attempt, estimate: Estimate, *, price: Price, min_tokens: int
    ) -> tuple[Hold, Estimate]:
        """Hold an attempt, near the limit with fewer output tokens: the `max_tokens` of the estimate returned must be sent.

        BudgetExceeded if fewer than `min_tokens` are affordable. Tried again, since others spend meanwhile, and a call that is refused
        for dollars may be refused for tokens next.
        """
        for _ in range(SHRINK_TRIES - 1):
            try:
                return await self.hold(payer, attempt, estimate), estimate
            except BudgetExceeded as refused:
                unit = "affordable_nanousd" if refused.unit == "nanousd" else "affordable_tokens"
                smaller = shrink(estimate, price=price, min_tokens=min_tokens, **{unit: refused.left})
                if smaller is None:
                    raise
                estimate = smaller
        return await self.hold(payer, attempt, estimate), estimate

    async def headroom(self, payer: Payer) -> Headroom:
        """Read what is left of the payer's budgets this month. DatabaseUnavailable if PostgreSQL doesn't answer in time."""
        while True:
            period = self._calendar.month_of(clock.now())
            # Shielded: whoever leaves while it is asked must not end the connection that everybody's holds go over.
            found = await asyncio.shield(self._headrooms.submit((payer, period.start)))
            if found["open"]:
                return Headroom(found["nanousd"], found["tokens"])
            await self._ensure_open(payer, period.start)

    async def settle(self, hold: Hold, settlement: Settlement) -> int | None:
        """Charge an attempt's real cost, at most its hold: a higher cost is marked `overrun`. Idempotent.

        Returns what the developer has left, in nano-dollars; None: no limit, or not known yet.
        """
        usage = settlement.usage
        return await self._end(
            hold,
            kind="settle",
            mark=settlement.mark,
            nanousd=settlement.nanousd,
            tokens=usage.total,
            input_tokens=usage.input,
            output_tokens=usage.output,
            cached_input_tokens=usage.cached_input,
            cache_write_tokens=usage.cache_write,
            provider=settlement.provider,
            model=settlement.model,
            price=None if settlement.price is None else settlement.price.as_record(usage),
            note=settlement.note,
        )

    async def release(self, hold: Hold) -> None:
        """Release a hold without a charge: nothing was sent, or the provider answered with an error. Idempotent."""
        await self._end(hold, kind="release")

    async def mark_unreconciled(self, hold: Hold, note: str) -> None:
        """Leave a hold charged at its estimate until it is reconciled: its outcome is unknown (a timeout, a cut). Idempotent."""
        await self._end(hold, kind="unreconciled", note=note)

    async def mark_all_unreconciled(self, holds: Sequence[UUID], note: str) -> None:
        """Leave holds of other processes charged until they are reconciled. DatabaseUnavailable if that could not be written."""
        rows = [end_row(hold, kind="unreconciled", note=note) for hold in holds]
        await self._endings.value(SETTLE, json.dumps(rows))

    async def reconcile(self, holds: Sequence[UUID], *, nanousd: int | None, actor: str, note: str | None) -> int:
        """Close unreconciled holds at `nanousd` each; None: without a charge. Returns how many were still open."""
        ending: dict[str, Any] = {"kind": "release"} if nanousd is None else {"kind": "settle", "nanousd": nanousd, "tokens": 0}
        rows = [end_row(hold, **ending, actor=actor, note=note) for hold in holds]
        answer = json.loads(await self._endings.value(SETTLE, json.dumps(rows)))
        self._watch(answer["balances"], answer["ended"])
        return len(answer["ended"])

    async def release_strays(self, open_ones: Sequence[UUID]) -> int:
        """Release those of this process's holds that are open in PostgreSQL but that no caller has. Returns how many.

        PostgreSQL granted them without its answer arriving, so nothing was sent.
        """
        strays = [hold for hold in open_ones if hold not in self._open]
        for hold in strays:
            self._submit(hold, kind="release")
        return len(strays)

    async def flush(self) -> None:
        """Wait until the ends that were submitted so far are written: a budget that is read then includes them."""
        if under_way := set(self._last_end.values()):
            await asyncio.wait(under_way)

    async def catch_up(self) -> int:
        """Write the ends that PostgreSQL could not take. Returns how many still wait."""
        waiting = list(self._unwritten.values())
        for start in range(0, len(waiting), MAX_IN_A_STATEMENT):
            await self._settle_batch(waiting[start : start + MAX_IN_A_STATEMENT])
        return len(self._unwritten)

    async def close(self) -> None:
        """Wait for the holds and ends under way, then write the ends that PostgreSQL could not take."""
        await self._holding.finish()
        await self._ending.finish()
        if self._unwritten:
            await self.catch_up()

    def _wanted(self, payer: Payer, attempt: Attempt, estimate: Estimate) -> Hold:
        moment = clock.now()
        period = self._calendar.month_of(moment)
        return Hold(uuid4(), payer, attempt, estimate.nanousd, estimate.tokens, period.start, self._calendar.day_of(moment))

    async def _granted(self, payer: Payer, attempt: Attempt, estimate: Estimate) -> Hold:
        while True:
            wanted = self._wanted(payer, attempt, estimate)
            asking = self._holding.submit(wanted)
            try:
                hold = await asyncio.shield(asking)
            except asyncio.CancelledError:
                asking.add_done_callback(self._release_unclaimed)
                raise
            if hold is not None:
                return hold
            await self._ensure_open(payer, wanted.period_start)

    async def _ensure_open(self, payer: Payer, period_start: datetime) -> None:
        """Create the balances of a new month once (single flight): it begins for hundreds of calls at the same time."""
        key = payer, period_start
        if key not in self._opening:
            self._opening[key] = task = asyncio.create_task(self._open_period(payer, period_start), name="open period")
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        await asyncio.shield(self._opening[key])

    def _release_unclaimed(self, asking: asyncio.Future[Hold | None]) -> None:
        """Release a hold whose requester left before it was granted."""
        if not asking.cancelled() and asking.exception() is None and (hold := asking.result()) is not None:
            self._submit(hold.id, kind="release")

    async def _end(self, hold: Hold, **fields: Any) -> int | None:
        """Submit an end and wait for it. It is written even if the caller is cancelled meanwhile."""
        end = self._submit(hold.id, **fields)
        for subject in _ending_with(hold.payer):
            self._last_end[subject] = end
        end.add_done_callback(partial(self._ended, hold.payer))
        return await asyncio.shield(end)

    def _ended(self, payer: Payer, end: asyncio.Future[int | None]) -> None:
        for subject in _ending_with(payer):
            if self._last_end.get(subject) is end:
                del self._last_end[subject]

    def _submit(self, hold_id: UUID, **fields: Any) -> asyncio.Future[int | None]:
        return self._ending.submit(_Ending(hold_id, end_row(hold_id, **fields)))

    async def _headroom_batch(self, asked: Sequence[tuple[Payer, datetime]]) -> Sequence[dict[str, Any]]:
        rows = [{"place": place, **payer_row(payer), "period_start": start.isoformat()} for place, (payer, start) in enumerate(asked)]
        found: list[dict[str, Any]] = json.loads(await self._holds.value(HEADROOM, json.dumps(rows)))
        return found

    async def _hold_batch(self, wanted: Sequence[Hold]) -> Sequence[Hold | Exception | None]:
        batch = json.dumps([hold_row(place, each, process_id=self._process_id) for place, each in enumerate(wanted)])
        try:
            answer = json.loads(await self._holds.value(HOLD, batch))
        except asyncpg.PostgresError:
            if len(wanted) == 1:
                raise
            return [await self._alone(each) for each in wanted]
        refused = {each["id"]: each for each in answer["refused"]}
        return [self._answered(each, answer["granted"], refused) for each in wanted]

    async def _alone(self, wanted: Hold) -> Hold | Exception | None:
        """One that PostgreSQL can't read must not refuse the others of its batch."""
        try:
            return (await self._hold_batch([wanted]))[0]
        except Exception as error:  # noqa: BLE001 - it is this one's answer
            return error

    def _answered(self, wanted: Hold, granted: dict[str, int | None], refused: dict[str, Any]) -> Hold | Exception | None:
        if (no := refused.get(str(wanted.id))) is not None:
            return None if no.get("missing") else refusal(wanted, no, resets_at=self._calendar.month_of(clock.now()).end)
        if str(wanted.id) in granted:
            self._open.add(wanted.id)
            return replace(wanted, left=granted[str(wanted.id)])
        return Conflict(
            f"The money for attempt {wanted.attempt.number} of request {wanted.attempt.request_id} is already reserved, so the "
            "attempt isn't started twice. Send the call again as a new request."
        )

    async def _settle_batch(self, endings: Sequence[_Ending]) -> Sequence[int | None]:
        rows = [each.row | {"place": place} for place, each in enumerate(endings)]
        try:
            answer = json.loads(await self._endings.value(SETTLE, json.dumps(rows)))
        except DatabaseUnavailable as error:
            self._keep(endings)
            log.warning("budget.settlements_wait", count=len(endings), code=error.code)
            return [None] * len(endings)
        except asyncpg.PostgresError:
            if len(endings) > 1:  # one that PostgreSQL can't take must not lose the others of its batch
                return [left for each in endings for left in await self._settle_batch([each])]
            (ending,) = endings
            log.exception("budget.settlement_refused", hold=str(ending.id), kind=ending.row["kind"])
            self._unwritten.pop(ending.id, None)
            if ending.row["kind"] == "unreconciled":
                return [None]  # it stays held as long as we live, then the sweep finds it
            return await self._settle_batch([_Ending(ending.id, end_row(ending.id, kind="unreconciled", note=UNWRITABLE))])
        for each in endings:
            self._open.discard(each.id)
            if self._unwritten.get(each.id) is each:
                del self._unwritten[each.id]
        self._watch(answer["balances"], answer["ended"])
        left = {row["subject_id"]: remaining(row) for row in answer["balances"]}
        ended = {end["id"]: left.get(end["developer_id"]) for end in answer["ended"]}
        return [ended.get(str(each.id)) for each in endings]

    def _keep(self, endings: Sequence[_Ending]) -> None:
        """Keep ends until PostgreSQL can take them. A hold's first final end stands, as it does in PostgreSQL."""
        for each in endings:
            if (kept := self._unwritten.get(each.id)) is None or kept.row["kind"] == "unreconciled":
                self._unwritten[each.id] = each


def _ending_with(payer: Payer) -> tuple[UUID, ...]:
    """Return whose refusals wait for this payer's ends: an admin's key may pay for several developers."""
    return (payer.developer_id,) if payer.key_id is None else (payer.developer_id, payer.key_id)
