"""Passages over a real journal: cut in increments, stored once, indexed, forgotten by a purge, merged with their project."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.knowledge import passage_store, passages_projection
from app.knowledge.passages import terms
from app.queue.jobs import Queue
from app.sessions.event import Event, ToolUse
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
TABLES = ("passages", "passage_places", "passage_cuts")


def prompt(number: int, words: str, **fields: Any) -> Event:
    return Event(f"e{number}", "user", "prompt", words, f"L{number}", **fields)


def reply(number: int, words: str, **fields: Any) -> Event:
    return Event(f"e{number}", "assistant", "reply", words, f"L{number}", **fields)


def command(number: int, said: str, output: str, code: int | None = 0) -> Event:
    outcome = "failed" if code else "ok"
    return Event(f"e{number}", "tool", "tool", "", f"L{number}", tool=ToolUse("Bash", said, output, code), outcome=outcome)  # type: ignore[arg-type]


async def no_progress(done: int, total: int) -> None:
    del done, total


def talk(count: int, *, about: str = "the gateway") -> list[Event]:
    """Questions and answers, each of its own words."""
    return [(prompt if n % 2 else reply)(n, f"Statement number {n} about {about} and port {8000 + n} of it.") for n in range(1, count + 1)]


async def ingest(bench: Bench, name: str, events: Sequence[Event], *, project: str = "shop") -> UUID:
    session = await bench.session(name, project=project)
    await bench.journal.append(session, list(events))
    await bench.bring_up(session)
    return session


async def rows(bench: Bench, query: str) -> list[tuple[Any, ...]]:
    async with bench.database.begin() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def state(bench: Bench) -> dict[str, list[tuple[Any, ...]]]:
    """All that passages are, without ids and times of their own."""
    places = (
        "select s.external_id, l.seq, l.number, l.ordinal, l.exchange, l.locator, l.at, l.role, l.kind, l.files, p.text, p.terms, p.late"
    )
    return {
        "places": await rows(bench, f"{places} from passage_places l join passages p on p.id = passage_id join sessions s on s.id = session_id order by 1, 2, 3"),
        "passages": await rows(bench, "select key, text, heading, tokens from passages order by key"),
        "cuts": await rows(bench, "select external_id, seq, state from passage_cuts join sessions on id = session_id order by 1, 2"),
    }  # fmt: skip


async def found(bench: Bench, words: str) -> list[str]:
    """The texts of the passages that the index finds by these words, in all projects of the team."""
    hits = await bench.vectors.lexical(terms.query(words), where={"team": str(bench.team_id), "type": "passage"}, limit=20)
    known = dict(await rows(bench, "select id, text from passages"))
    return [known[hit.id] for hit in hits]


async def test_what_is_said_is_stored_with_its_place_and_found(bench: Bench) -> None:
    events = [
        prompt(1, "Why does the payment worker time out?", at=NOON),
        command(2, "pytest tests/payments", "E   TimeoutError: pool exhausted after 30 s\n1 failed", 1),
        reply(3, "## Cause\n\nThe pool holds five connections; each refund keeps two of them.", at=NOON),
    ]
    session = await ingest(bench, "s", events)
    places = await rows(
        bench,
        "select seq, number, exchange, locator, role, kind, at, text, heading from passage_places join passages p on p.id = passage_id"
        " order by ordinal",
    )
    assert [(row[0], row[3], row[4], row[5]) for row in places] == [
        (1, "L1", "user", "said"),
        (2, "L2", "tool", "output"),
        (3, "L3", "assistant", "said"),
    ]
    assert {row[2] for row in places} == {1}
    assert [row[6] for row in places] == [NOON, NOON, NOON]  # the command's is the session's
    assert places[2][7:] == ("The pool holds five connections; each refund keeps two of them.", "Cause")
    assert (await found(bench, "refund connections"))[0].startswith("The pool holds five")
    assert await found(bench, "zookeeper") == []
    (checkpoint,) = await bench.checkpoints.statuses(session, ["passages"])
    assert checkpoint.checkpoint is not None
    assert checkpoint.checkpoint.seq == 3


async def test_a_repeat_within_a_project_is_one_passage_with_many_places(bench: Bench) -> None:
    words = "Always run the migrations before the workers are restarted."
    await ingest(bench, "s", [prompt(1, words), reply(2, "Done."), prompt(3, f"  {words}\n")])
    await ingest(bench, "t", [reply(1, words)])
    await ingest(bench, "u", [reply(1, words)], project="other")
    assert sorted(places for said, places in await bench.passages() if said == words) == [1, 3]
    assert bench.embedder.embedded.count(words) == 2  # once a project: nothing is looked up across them


async def test_a_second_ingest_changes_nothing(bench: Bench) -> None:
    session = await ingest(bench, "s", talk(70))
    before, embedded = await state(bench), len(bench.embedder.embedded)
    await rows(bench, "select 1")
    waiting = await bench.index.pending()
    async with bench.database.begin() as connection:
        await connection.execute(text("update projection_checkpoints set version = 'old' where projection = 'passages'"))
    done = await bench.bring_up(session)
    assert dict(done.counts["passages"]) == {"new": 0, "withdrawn": 0}
    assert await state(bench) == before
    assert (len(bench.embedder.embedded), await bench.index.pending()) == (embedded, waiting)


@pytest.mark.parametrize("steps", [(1, 69), (33, 1, 36), (31, 1, 1, 37), (64, 6), tuple([1] * 70)])
async def test_increments_give_what_the_whole_gives(bench: Bench, steps: tuple[int, ...]) -> None:
    events = talk(70)
    session, done = await bench.session("s"), 0
    for step in steps:
        await bench.journal.append(session, events[done : done + step])
        await bench.bring_up(session)
        done += step
    grown = await state(bench)
    async with bench.database.begin() as connection:
        for table in (*TABLES, "projection_checkpoints"):
            await connection.execute(text(f"delete from {table}"))
    await bench.bring_up(session)
    whole = await state(bench)
    assert {**grown, "cuts": []} == {**whole, "cuts": []}
    kept = [seq for _, seq, _ in grown["cuts"]]
    assert kept == [passage_store.CUT_EVERY, 2 * passage_store.CUT_EVERY, 70]


async def test_a_late_result_changes_its_own_passages_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Event("call", "tool", "tool", "", "L100", tool=ToolUse("Bash", "make deploy"))
    session = await ingest(bench, "s", [*talk(90), call, *[replace(each, id=f"x{each.id}") for each in talk(5, about="the cache")]])
    read: list[int] = []
    numbered = bench.journal.numbered

    def counted(session_id: UUID, **options: Any) -> Any:
        read.append(options["after"])
        return numbered(session_id, **options)

    monkeypatch.setattr(bench.journal, "numbered", counted)
    before = {place[1]: place for place in (await state(bench))["places"]}
    late = replace(call, tool=ToolUse("Bash", "make deploy", "Error: quota of the region exceeded", 2), outcome="failed")
    await bench.journal.append(session, [late])
    await bench.bring_up(session)
    after = {place[1]: place for place in (await state(bench))["places"]}
    assert min(each for each in read if each) == 64  # the last kept state before it
    assert [said for said, _ in await bench.passages() if "quota" in said]
    assert {seq for seq in before if seq < 91 and before[seq] != after[seq]} == set()


async def test_a_purge_leaves_nothing_but_what_others_said_too(bench: Bench) -> None:
    shared = "The staging cluster is rebuilt every night at two."
    secret_plan = "The launch is planned for the ninth of May."
    session = await ingest(bench, "s", [prompt(1, shared), reply(2, secret_plan)])
    other = await ingest(bench, "t", [reply(1, shared)])
    purged = await bench.purge.delete_session(bench.requester(), session)
    assert purged.removed["passages"] == 1
    await bench.index.drain()
    assert await bench.passages() == [(shared, 1)]
    assert await found(bench, "launch planned May") == []
    assert await found(bench, "staging cluster") == [shared]
    assert await rows(bench, "select distinct session_id from passage_cuts union select session_id from passage_places") == [(other,)]
    for table in TABLES:
        whole = await rows(bench, f"select to_jsonb(t)::text from {table} t")
        assert not any("launch" in row[0] for row in whole)
    await bench.purge.delete_session(bench.requester(), other)
    await bench.index.drain()
    assert [await rows(bench, f"select count(*) from {table}") for table in TABLES] == [[(0,)]] * 3
    assert (await bench.vectors.status()).points == 0


def purge_before_storing(bench: Bench, monkeypatch: pytest.MonkeyPatch, session: UUID) -> None:
    """Purge a session once, between the embedding and the storing of the next part."""
    real = passage_store.PassageStore.replace

    async def purged_first(self: Any, *arguments: Any) -> Any:
        monkeypatch.setattr(passage_store.PassageStore, "replace", real)
        await bench.purge.delete_session(bench.requester(), session)
        return await real(self, *arguments)

    monkeypatch.setattr(passage_store.PassageStore, "replace", purged_first)


async def test_a_purge_while_it_is_projected_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await bench.session("s")
    await bench.journal.append(session, talk(10))
    purge_before_storing(bench, monkeypatch, session)
    await bench.bring_up(session)
    assert [await rows(bench, f"select count(*) from {table}") for table in TABLES] == [[(0,)]] * 3


async def test_a_passage_that_a_purge_took_away_meanwhile_is_embedded_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "The billing export runs in the region of the customer."
    first = await ingest(bench, "s", [reply(1, words)])
    second = await bench.session("t")
    await bench.journal.append(second, [reply(1, words)])
    purge_before_storing(bench, monkeypatch, first)
    await bench.bring_up(second)
    assert await bench.passages() == [(words, 1)]
    assert await found(bench, "billing export") == [words]


async def test_a_long_session_is_stored_in_parts_and_goes_on_after_a_crash(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages_projection, "PASSAGES_A_PART", 20)
    monkeypatch.setattr(passages_projection, "EVENTS_A_BATCH", 8)
    undisturbed = await ingest(bench, "s", talk(100))
    wanted = await state(bench)
    await bench.purge.delete_session(bench.requester(), undisturbed)
    bench.sessions.clear()
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from sessions_purged"))

    session, parts = await bench.session("s"), 0
    await bench.journal.append(session, talk(100))
    real = passage_store.PassageStore.replace

    async def killed(self: Any, *arguments: Any) -> Any:
        nonlocal parts
        parts += 1
        if parts == 3:
            raise asyncio.CancelledError
        return await real(self, *arguments)

    monkeypatch.setattr(passage_store.PassageStore, "replace", killed)
    with pytest.raises(asyncio.CancelledError):
        await bench.bring_up(session)
    monkeypatch.setattr(passage_store.PassageStore, "replace", real)
    (seen,) = await rows(bench, "select seq from projection_checkpoints where projection = 'passages'")
    assert 0 < seen[0] < 100
    await bench.bring_up(session)
    assert {**await state(bench), "cuts": []} == {**wanted, "cuts": []}


async def test_another_version_makes_all_that_is_derived_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await ingest(bench, "s", talk(5))
    wanted, embedded = await state(bench), len(bench.embedder.embedded)
    async with bench.database.begin() as connection:
        await connection.execute(
            text("update passages set made_by = 'words 0.0', late = '', terms = '{}', embedding = embedding || '\\x00'")
        )
        await connection.execute(text("update projection_checkpoints set version = '0.0' where projection = 'passages'"))
    await bench.bring_up(session)
    assert await state(bench) == wanted
    assert len(bench.embedder.embedded) == embedded + 5
    assert {row[0] for row in await rows(bench, "select octet_length(embedding) from passages")} == {2 * 384}
    assert {row[0] for row in await rows(bench, "select made_by from passages")} == {
        f"words {passages_projection.PassagesProjection.version}"
    }


async def test_two_processes_that_bring_one_session_up_give_one_set_of_passages(bench: Bench) -> None:
    session = await bench.session("s")
    await bench.journal.append(session, talk(40))
    await asyncio.gather(*(bench.bring_up(session) for _ in range(3)))
    assert [places for _, places in await bench.passages()] == [1] * 40


async def test_sessions_of_the_same_words_at_once_make_each_passage_once(bench: Bench) -> None:
    sessions = [await bench.session(f"s{n}") for n in range(6)]
    for session in sessions:
        await bench.journal.append(session, talk(30))
    await asyncio.gather(*(bench.bring_up(session) for session in sessions))
    assert [places for _, places in await bench.passages()] == [6] * 30
    await asyncio.gather(*(bench.purge.delete_session(bench.requester(), each) for each in sessions[1:]))
    assert [places for _, places in await bench.passages()] == [1] * 30


async def test_a_merged_project_has_each_passage_once(bench: Bench) -> None:
    both, alone = "Retries are capped at five in the client.", "The queue drains in order of arrival."
    await ingest(bench, "s", [prompt(1, both)])
    await ingest(bench, "t", [prompt(1, both), reply(2, alone)], project="shop-old")
    (old,) = await rows(bench, "select id from projects where name = 'shop-old'")
    await bench.merging().merge(bench.team_id, old[0], bench.project_id)
    while await bench.index.drain():
        pass
    assert await bench.passages() == [(both, 2), (alone, 1)]
    assert {row[0] for row in await rows(bench, "select project_id from passages")} == {bench.project_id}
    where = {"project": str(bench.project_id), "type": "passage"}
    assert len(await bench.vectors.lexical(terms.query("retries queue client arrival"), where=where, limit=10)) == 2
    assert (await bench.vectors.status()).points == 2


async def test_a_rebuilt_index_holds_the_passages_too(bench: Bench) -> None:
    await ingest(bench, "s", talk(30))
    assert await bench.index.rebuild() == 30
    assert (await found(bench, "statement 17 port 8017"))[0].startswith("Statement number 17")
    assert sorted(await found(bench, "8004 8020")) == [f"Statement number {n} about the gateway and port 80{n:02} of it." for n in (20, 4)]
    assert await bench.index.check()


@pytest.mark.parametrize(
    "words",
    [
        "x" * 20_000,
        "\n".join(["the same line"] * 10_000),
        "```\n" + "\n".join(f"let a{n} = f({n});" for n in range(3000)) + "\n```",
        "QUJD" * 5_000,
        "🧵🪡" * 400,
        "\u200fمرحبا بالعالم — النشر يفشل كل ليلة",
        "部署在每天晚上两点失败，因为磁盘已满。",
        "half a pair: \ud83d and \udc00 here",
        "\x00 and \x1b[31mred\x1b[0m",
    ],
    ids=["one word", "one line", "code", "base64", "emoji", "right to left", "chinese", "surrogates", "controls"],
)
async def test_anything_that_was_said_is_cut_and_stored(bench: Bench, words: str) -> None:
    session = await ingest(bench, "s", [prompt(1, words), reply(2, "Understood.")])
    (standing,) = await bench.checkpoints.statuses(session, ["passages"])
    assert standing.checkpoint is not None
    assert standing.checkpoint.parked is None
    assert len(await bench.passages()) <= 301


async def test_the_checkpoint_and_the_passages_are_one_transaction(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await bench.session("s")
    await bench.journal.append(session, talk(4))

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(passage_store, "record_changes", broken)
    await bench.bring_up(session)
    assert await rows(bench, "select count(*) from passages") == [(0,)]
    (standing,) = await bench.checkpoints.statuses(session, ["passages"])
    assert standing.checkpoint is not None
    assert (standing.checkpoint.seq, standing.checkpoint.parked is None) == (0, False)


async def test_sessions_of_a_version_without_passages_are_cut_by_the_backfill(bench: Bench) -> None:
    sessions = [await ingest(bench, f"s{n}", talk(5, about=f"service {n}")) for n in range(3)]
    wanted = await state(bench)
    await bench.vectors.delete([row[0] for row in await rows(bench, "select id from passages")])
    async with bench.database.begin() as connection:  # as the version before left them
        await connection.execute(text("delete from passages"))
        await connection.execute(text("delete from passage_cuts"))
        await connection.execute(text("delete from projection_checkpoints where projection = 'passages'"))
        await connection.execute(text("update sessions set updated_at = now() - interval '1 hour'"))
        await connection.execute(text("delete from jobs"))
    queue = Queue(bench.database, Settings().worker)
    backfill = bench.backfill(queue, most=2)
    assert await backfill.plan()
    counts = []
    while (job := await queue.claim("w", ("backfill",))) is not None:
        done = await backfill.job(job, no_progress)
        counts.append(done.result["backfilled"])
        async with queue.begin() as connection:
            await queue.finish(connection, job, done.result)
            if done.closing is not None:
                await done.closing(connection)
    assert counts == [2, 1]
    assert await state(bench) == wanted
    while await bench.index.drain():
        pass
    assert len(await found(bench, "statement")) == 5 * len(sessions)
    assert not await backfill.plan()
