"""The main job on real sessions, as its users do it: files in over HTTP, questions answered with citations; also after kill -9."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app import settings as config
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from tests.running import Failed, Running, running, start

pytestmark = pytest.mark.slow
QUESTIONS = [
    ("Why does the linter complain about t.Fatal?", "staticcheck"),
    ("How do we run the integration tests?", "test:integration"),
    ("Why does spawnDetachedAnalytics only work on unix and not windows?", "unix"),
    ("ERR_MODULE_NOT_FOUND lodash/snakeCase", "lodash"),
    ("line attribution is broken when the agent commits before stop", "attribution"),
    ("commitOrHead returns the HEAD hash on ErrEmptyCommit", "commitOrHead"),
    ("why does checkpoint id Generate return an error instead of panicking?", "panicking"),
    ("os.OpenFile doesn't create parent directories", "parent directories"),
    ("how do we keep ANSI colors when paginating?", "AnsiSource"),
    ("What happens when parsing the AskUserQuestion answer fails?", "AskUserQuestion"),
]
UNRELATED = ["how do I bake an apple pie?", "Who won the football world cup in 1998?", "qzxv wjkq plmrt"]


def transcripts(data: Path) -> list[Path]:
    """Every transcript of the folder (the metadata beside them is tried in a test of its own)."""
    return sorted(
        path
        for path in (data / "transcripts").rglob("*")
        if path.suffix in {".md", ".jsonl"} and not path.name.startswith(("README", "gold_"))
    )


def ingest(server: Running, files: list[Path]) -> list[dict[str, object]]:
    jobs = [server.upload(file) for file in files]
    return [server.finished(job) for job in jobs]


async def snapshot(folder: Path) -> dict[str, object]:
    """What a stopped server's database knows, without ids and times of storing: two runs can be compared."""
    async with embedded_postgres(folder / "postgres", max_connections=20) as url:
        database = await Database.open(config.DatabaseSettings(), url, name="test", pool_size=1, max_overflow=0)
        async with database.begin() as connection:
            items = await connection.execute(
                text(
                    "select p.name, k.type, k.title, k.text, k.confidence, k.evidence_count, k.last_seen_at from knowledge k"
                    " join projects p on p.id = k.project_id order by p.name, k.title, k.text, k.evidence_count"
                )
            )
            evidence = await connection.execute(text("select candidate_key, locator, excerpt from knowledge_evidence order by 1, 2"))
            events = await connection.execute(
                text(
                    "select s.external_id, count(*), min(seq), max(seq) from events e join sessions s on s.id = e.session_id group by 1 order by 1"
                )
            )
            passages = await connection.execute(
                text(
                    "select p.name, s.external_id, l.locator, l.number, l.at, l.role, l.kind, q.key, q.terms from passage_places l"
                    " join passages q on q.id = l.passage_id join sessions s on s.id = l.session_id join projects p on p.id = q.project_id"
                    " order by 1, 2, 3, 4, q.key"
                )
            )
            uploads = await connection.scalar(text("select count(*) from uploads"))
            waiting = await connection.scalar(text("select count(*) from index_outbox where drained_at is null"))
            found = {
                "items": [tuple(row) for row in items],
                "evidence": [tuple(row) for row in evidence],
                "events": [tuple(row) for row in events],
                "passages": [tuple(row) for row in passages],
                "uploads": uploads,
                "waiting": waiting,
            }
        await database.close()
        return found


@pytest.fixture(scope="module")
def served(short_folder: Path, shared_data: Path) -> Iterator[tuple[Running, list[dict[str, object]]]]:
    """A server that has read every transcript once."""
    with running(short_folder / "whole") as server:
        yield server, ingest(server, transcripts(shared_data))


def test_every_transcript_is_read_and_reported(served: tuple[Running, list[dict[str, object]]]) -> None:
    _, jobs = served
    assert [job["error"] for job in jobs if job["state"] != "done"] == []
    for job in jobs:
        result = job["result"]
        assert isinstance(result, dict)
        assert result["events"]["new"] + result["events"]["known"] > 0, result["transcript"]
        assert set(result) >= {"format", "lines", "skipped", "problems", "redactions", "knowledge", "sessions"}
        assert job["progress"]["done"] == job["progress"]["total"]  # type: ignore[index]


