"""Where sessions come from, as it is stored: projects told apart, dates that are their own, copies that confirm nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.views import OpennessChange
from app.errors import Conflict, InvalidInput, NotFound, NotPermitted
from app.knowledge.results import Query
from app.queue.jobs import Queue
from app.sessions.event import GivenTranscript
from app.sessions.intake import Intake
from app.sessions.session import Session
from app.settings import Settings
from app.telemetry import metrics
from tests.integration.knowledge.conftest import Bench

LONG = (
    "The root cause is that `FakeClock.advance()` runs before the subscription is made. The fix is to await `bus.ready()` in `conftest.py`."
)


@pytest.fixture
def queue(bench: Bench) -> Queue:
    return Queue(bench.database, Settings().worker)


@pytest.fixture
def intake(bench: Bench, queue: Queue) -> Intake:
    return bench.intake(queue)


async def ingest(
    bench: Bench,
    queue: Queue,
    intake: Intake,
    *records: dict[str, Any],
    name: str = "t.jsonl",
    developer_id: UUID | None = None,
    modified_at: datetime | None = None,
    body: str | None = None,
    directory: str | None = None,
) -> dict[str, Any]:
    async def stream() -> AsyncIterator[bytes]:
        yield (body or "".join(json.dumps(each) + "\n" for each in records)).encode()

    async def progress(done: int, total: int) -> None: ...

    given = GivenTranscript(name, modified_at=modified_at, directory=directory)
    await intake.submit(bench.requester(developer_id), stream(), given, limit=10**8)
    job = await queue.claim("w", ("ingest",))
    assert job is not None
    done = await intake.ingest(job, progress)
    async with queue.begin() as connection:
        await queue.finish(connection, job, done.result)
        if done.closing is not None:
            await done.closing(connection)
    return done.result


def talk(session: str, cwd: str | None = None, said: str = LONG, **facts: object) -> list[dict[str, Any]]:
    return [
        {"id": f"{session}-1", "role": "user", "text": f"Why does {session} flake?", "session_id": session, "cwd": cwd, **facts},
        {"id": f"{session}-2", "role": "assistant", "text": said, "session_id": session},
    ]


async def sessions(bench: Bench) -> dict[str, Session]:
    return {each.external_id: each for each in await bench.listed()}


async def projects(bench: Bench) -> dict[str, str]:
    """Session → the name of its project."""
    found = await sessions(bench)
    names = {each.id: each.name for each in await bench.accounts.find_projects(bench.team_id)}
    return {name: names[each.project_id] for name, each in found.items()}


async def test_two_clients_folders_of_one_name_are_two_projects_shown_with_their_owners(bench: Bench, queue: Queue, intake: Intake) -> None:
    for session, cwd in (("a", "/home/dev/initech/backend"), ("b", "/home/dev/umbrella/backend"), ("c", "/home/eve/work/initech/backend")):
        await ingest(bench, queue, intake, *talk(session, cwd))
    assert await projects(bench) == {"a": "initech/backend", "b": "umbrella/backend", "c": "initech/backend"}


async def test_two_repositories_of_one_name_are_two_projects_and_one_in_two_spellings_is_one(
    bench: Bench, queue: Queue, intake: Intake
) -> None:
    urls = {"a": "git@example.org:initech/api.git", "b": "https://example.org/umbrella/api", "c": "https://ada:pw@example.org/Initech/api/"}
    for session, url in urls.items():
        await ingest(bench, queue, intake, *talk(session, "/w/anything", repository=url))
    assert await projects(bench) == {"a": "initech/api", "b": "umbrella/api", "c": "initech/api"}
    assert (await sessions(bench))["c"].repository == "https://example.org/Initech/api/"


async def test_a_repository_its_folder_and_its_worktrees_are_one_project(bench: Bench, queue: Queue, intake: Intake) -> None:
    await ingest(bench, queue, intake, *talk("folder", "/home/ada/till"))
    await ingest(
        bench, queue, intake, *talk("tool", "/Users/bob/.codex/worktrees/9f3a/till", repository="git@example.org:initech/till.git")
    )
    await ingest(bench, queue, intake, *talk("sibling", "/home/eve/till.worktrees/fix-2"))
    await ingest(bench, queue, intake, *talk("inner", "/home/eve/till/.claude/worktrees/x/web"))
    assert set((await projects(bench)).values()) == {"till"}


async def test_a_project_from_before_identities_is_taken_over_by_its_name(bench: Bench, queue: Queue, intake: Intake) -> None:
    await ingest(bench, queue, intake, *talk("a", "/home/ada/shop"))  # the bench made a project of this name
    assert (await sessions(bench))["a"].project_id == bench.project_id


async def test_a_session_is_dated_by_its_file_where_its_records_say_no_time_and_never_by_the_upload(
    bench: Bench, queue: Queue, intake: Intake
) -> None:
    modified = datetime(2024, 3, 2, tzinfo=UTC)
    await ingest(bench, queue, intake, *talk("named"), name="2025-01-15_10-22Z-flaky.jsonl", modified_at=modified)
    await ingest(bench, queue, intake, *talk("modified"), modified_at=modified)
    await ingest(bench, queue, intake, *talk("unknown"))
    await ingest(bench, queue, intake, *talk("told", timestamp="2025-02-01T00:00:00Z"), name="2025-01-15.jsonl")
    dated = {name: each.at for name, each in (await sessions(bench)).items()}
    assert dated == {
        "named": datetime(2025, 1, 15, 10, 22, tzinfo=UTC),
        "modified": modified,
        "unknown": None,
        "told": datetime(2025, 2, 1, tzinfo=UTC),
    }


async def test_a_citation_tells_the_sessions_date_or_none(bench: Bench, queue: Queue, intake: Intake) -> None:
    await ingest(bench, queue, intake, *talk("old"), name="2025-01-15.jsonl")
    (found,) = (await bench.search.query(bench.team_id, Query(LONG, kinds=("item",)))).results
    assert found.source.at == datetime(2025, 1, 15, tzinfo=UTC)
    await bench.purge.delete_session(bench.requester(), (await sessions(bench))["old"].id)
    await ingest(bench, queue, intake, *talk("undated"))
    (found,) = (await bench.search.query(bench.team_id, Query(LONG, kinds=("item",)))).results
    assert found.source.at is None


def claude(session: str, place: int, role: str, words: str, **more: object) -> dict[str, Any]:
    return {
        "type": role,
        "uuid": f"00000000-0000-4000-8000-0000000000{place:02}",
        "sessionId": session,
        "cwd": "/home/dev/shop",
        "timestamp": f"2026-09-02T09:{place:02}:00Z",
        "message": {"role": role, "content": words},
        **more,
    }


async def test_a_copy_of_a_session_confirms_nothing(bench: Bench, queue: Queue, intake: Intake) -> None:
    for session in ("original", "background"):
        records = [("user", "Why do the webhook tests flake?"), ("assistant", LONG), ("user", "Great, commit it.")]
        await ingest(bench, queue, intake, *(claude(session, place, *each) for place, each in enumerate(records, start=1)))
    items = await bench.items()
    assert items
    assert {count for _, _, count in items} == {1}


async def test_a_fork_may_be_anothers_and_what_it_replays_is_not_learnt_again(bench: Bench, queue: Queue, intake: Intake) -> None:
    await bench.accounts.create_developer("ada")
    await bench.accounts.create_developer("bob")
    ada, bob = [each.id for each in await bench.accounts.list_developers()]

    def codex(minute: int, kind: str, **payload: object) -> dict[str, Any]:
        return {"timestamp": f"2026-09-03T10:{minute:02}:00Z", "type": kind, "payload": payload}

    replayed = [("user_message", "Why does the nightly job hang?"), ("agent_message", LONG), ("user_message", "Great, that works.")]
    parent = [codex(0, "session_meta", id="parent", cwd="/home/dev/billing")]
    parent += [codex(1, "event_msg", type=kind, message=words) for kind, words in replayed]
    fork = [codex(20, "session_meta", id="fork", cwd="/home/dev/billing", forked_from_id="parent"), *parent]
    fork += [codex(21, "event_msg", type="user_message", message="And which queue?")]
    await ingest(bench, queue, intake, *parent, developer_id=ada)
    report = await ingest(bench, queue, intake, *fork, developer_id=bob)
    assert report["skipped"].get("session is another developer's") is None
    assert {name: each.developer_id for name, each in (await sessions(bench)).items()} == {"parent": ada, "fork": bob}
    assert {count for _, words, count in await bench.items() if "FakeClock" in words} == {1}


async def test_tokens_parents_and_files_come_back_from_the_journal(bench: Bench, queue: Queue, intake: Intake) -> None:
    edit = {"type": "tool_use", "id": "t", "name": "Edit", "input": {"file_path": "app/a.py", "old_string": "x", "new_string": "y"}}
    said = claude("s", 2, "assistant", "", parentUuid="p")
    said["message"] = {"role": "assistant", "content": [edit], "model": "m", "id": "m1", "usage": {"input_tokens": 4, "output_tokens": 2}}
    await ingest(bench, queue, intake, claude("s", 1, "user", "Fix it"), said)
    session = (await sessions(bench))["s"]
    _, tool = [each async for each in bench.journal.events(session.id)]
    assert (tool.files, tool.parent, tool.model) == (("app/a.py",), "p", "m")
    assert tool.usage is not None
    assert (tool.usage.input, tool.usage.output) == (4, 2)
    assert session.model == "m"


async def test_a_title_that_was_given_last_is_shown(bench: Bench, queue: Queue, intake: Intake) -> None:
    await ingest(bench, queue, intake, claude("s", 1, "user", "Fix it"))
    assert (await sessions(bench))["s"].title == "Fix it"
    title = {"type": "custom-title", "sessionId": "s", "customTitle": "The flaky webhook"}
    await ingest(bench, queue, intake, claude("s", 1, "user", "Fix it"), title)
    assert (await sessions(bench))["s"].title == "The flaky webhook"
    async with bench.database.begin() as connection:
        assert await connection.scalar(text("select count(*) from events")) == 1


async def project(bench: Bench, name: str) -> UUID:
    (found,) = await bench.accounts.find_projects(bench.team_id, name)
    return found.id


async def test_a_renamed_project_keeps_its_sessions_and_what_comes_later(bench: Bench, queue: Queue, intake: Intake) -> None:
    await ingest(bench, queue, intake, *talk("a", "/home/ada/till"))
    await bench.accounts.change_project(bench.team_id, await project(bench, "till"), name="checkout", openness=OpennessChange())
    await ingest(bench, queue, intake, *talk("b", "/home/bob/till"))
    assert await projects(bench) == {"a": "checkout", "b": "checkout"}
    with pytest.raises(Conflict, match="merge the two"):
        await bench.accounts.change_project(bench.team_id, await project(bench, "checkout"), name="shop", openness=OpennessChange())
    with pytest.raises(NotFound, match="cairn projects list"):
        await bench.accounts.change_project(uuid4(), await project(bench, "checkout"), name="mine", openness=OpennessChange())


async def test_a_merged_project_is_the_other_one_with_all_that_it_had_and_will_get(bench: Bench, queue: Queue, intake: Intake) -> None:
    await ingest(bench, queue, intake, *talk("a", "/home/ada/till"))
    await ingest(bench, queue, intake, *talk("b", "/home/ada/checkout", "We chose NATS over Kafka because one binary is enough for us."))
    till, checkout = await project(bench, "till"), await project(bench, "checkout")
    assert await bench.merging().merge(bench.team_id, till, checkout) == 1
    await bench.index.drain_to(2**62)
    await ingest(bench, queue, intake, *talk("c", "/home/bob/till"))
    assert set((await projects(bench)).values()) == {"checkout"}
    assert await project(bench, "till") == checkout
    found = (await bench.search.query(bench.team_id, Query(LONG, project="checkout", kinds=("item",)))).results
    assert any("FakeClock" in each.text for each in found)
    async with bench.database.begin() as connection:
        assert await connection.scalar(text("select count(*) from knowledge where project_id = :p"), {"p": till}) == 0
    with pytest.raises(InvalidInput, match="into itself"):
        await bench.merging().merge(bench.team_id, checkout, checkout)
    with pytest.raises(NotFound):
        await bench.merging().merge(bench.team_id, till, checkout)
    shop = await project(bench, "shop")
    await bench.merging().merge(bench.team_id, checkout, shop)
    assert await project(bench, "till") == shop


async def test_what_is_learnt_while_its_project_is_merged_is_learnt_in_the_one_that_stays(
    bench: Bench, queue: Queue, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, till = bench.store.known, "till"

    async def merged_first(session_id: UUID, *, distilled: bool) -> dict[str, tuple[str, str]]:
        monkeypatch.setattr(bench.store, "known", known)
        await bench.merging().merge(bench.team_id, await project(bench, till), await project(bench, "shop"))
        return await known(session_id, distilled=distilled)

    monkeypatch.setattr(bench.store, "known", merged_first)
    await ingest(bench, queue, intake, *talk("a", "/home/ada/till"))
    async with bench.database.begin() as connection:
        assert set(await connection.scalars(text("select project_id from knowledge"))) == {await project(bench, "shop")}


def aider(asked: str, answer: str = LONG) -> str:
    return f"\n# aider chat started at 2026-03-04 09:00:00\n\n> Aider v0.86.1  \n\n#### {asked}  \n\n{answer}\n"


async def test_histories_that_began_in_the_same_second_are_two_sessions_of_two_projects(bench: Bench, queue: Queue, intake: Intake) -> None:
    for client in ("initech", "umbrella"):
        await ingest(bench, queue, intake, body=aider(f"Why does {client} flake?"), directory=f"/home/dev/{client}/backend")
    found = await projects(bench)
    assert len(found) == 2
    assert sorted(found.values()) == ["initech/backend", "umbrella/backend"]


async def test_a_session_stored_under_a_former_identity_is_the_same_when_sent_again(bench: Bench, queue: Queue, intake: Intake) -> None:
    await ingest(bench, queue, intake, body=aider("Why does it flake?"))
    async with bench.database.begin() as connection:  # as an earlier Cairn stored it
        await connection.execute(text("update sessions set external_id = '2026-03-04 09:00:00'"))
    report = await ingest(bench, queue, intake, body=aider("Why does it flake?"))
    assert (report["events"]["new"], len(await bench.listed())) == (0, 1)
    await ingest(bench, queue, intake, body=aider("And why does that?"))
    assert len(await bench.listed()) == 2


async def test_a_former_identity_shared_with_another_session_takes_nothing_over(bench: Bench, queue: Queue, intake: Intake) -> None:
    await bench.accounts.create_developer("ada")
    await bench.accounts.create_developer("bob")
    ada, bob = [each.id for each in await bench.accounts.list_developers()]
    await ingest(bench, queue, intake, body=aider("Why does it flake?"), developer_id=ada)
    async with bench.database.begin() as connection:
        await connection.execute(text("update sessions set external_id = '2026-03-04 09:00:00'"))
    await ingest(bench, queue, intake, body=aider("Where is the clock?"), developer_id=ada)
    await ingest(bench, queue, intake, body=aider("Why does it flake?"), developer_id=bob)
    found = {each.title: each.developer_id for each in await bench.listed() if each.external_id != "2026-03-04 09:00:00"}
    assert found == {"Where is the clock?": ada, "Why does it flake?": bob}


async def test_a_file_of_anothers_sessions_alone_is_refused_not_done(bench: Bench, queue: Queue, intake: Intake) -> None:
    await bench.accounts.create_developer("ada")
    await bench.accounts.create_developer("bob")
    ada, bob = [each.id for each in await bench.accounts.list_developers()]
    await ingest(bench, queue, intake, *talk("s"), developer_id=ada)
    with pytest.raises(NotPermitted, match="belongs to another developer"):
        await ingest(bench, queue, intake, *talk("s"), developer_id=bob)


async def test_a_job_names_the_records_that_nobody_knows_and_a_metric_counts_them(bench: Bench, queue: Queue, intake: Intake) -> None:
    strange = {"type": "hologram", "sessionId": "s", "uuid": "u"}
    report = await ingest(bench, queue, intake, claude("s", 1, "user", "Fix it"), strange, strange)
    assert report["unknown"] == {"record: hologram": 2}
    shown = metrics.REGISTRY.get_sample_value(
        "cairn_transcript_unknown_records_total", {"format": "claude-code", "type": "record: hologram"}
    )
    assert shown is not None
    assert shown >= 2
