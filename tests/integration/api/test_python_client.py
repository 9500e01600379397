"""The Python client against the real server: every operation, by both faces."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cairn.client import (
    AsyncClient,
    Conflict,
    Event,
    InvalidRequest,
    Item,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Passage,
    QueryReply,
    Sentence,
    StreamedEvent,
    StreamedItem,
    TimedOut,
    TooLarge,
    ToolCall,
)
from tests.faces import Face, FaceName, open_face
from tests.integration.api.conftest import MAX_UPLOAD_BYTES, Api, lesson
from tests.integration.api.test_api_answers import GOOD, told, writing
from tests.waiting import PATIENCE_SECONDS, patience

RULE = "In {0} the lock file is pnpm's: install with pnpm, or the {0} build fails."


@pytest.fixture(params=["sync", "async"])
async def face(api: Api, request: pytest.FixtureRequest) -> AsyncIterator[Face]:
    """A client with a new developer's key."""
    async with open_face(request.param, api.url, await api.developer()) as made:
        yield made


def name() -> str:
    return f"svc{uuid4().hex[:8]}"


async def sent(face: Face, topic: str, source: Any = None, **options: Any) -> Any:
    """Upload a session that teaches something of a topic, wait, and return the job."""
    pending = await face.do("sessions.upload", lesson(topic).encode() if source is None else source, **options)
    return await face.of(pending, "wait", seconds=PATIENCE_SECONDS)


async def test_an_uploaded_file_is_found_and_answers_with_its_citation(face: Face, tmp_path: Path) -> None:
    topic = name()
    file = tmp_path / f"{topic}.jsonl"
    file.write_text(lesson(topic))
    pending, seen = await face.do("sessions.upload", file, project=topic), []
    job = await face.of(pending, "wait", seconds=PATIENCE_SECONDS, progress=seen.append)
    assert (job.state, seen[-1], job.result["events"]) == ("done", job, {"new": 3, "known": 0})
    assert job.result == (await face.of(pending, "get")).result
    question = f"Why does the {topic} service drop its connections?"
    found = await face.do("query", question, project=topic, types=[], kinds=["passage", "item"], limit=2, explain=True)
    assert isinstance(found, QueryReply)
    assert (found.results[0].source.transcript, found.answer, bool(found.results[0].explain)) == (file.name, None, True)
    answer = (await face.do("ask", question, project=topic)).answer
    assert f"keepalive_{topic}" in answer.text
    assert (answer.abstained, answer.by, answer.citations[0].transcript) == (False, "extract", file.name)


@pytest.mark.parametrize("kind", ["bytes", "open file"])
async def test_bytes_and_open_files_can_be_uploaded(face: Face, kind: str) -> None:
    topic = name()
    content = lesson(topic).encode()
    job = await sent(face, topic, content if kind == "bytes" else io.BytesIO(content), name="given.jsonl", format="generic")
    assert job.result["transcript"] == "given.jsonl"