@pytest.mark.parametrize(("question", "expected"), QUESTIONS)
def test_a_question_is_answered_in_the_first_three_with_a_citation(
    served: tuple[Running, list[dict[str, object]]], question: str, expected: str
) -> None:
    found = served[0].knowledge(question, limit=3)
    answering = [result for result in found if expected in f"{result['title']} {result['text']}"]
    assert answering, [result["title"] for result in found]
    source = answering[0]["source"]
    assert isinstance(source, dict)
    assert all(source[name] for name in ("transcript", "locator", "excerpt"))


@pytest.mark.parametrize("question", UNRELATED)
def test_nothing_relevant_is_an_empty_list(served: tuple[Running, list[dict[str, object]]], question: str) -> None:
    assert served[0].knowledge(question) == []


def test_reading_everything_again_changes_nothing(served: tuple[Running, list[dict[str, object]]], shared_data: Path) -> None:
    server, _ = served
    before = server.get("/v1/sessions?limit=1")
    for job in ingest(server, transcripts(shared_data)):
        result = job["result"]
        assert isinstance(result, dict)
        assert (job["state"], result["events"]["new"]) == ("done", 0)
        assert [result["knowledge"][name] for name in ("new", "merged", "updated", "withdrawn")] == [0, 0, 0, 0], result
        assert result["passages"] == {"new": 0, "withdrawn": 0}
    assert server.get("/v1/sessions?limit=1") == before


def test_every_fixture_of_other_agents_is_read_or_refused_with_a_reason(
    served: tuple[Running, list[dict[str, object]]], shared_data: Path
) -> None:
    server, _ = served
    jobs, refused = [], 0
    for file in sorted((shared_data / "agent-fixtures-multi").rglob("*.*")):
        if not file.is_file() or file.name.startswith(("README", "LICENSE")):
            continue
        try:
            jobs.append(server.upload(file, project="fixtures"))
        except Failed as error:
            assert " 422 " in str(error), f"{file}: {error}"
            refused += 1
    done = [server.finished(job) for job in jobs]
    for job in done:
        assert job["state"] == "done" or job["error"]["code"] == "unknown_format", job  # type: ignore[index]
    assert len([job for job in done if job["state"] == "done"]) > 70
    assert refused > 0


def test_kill_9_in_the_middle_and_a_restart_end_like_an_undisturbed_run(short_folder: Path, shared_data: Path) -> None:
    files = [file for file in transcripts(shared_data) if file.stat().st_size < 1_000_000][:40]
    calm, rough = short_folder / "calm", short_folder / "rough"
    with running(calm) as server:
        ingest(server, files)

    server = start(rough)
    jobs = [server.upload(file) for file in files]
    kills = 0
    while kills < 3:
        done = sum(server.get(f"/v1/jobs/{job}")["state"] == "done" for job in jobs)
        if done >= (kills + 1) * len(files) // 5:
            server.kill()
            kills += 1
            server = start(rough, {"CAIRN_WORKER__LEASE_SECONDS": "5"})
        time.sleep(0.02)
    finished = [server.finished(job) for job in jobs]
    server.stop()
    assert [job["error"] for job in finished if job["state"] != "done"] == []
    disturbed, undisturbed = asyncio.run(snapshot(rough)), asyncio.run(snapshot(calm))
    for part, wanted in undisturbed.items():
        assert _only_in_one(disturbed[part], wanted) == [], part
    assert disturbed == undisturbed


def _only_in_one(these: object, those: object) -> list[str]:
    """The first few rows that only one of two runs has: of thousands, a whole difference tells nothing."""
    if not isinstance(these, list) or not isinstance(those, list):
        return [] if these == those else [repr((these, those))]
    return sorted(set(map(repr, these)) ^ set(map(repr, those)))[:6]
