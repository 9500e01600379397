"""A session is distilled part by part: each is stored with its checkpoint before the next is asked about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app import clock
from app.errors import VectorStoreUnavailable
from app.knowledge.distillation.material import Batch
from app.knowledge.distillation.projection import DistillationProjection
from app.knowledge.item import ItemCandidate
from app.knowledge.reconciliation import ReconcileCounts
from app.sessions.event import Event
from app.sessions.projections import ProjectionPaused
from app.telemetry import metrics
from tests.unit.knowledge.distillation.replies import item, reply
from tests.unit.knowledge.sessions import events

LESSONS = [f"The gateway of region {name} listens on port {port}, since the mesh reserves the other ports there." for name, port in
           [("ada", 8443), ("bob", 9443), ("eve", 7443)]]  # fmt: skip


class Journal:
    def __init__(self, given: Sequence[Event]) -> None:
        self._given = given
        self.read = 0

    async def numbered(self, session_id: Any, *, until: int, max_output_chars: int) -> AsyncIterator[tuple[int, Event]]:
        self.read += 1
        for seq, event in enumerate(self._given[:until], 1):
            yield seq, event


class Model:
    """Distils each first passage of a batch as it is. `fails`: at the call of this number, from 1."""

    def __init__(self, *, fails: int | None = None, says: str | None = "") -> None:
        self.asked: list[str] = []
        self._fails = fails
        self._says = says

    async def ask(self, session: Any, batch: Batch) -> str | None:
        if len(self.asked) + 1 == self._fails:
            raise ProjectionPaused("used up", until=session.at)
        self.asked.append(batch[0].text)
        return reply(item(batch[0].text, (1, batch[0].text))) if self._says == "" else self._says


class Writer:
    """`away`: the index is, so that nothing could be written."""

    def __init__(self) -> None:
        self.written: list[tuple[list[str], frozenset[str]]] = []
        self.away = False

    async def require_index(self) -> None:
        if self.away:
            raise VectorStoreUnavailable("away")

    async def write(
        self, session: Any, candidates: Sequence[ItemCandidate], checkpointed: Any, *, other_events: Collection[str]
    ) -> ReconcileCounts:
        self.written.append(([each.text for each in candidates], frozenset(other_events)))
        await checkpointed(None)
        return ReconcileCounts(new=len(candidates), mark=len(self.written))


class Bench:
    def __init__(self, model: Model, *, waits: Sequence[bool] = (), lessons: Sequence[str] = LESSONS) -> None:
        given = events(*(("say", each) for each in lessons))
        self.model, self.writer, self.checkpoints = model, Writer(), list[int | None]()
        self.journal = Journal(given)
        waiting = iter(waits)

        async def must_yield() -> bool:
            return next(waiting, False)

        self.projection = DistillationProjection(
            journal=self.journal,  # type: ignore[arg-type]
            writer=self.writer,  # type: ignore[arg-type]
            calls=model,  # type: ignore[arg-type]
            batch_tokens=25,
            must_yield=must_yield,
        )
        self.session: Any = SimpleNamespace(id=uuid4(), event_count=len(given), revision=1, at=clock.now())

    async def project(self, after: int = 0) -> Any:
        async def checkpointed(connection: Any, seq: int | None = None) -> None:
            self.checkpoints.append(seq)

        return await self.projection.project(self.session, after, checkpointed)


async def test_each_part_is_asked_about_stored_and_checkpointed_in_turn() -> None:
    bench = Bench(Model())
    projected = await bench.project()
    assert bench.model.asked == LESSONS
    assert bench.writer.written == [([LESSONS[n]], {"e0", "e1", "e2"} - {f"e{n}"}) for n in range(3)]
    assert bench.checkpoints == [1, 2, None]
    assert (projected.mark, projected.counts["new"]) == (3, 3)


async def test_what_was_stored_before_the_budget_ended_stays_and_is_not_asked_again() -> None:
    bench = Bench(Model(fails=3))
    with pytest.raises(ProjectionPaused):
        await bench.project()
    assert bench.checkpoints == [1, 2]
    bench.model._fails = None
    await bench.project(after=2)
    assert bench.model.asked == LESSONS
    assert bench.checkpoints == [1, 2, None]


async def test_it_yields_to_waiting_jobs_after_a_part_and_never_before_the_first() -> None:
    bench = Bench(Model(), waits=[True, True])
    with pytest.raises(ProjectionPaused, match="Other jobs wait"):
        await bench.project()
    assert bench.checkpoints == [1]
    with pytest.raises(ProjectionPaused, match="Other jobs wait"):
        await bench.project(after=1)
    await bench.project(after=2)
    assert bench.model.asked == LESSONS
    assert bench.checkpoints == [1, 2, None]
    assert bench.journal.read == 1


async def test_a_session_that_changed_while_it_gave_way_is_read_again() -> None:
    bench = Bench(Model(), waits=[True])
    with pytest.raises(ProjectionPaused, match="Other jobs wait"):
        await bench.project()
    bench.session.revision += 1
    await bench.project(after=1)
    assert (bench.model.asked, bench.journal.read) == (LESSONS, 2)


@pytest.mark.parametrize("says", ["", None, "nonsense", "{}", '{"items": [1, 2]}'])
async def test_a_useless_reply_ends_its_part_without_items_and_is_not_asked_again(says: str | None) -> None:
    bench = Bench(Model(says=says or None if says != "" else "  "))
    projected = await bench.project()
    assert bench.checkpoints == [1, 2, None]
    assert projected.counts["new"] == 0


async def test_nothing_is_asked_while_what_it_answers_could_not_be_stored() -> None:
    bench = Bench(Model())
    bench.writer.away = True
    with pytest.raises(VectorStoreUnavailable):
        await bench.project()
    assert (bench.model.asked, bench.checkpoints) == ([], [])


async def test_a_session_without_dialogue_costs_no_call_and_withdraws_what_was_there() -> None:
    bench = Bench(Model(), lessons=[])
    await bench.project()
    assert (bench.model.asked, bench.checkpoints, bench.writer.written) == ([], [None], [([], frozenset())])


async def test_calls_and_items_are_counted_by_their_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    items: list[dict[str, int]] = []
    monkeypatch.setattr(metrics, "distillation_call", calls.append)
    monkeypatch.setattr(metrics, "distilled", lambda counts: items.append(dict(counts)))
    await Bench(Model(), lessons=LESSONS[:1]).project()
    await Bench(Model(says="nonsense"), lessons=LESSONS[:1]).project()
    await Bench(Model(says=None), lessons=LESSONS[:1]).project()
    await Bench(Model(says='{"items": [1]}'), lessons=LESSONS[:1]).project()
    assert calls == ["answered", "unreadable", "refused", "answered"]
    assert items == [{"kept": 1}, {"kept": 0}, {"kept": 0, "malformed": 1}]
