"""Operations on knowledge, whoever calls them: who may, in whose name, and counted once. The room's own parts are stood in for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.requester import Requester
from app.errors import Conflict, NotFound, NotPermitted
from app.knowledge.edits import Author, ItemCorrection, ItemFields
from app.knowledge.item import ItemFilter
from app.knowledge.reader import KnowledgeReader
from app.knowledge.results import Query, SearchResults
from app.knowledge.writer import KnowledgeWriter
from app.telemetry import metrics

TEAM, ITEM = uuid4(), uuid4()
ADA = Requester(TEAM, "core", uuid4(), "ada", uuid4())
LEAD = Requester(TEAM, "core", uuid4(), "lea", uuid4(), role="lead")
AUDITOR = Requester(TEAM, "core", uuid4(), "otto", uuid4(), role="auditor")


class Part:
    """Notes each call, and gives what it was told to, or raises it."""

    def __init__(self, gives: object = None) -> None:
        self.gives = gives
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            self.calls.append((name, args, options))
            if isinstance(self.gives, Exception):
                raise self.gives
            return self.gives

        return call


class Room:
    """`parts` by the names under which the operations know them."""

    def __init__(self, **gives: object) -> None:
        reading = ("accounts", "search", "store", "passage_store", "browsing", "history", "briefing")
        self.parts = {name: Part(gives.get(name)) for name in (*reading, "authoring", "judging", "restoring", "curating", "deciding")}
        part: Any = self.parts
        self.reader = KnowledgeReader(**{name: part[name] for name in reading})
        writing = {name: part[name] for name in ("authoring", "judging", "restoring", "curating", "deciding", "store")}
        self.writer = KnowledgeWriter(self.reader, **writing)

    @property
    def touched(self) -> list[str]:
        return [name for name, part in self.parts.items() if part.calls]


WRITES: dict[str, Callable[[KnowledgeWriter, Requester], Awaitable[object]]] = {
    "record": lambda writer, asked: writer.record(asked, "shop", ItemFields("gotcha", "", "text")),
    "correct": lambda writer, asked: writer.correct(asked, ITEM, ItemCorrection(text="text")),
    "judge": lambda writer, asked: writer.judge(asked, ITEM, "wrong"),
    "restore": lambda writer, asked: writer.restore(asked, ITEM),
    "decide": lambda writer, asked: writer.decide(asked, ITEM, uuid4(), "both_hold"),
    "delete": lambda writer, asked: writer.delete(asked, ITEM),
}


REVIEWS: dict[str, Callable[[KnowledgeWriter, Requester], Awaitable[object]]] = {
    "keep": lambda writer, asked: writer.keep(asked, ITEM),
    "retire": lambda writer, asked: writer.retire(asked, ITEM),
    "merge": lambda writer, asked: writer.merge(asked, ITEM, uuid4()),
}


@pytest.mark.parametrize("requester", [ADA, AUDITOR], ids=["developer", "auditor"])
@pytest.mark.parametrize("review", REVIEWS.values(), ids=REVIEWS.keys())
async def test_only_a_lead_or_an_admin_reviews(
    review: Callable[[KnowledgeWriter, Requester], Awaitable[object]], requester: Requester
) -> None:
    room = Room()
    with pytest.raises(NotPermitted, match="Only a lead or an admin"):
        await review(room.writer, requester)
    assert room.touched == []


@pytest.mark.parametrize("name", REVIEWS)
async def test_a_passage_is_not_reviewed(name: str) -> None:
    gone: dict[str, object] = {part: NotFound("No such item.") for part in ("judging", "curating")}
    with pytest.raises(Conflict, match="passage"):
        await REVIEWS[name](Room(**gone).writer, LEAD)


async def test_what_is_kept_is_judged_helpful_and_restored_in_the_leads_name() -> None:
    room = Room(store=NotFound("gone since"))
    with pytest.raises(NotFound, match="gone since"):
        await room.writer.keep(LEAD, ITEM)
    lead = Author(TEAM, LEAD.developer_id, change_any=True)
    assert [call[1] for call in room.parts["judging"].calls] == [(lead, ITEM, "helpful")]
    assert [call[1] for call in room.parts["restoring"].calls] == [(lead, ITEM)]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
async def test_who_may_only_read_changes_nothing(write: Callable[[KnowledgeWriter, Requester], Awaitable[object]]) -> None:
    room = Room()
    with pytest.raises(NotPermitted, match="Your role can read"):
        await write(room.writer, AUDITOR)
    assert room.touched == []


async def test_who_may_only_read_reads() -> None:
    room = Room(search=SearchResults((), 1.0, ()))
    assert (await room.reader.search(AUDITOR, Query("why"))).abstained


async def test_a_question_is_asked_in_its_requesters_name_whatever_it_says() -> None:
    room = Room(search=SearchResults((), 1.0, ()))
    await room.reader.search(ADA, Query("why", asker=uuid4()))
    ((_, (team, query), _),) = room.parts["search"].calls
    assert (team, query.asker) == (TEAM, ADA.developer_id)


async def test_a_question_is_counted_once_by_the_operation_that_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[dict[str, Any]] = []
    monkeypatch.setattr(metrics, "query_answered", lambda **figures: counted.append(figures))
    room = Room(search=SearchResults((), 250.0, ("vectors",)))
    await room.reader.find(ADA, Query("why"))
    assert counted == []
    await room.reader.search(ADA, Query("why"))
    assert counted == [{"results": 0, "degraded": True, "seconds": 0.25}]


async def test_a_project_that_is_not_there_has_no_items() -> None:
    room = Room(accounts=None)
    page = await room.reader.list(ADA, ItemFilter(), project="nowhere", limit=5)
    assert (list(page.entries), page.next, room.touched) == ([], None, ["accounts"])


@pytest.mark.parametrize("name", ["correct", "judge", "restore", "decide", "delete"])
async def test_a_passage_is_refused_as_one_and_what_is_neither_is_not_found(name: str) -> None:
    gone: dict[str, object] = {part: NotFound("No such item.") for part in ("authoring", "judging", "restoring", "deciding", "store")}
    with pytest.raises(Conflict, match="passage"):
        await WRITES[name](Room(**gone).writer, ADA)
    with pytest.raises(NotFound, match="No such passage"):
        await WRITES[name](Room(**gone, passage_store=NotFound("No such passage.")).writer, ADA)


async def test_what_is_changed_is_changed_in_the_requesters_name() -> None:
    room = Room(store=NotFound("gone since"))
    with pytest.raises(NotFound, match="gone since"):
        await room.writer.judge(ADA, ITEM, "stale", "moved")
    ((_, args, _),) = room.parts["judging"].calls
    assert args == (Author(TEAM, ADA.developer_id), ITEM, "stale", "moved")