async def test_a_file_that_is_not_there_is_an_error_of_the_system(face: Face, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await face.do("sessions.upload", tmp_path / "absent.jsonl")


async def test_what_is_no_transcript_is_refused_with_the_servers_words(face: Face) -> None:
    with pytest.raises(InvalidRequest, match="binary file"):
        await face.do("sessions.upload", b"\x00\x01 nothing that any agent writes")


async def test_a_wait_ends_when_its_time_is_up(face: Face) -> None:
    long = "".join(lesson(name()) for _ in range(100)).encode()  # not read before it is waited for
    pending = await face.do("sessions.upload", long)
    with pytest.raises(TimedOut, match="goes on"):
        await face.of(pending, "wait", seconds=0)
    await face.of(pending, "wait", seconds=PATIENCE_SECONDS)


async def test_a_file_above_the_servers_bound_is_refused(face: Face, tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    line = lesson("x").splitlines()[0] + "\n"
    file.write_text(line * (MAX_UPLOAD_BYTES // len(line) + 1))
    with pytest.raises(TooLarge):
        await face.do("sessions.upload", file)


async def test_recorded_knowledge_is_read_corrected_judged_listed_and_deleted(face: Face) -> None:
    topic = name()
    item = await face.do("knowledge.record", RULE.format(topic), type="tool_usage", project=topic, paths=["package.json"])
    assert isinstance(item, Item)
    assert (item.origin, item.paths, item.mine, item.created_at.tzinfo is not None) == ("recorded", ("package.json",), True, True)
    assert (await face.do("knowledge.record", RULE.format(topic), type="tool_usage", project=topic)).id == item.id
    better = await face.do("knowledge.correct", item.id, text=f"{RULE.format(topic)} Always.", type="gotcha", if_match=item.revision)
    assert (better.text.endswith("Always."), better.type, better.paths) == (True, "gotcha", item.paths)
    with pytest.raises(Conflict):
        await face.do("knowledge.correct", item.id, title="too late", if_match=item.revision)
    judged = await face.do("knowledge.feedback", item.id, "helpful", "it was")
    assert judged.feedback.helpful == 1
    assert [each.what for each in await face.do("knowledge.history", item.id)] == ["judged", "corrected", "recorded"]
    assert [each.id for each in await face.do("knowledge.list", project=topic)] == [item.id]
    await face.do("knowledge.delete", item.id)
    with pytest.raises(NotFound):
        await face.do("knowledge.get", item.id)


async def test_lists_go_over_all_pages_and_a_page_can_be_asked_alone(face: Face) -> None:
    topic = name()
    made = [
        (await face.do("knowledge.record", f"Port {9000 + n} of {topic} is taken by service {n * 37}.", type="gotcha", project=topic)).id
        for n in range(5)
    ]
    assert [each.id for each in await face.do("knowledge.list", project=topic, page_size=2)] == made[::-1]
    first = await face.do("knowledge.page", project=topic, limit=2)
    second = await face.do("knowledge.page", project=topic, limit=2, cursor=first.next_cursor)
    assert [each.id for each in (*first.items, *second.items)] == made[:0:-1]
    assert [each.id for each in await face.do("knowledge.list", project=topic, page_size=2, order="oldest")] == made
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert await face.do("knowledge.list", project=topic, since=soon) == []


async def test_a_passage_can_be_read_with_its_places(face: Face) -> None:
    topic = name()
    await sent(face, topic, project=topic)
    found = await face.do("query", f"keepalive_{topic}", project=topic, kinds=["passage"])
    passage = await face.do("knowledge.get", found.results[0].id)
    assert isinstance(passage, Passage)
    assert topic in passage.evidence[0].excerpt


async def test_live_events_make_a_session_that_is_listed_followed_and_purged(face: Face) -> None:
    topic = name()
    tool = ToolCall(name="bash", input={"command": "make test"}, output="1 passed", exit_code=0)
    events = [
        Event(id="e1", role="user", text=f"Run the tests of {topic}.", timestamp=datetime(2026, 10, 1, 9, 30)),  # noqa: DTZ001 - a local time
        Event(id="e2", role="tool", tool=tool, timestamp=datetime(2026, 10, 1, 9, 31, tzinfo=UTC)),
    ]
    done = await face.do("sessions.append", topic, events, project=topic)
    assert (done.accepted, done.duplicates) == (2, 0)
    again = await face.do("sessions.append", topic, events, project=topic)
    assert (again.accepted, again.duplicates, again.session_id) == (0, 2, done.session_id)
    (listed,) = await face.do("sessions.list", project=topic, own=True, page_size=1)
    shown = await face.do("sessions.get", listed.id)
    assert (shown.external_id, shown.events, shown.mine, shown.cost) == (topic, 2, True, None)
    updates = [each for each in await face.do("sessions.follow", listed.id, seconds=0) if isinstance(each, StreamedEvent)]
    assert [(each.id, each.changed) for each in updates] == [("e1", False), ("e2", False)]
    assert updates[1].tool is not None
    assert (updates[1].tool.name, updates[1].tool.exit_code) == ("bash", 0)
    later = await face.do("sessions.follow", listed.id, after=updates[0].position, seconds=0)
    assert [each.id for each in later if isinstance(each, StreamedEvent)] == ["e2"]
    assert (await face.do("sessions.purge", listed.id)).events == 2
    with pytest.raises(NotFound):
        await face.do("sessions.follow", listed.id, seconds=0)


async def test_a_followed_session_tells_what_was_learnt_from_it(face: Face) -> None:
    topic = name()
    job = await sent(face, topic, project=topic)
    (session,) = job.result["sessions"]
    updates = await face.do("sessions.follow", session, seconds=0)
    assert any(isinstance(each, StreamedItem) and topic in each.text for each in updates)


async def test_an_event_with_a_wrong_field_is_refused_and_named(face: Face) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await face.do("sessions.append", name(), [Event(id="e1", role="robot", text="hello")])
    assert (refused.value.param, refused.value.status, bool(refused.value.request_id)) == ("role", 422, True)


async def test_the_small_operations_answer_with_their_records(face: Face) -> None:
    topic = name()
    await face.do("knowledge.record", RULE.format(topic), type="tool_usage", project=topic)
    assert topic in (await face.do("context", topic, max_tokens=500)).text
    assert (await face.do("context")).text == ""
    (project,) = [each for each in await face.do("projects") if each.name == topic]
    assert await face.do("project", project.id) == project
    read = await face.do("classify", "write unit tests for the invoice rounding")
    assert (read.intent, read.intents[0].intent, read.activity) == ("testing", "testing", None)
    redacted = await face.do("redact", "psql postgres://shop:hunter2-but-longer@db/shop")
    assert ("hunter2" in redacted.text, redacted.findings[0].kind) == (False, "url-password")
    me = await face.do("me")
    assert (me.role, me.key.developer, me.key.state, me.key.expires_at) == ("developer", me.developer, "active", None)
    assert {"read", "write"} <= set(me.permissions)
    assert (project.open, project.members) == ("team", ())
    assert await face.do("models")
    assert isinstance(await face.do("captures"), tuple)
    budget = await face.do("budget.own")
    assert (budget.limit_usd, type(budget.spent_usd), budget.period.start.day) == (Decimal("8.33"), Decimal, 1)
    assert await face.do("budget.sessions", page_size=5) == []
    assert (await face.do("budget.page", order="cost")).items == ()
    with pytest.raises(NotFound):
        await face.do("budget.session", "no such session")


async def test_a_question_that_nothing_answers_is_abstained_from(face: Face) -> None:
    found = await face.do("ask", "How tall is the lighthouse of Alexandria?", project=name())
    assert (found.answer.abstained, found.answer.text, found.answer.citations) == (True, "", ())


@pytest.mark.parametrize("face_name", ["sync", "async"])
async def test_a_models_answer_comes_sentence_by_sentence_with_its_cost(api: Api, face_name: FaceName) -> None:
    async with writing(api) as door:
        door.fakes["one"].say(GOOD)
        project, question = await told(api)
        async with open_face(face_name, api.url, door.key) as face:
            parts = await face.do("ask_stream", question, project=project)
            costs = await face.do("budget.own")
    assert [type(each) for each in parts] == [Sentence, Sentence, QueryReply]
    answer = parts[-1].answer
    assert (answer.by, parts[0].citations, type(answer.cost_usd)) == ("model", (1,), Decimal)
    assert costs.spent_usd >= answer.cost_usd > 0


async def test_a_stream_that_is_left_early_ends_at_the_server(api: Api) -> None:
    async with AsyncClient(api.url, await api.developer()) as client:
        done = await client.sessions.append(name(), [Event(id="e1", role="user", text="hello")])
        for _ in range(8):  # more than a developer may have open at once
            async with client.sessions.follow(done.session_id) as updates:
                async for each in updates:
                    assert isinstance(each, StreamedEvent)
                    break
            async with patience():
                while api.services.sessions.stream._open.total() > 4:
                    await asyncio.sleep(0.05)


async def test_a_cancelled_call_leaves_the_client_usable(api: Api) -> None:
    async with AsyncClient(api.url, await api.developer()) as client:
        done = await client.sessions.append(name(), [Event(id="e1", role="user", text="hello")])
        following, first = client.sessions.follow(done.session_id), asyncio.Event()

        async def follow() -> None:
            async for _ in following:
                first.set()

        task = asyncio.create_task(follow())
        async with patience():
            await first.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.budget.own()).spent_usd == 0


async def test_a_wrong_key_and_another_teams_session_are_told_apart(api: Api, face: Face) -> None:
    async with open_face("async", api.url, "ck_not_a_key") as stranger:
        with pytest.raises(NotAuthenticated) as refused:
            await stranger.do("budget.own")
        assert refused.value.status == 401
    done = await face.do("sessions.append", name(), [Event(id="e1", role="user", text="hello")])
    async with open_face("async", api.url, await api.developer(f"team-{uuid4().hex[:6]}")) as other:
        with pytest.raises(NotFound):
            await other.do("sessions.get", done.session_id)
    async with open_face("async", api.url, await api.developer()) as colleague:
        with pytest.raises(NotPermitted):
            await colleague.do("sessions.purge", done.session_id)


async def test_the_admin_key_says_which_team_it_means(api: Api) -> None:
    team, topic = f"team-{uuid4().hex[:6]}", name()
    key = await api.developer(team)
    async with open_face("async", api.url, api.key, team=team) as admin, open_face("async", api.url, key) as member:
        made = await admin.do("knowledge.record", RULE.format(topic), type="gotcha", project=topic)
        assert (await member.do("knowledge.get", made.id)).text == made.text


async def test_openais_and_anthropics_sdks_take_the_options_of_the_client(api: Api) -> None:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

    async with AsyncClient(api.url, await api.developer()) as client:
        async with AsyncOpenAI(**client.for_openai()) as openai:
            assert [each.id async for each in openai.models.list()] == [each.id for each in await client.models()]
        async with AsyncAnthropic(**client.for_anthropic()) as anthropic:
            assert [each.id async for each in anthropic.models.list()]
