"""An answer is one operation: who pays for a model's, and that the whole is counted once, with what was away."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.accounts.requester import Requester
from app.errors import InvalidInput, NotPermitted
from app.knowledge.answering.composed import Composed, Sentence
from app.knowledge.results import Query, SearchResults
from app.services.answers import begin_answer
from app.telemetry import metrics

TEAM, OTHER = uuid4(), uuid4()
ADA = Requester(TEAM, "core", uuid4(), "ada", uuid4())
ADMIN = Requester(TEAM, "core", role="admin")


def services(
    *,
    model: str = "auto",
    developer_of: UUID = TEAM,
    role: str = "developer",
    disabled_at: datetime | None = None,
    composed: Composed | None = None,
) -> Any:
    async def find(requester: Requester, query: Query) -> SearchResults:
        return SearchResults((), 20.0, ())

    async def find_developer(name: str) -> Any:
        return SimpleNamespace(id=uuid4(), name=name, team_id=developer_of, team="core", role=role, disabled_at=disabled_at)

    async def compose(question: str, results: object, writer: object) -> Composed:
        return composed or Composed(())

    async def stream(question: str, results: object, writer: object) -> AsyncGenerator[Sentence | Composed]:
        yield Sentence("One.", (1,))
        yield composed or Composed(())

    return SimpleNamespace(
        knowledge=SimpleNamespace(reader=SimpleNamespace(find=find), answering=SimpleNamespace(compose=compose, stream=stream)),
        accounts=SimpleNamespace(find_developer=find_developer),
        settings=SimpleNamespace(knowledge=SimpleNamespace(answer_model=model)),
    )


@pytest.mark.parametrize(
    ("requester", "model", "may_write", "asks"),
    [
        (ADA, "auto", True, True),
        (ADA, "", True, False),
        (ADA, "auto", False, False),
        (ADMIN, "auto", True, False),
        (Requester(TEAM, "core", role="admin", acts_for="ada"), "auto", True, True),
        (Requester(TEAM, "core", uuid4(), "otto", uuid4(), role="auditor"), "auto", True, False),
        (Requester(TEAM, "core", uuid4(), "grace", uuid4(), role="admin"), "auto", True, True),
    ],
    ids=["a developer", "no model", "may not", "nobody pays", "an admin who names one", "a role without calls", "an admin in person"],
)
async def test_a_model_is_asked_only_where_somebody_pays(requester: Requester, model: str, may_write: bool, asks: bool) -> None:
    pending = await begin_answer(services(model=model), requester, Query("why"), may_write=may_write)
    assert (pending.asks_model, pending.receipt) == (asks, None)


async def test_an_admin_names_a_developer_of_the_team_that_is_asked() -> None:
    with pytest.raises(InvalidInput, match="isn't of the team") as refused:
        await begin_answer(services(developer_of=OTHER), Requester(TEAM, "core", role="admin", acts_for="ada"), Query("why"))
    assert refused.value.param == "x-cairn-developer"


async def test_an_admin_cannot_let_an_auditor_pay() -> None:
    with pytest.raises(NotPermitted, match="ada has the role auditor"):
        await begin_answer(services(role="auditor"), Requester(TEAM, "core", role="admin", acts_for="ada"), Query("why"))


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_is_counted_once_with_what_was_away(monkeypatch: pytest.MonkeyPatch, streamed: bool) -> None:
    counted: list[dict[str, Any]] = []
    monkeypatch.setattr(metrics, "query_answered", lambda **figures: counted.append(figures))
    pending = await begin_answer(services(composed=Composed((), degraded=("model",))), ADA, Query("why"))
    assert counted == []
    if streamed:
        assert [type(part) for part in [each async for each in pending.stream()]] == [Sentence, Composed]
    else:
        await pending.compose()
    assert counted == [{"results": 0, "degraded": True, "seconds": 0.02}]


async def test_nothing_is_charged_to_a_developer_who_is_disabled() -> None:
    with pytest.raises(NotPermitted, match="ada is disabled"):
        await begin_answer(services(disabled_at=datetime.now(UTC)), Requester(TEAM, "core", role="admin", acts_for="ada"), Query("why"))
