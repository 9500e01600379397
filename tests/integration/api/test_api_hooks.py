"""IDEs' hooks over HTTP: what they tell is in the journal, a prompt is given what the team knows, and nothing crosses."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text as sql

from app.errors import DatabaseUnavailable
from tests.integration.api.conftest import Api, Reply, lesson
from tests.waiting import patience

MARKER = "<cairn-knowledge ids="


def name() -> str:
    return f"svc{uuid4().hex[:8]}"


async def hook(api: Api, event: str, *, session: str, key: str | None = "admin", ide: str = "claude-code", **fields: Any) -> Reply:
    """Send a hook; fields named `x_…` become headers."""
    headers = {key.replace("_", "-"): str(fields.pop(key)) for key in list(fields) if key.startswith("x_")}
    ours = {"session_id": session, "conversation_id": session, "hook_event_name": event, "cwd": f"/home/ada/{session}", "prompt_id": "p1"}
    return await api.ask("POST", f"/v1/hooks/{ide}", key=key, headers=headers, json=ours | fields)


def given(reply: Reply) -> str:
    """The text that a session was given."""
    assert reply.status == 200, reply.text
    output = reply.json.get("hookSpecificOutput", {})
    assert set(reply.json) <= {"hookSpecificOutput", "additional_context"}
    return str(output.get("additionalContext", reply.json.get("additional_context", "")))


async def sessions(api: Api, project: str, key: str | None = "admin") -> list[dict[str, Any]]:
    return list((await api.ask("GET", "/v1/sessions", params={"project": project}, key=key)).json["sessions"])


async def developer(api: Api, team: str = "default", role: str = "developer") -> str:
    """A new developer's key."""
    who = name()
    if team != "default":
        await api.ask("POST", "/v1/teams", json={"name": team})
    made = await api.ask("POST", "/v1/developers", json={"name": who, "team": team, "role": role})
    assert made.status == 201, made.text
    return str((await api.ask("POST", f"/v1/developers/{who}/keys", json={})).json["key"])


async def known(api: Api) -> str:
    """Return a topic of which a session has taught something, in a project of that name: what other tests say there would be given, too."""
    topic = name()
    assert (await api.ingest(lesson(topic), project=topic))["state"] == "done"
    return topic


def question(topic: str) -> str:
    return f"Why does the {topic} service drop its connections at night, and what is keepalive_{topic}?"


async def test_a_session_told_by_hooks_is_in_the_journal_of_its_repository(api: Api) -> None:
    topic, session = name(), str(uuid4())
    where = {"x_cairn_repository": f"git@github.com:acme/{topic}.git", "x_cairn_branch": "fix/pool", "x_cairn_directory_name": topic}
    assert (await hook(api, "SessionStart", session=session, source="startup", **where)).json == {}
    await hook(api, "UserPromptSubmit", session=session, prompt="Fix the pool of the payment service please.")
    tool: dict[str, Any] = {"tool_name": "Bash", "tool_input": {"command": "pytest"}, "tool_use_id": "toolu_1"}
    await hook(api, "PostToolUse", session=session, **tool, tool_response={"stdout": "1 passed", "stderr": ""})
    await hook(api, "Stop", session=session, last_assistant_message="Fixed.", stop_hook_active=False)
    await hook(api, "SessionEnd", session=session, reason="logout")
    (found,) = await sessions(api, topic)
    assert (found["provider"], found["external_id"], found["events"]) == ("claude-code", session, 3)
    assert (found["repository"], found["branch"], found["directory"]) == (
        f"git@github.com:acme/{topic}.git",
        "fix/pool",
        f"/home/ada/{session}",
    )


async def test_a_session_in_a_worktree_belongs_to_the_project_of_its_repositorys_folder(api: Api) -> None:
    topic = name()
    for client in ("acme", "globex"):
        session = str(uuid4())
        told = {
            "x_cairn_directory_name": topic,
            "x_cairn_directory": f"/home/ada/{client}/{topic}",
            "cwd": f"/home/ada/.codex/worktrees/1d2f/{topic}",
        }
        await hook(api, "UserPromptSubmit", session=session, prompt="Fix the pool of the service.", **told)
        (found,) = [
            each for each in await sessions(api, f"{client}/{topic}" if client == "globex" else topic) if each["external_id"] == session
        ]
        assert found["directory"] == f"/home/ada/{client}/{topic}"


async def test_a_hook_sent_twice_is_one_event(api: Api) -> None:
    topic, session = name(), str(uuid4())
    for _ in range(2):
        await hook(api, "UserPromptSubmit", session=session, prompt="Fix the pool of the service.", x_cairn_project=topic)
        await hook(api, "Stop", session=session, last_assistant_message="Fixed.")
        await hook(
            api, "PostToolUse", session=session, tool_name="Read", tool_input={"file_path": "a.py"}, tool_response="x", tool_use_id="t1"
        )
    assert [each["events"] for each in await sessions(api, topic)] == [3]


async def test_a_transcript_uploaded_later_is_the_same_session(api: Api) -> None:
    topic, session = name(), str(uuid4())
    await known(api)  # a worker that has begun: the upload's job is waited for as long as any
    await hook(api, "UserPromptSubmit", session=session, prompt=f"Fix the pool of {topic}.", x_cairn_project=topic)
    call: dict[str, Any] = {"tool_name": "Bash", "tool_input": {"command": "pytest -q"}, "tool_use_id": "toolu_9"}
    await hook(api, "PostToolUse", session=session, **call, tool_response={"stdout": "2 passed", "stderr": ""})
    await hook(api, "Stop", session=session, last_assistant_message="It is fixed.")
    records = [
        {"type": "user", "uuid": "u1", "message": {"role": "user", "content": f"Fix the pool of {topic}."}},
        {"type": "assistant", "uuid": "u2", "message": {"content": [{"type": "tool_use", "id": "toolu_9", "name": "Bash", "input": {"command": "pytest -q"}}]}},
        {"type": "user", "uuid": "u3", "message": {"content": [{"type": "tool_result", "tool_use_id": "toolu_9", "content": "2 passed"}]}},
        {"type": "assistant", "uuid": "u4", "message": {"role": "assistant", "content": [{"type": "text", "text": "It is fixed."}]}},
    ]  # fmt: skip
    lines = "".join(json.dumps({**each, "sessionId": session, "timestamp": "2026-11-01T10:00:00Z"}) + "\n" for each in records)
    job = await api.ingest(lines, project=topic, name=f"{session}.jsonl")
    assert job["result"]["events"]["new"] == 0, job
    assert [(each["external_id"], each["events"]) for each in await sessions(api, topic)] == [(session, 3)]


async def test_a_prompt_is_given_what_its_project_knows_once(api: Api) -> None:
    topic, session = await known(api), str(uuid4())
    first = given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), x_cairn_project=topic))
    assert first.startswith(MARKER)
    assert f"keepalive_{topic} = 30" in first
    assert len(first) <= 8_000
    again = await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p2")
    assert again.json == {}, "what a session was given it isn't given again"
    other = given(await hook(api, "UserPromptSubmit", session=str(uuid4()), prompt=question(topic), x_cairn_project=topic))
    assert f"keepalive_{topic} = 30" in other


@pytest.mark.parametrize("error", [DatabaseUnavailable("Away."), TimeoutError()])
async def test_what_could_not_be_noted_is_given_all_the_same_and_never_counts_as_given(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    topic, session = await known(api), str(uuid4())

    async def away(*_: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("app.sessions.journal.Journal.record_served", away)
        assert MARKER in given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), x_cairn_project=topic))
        assert (await hook(api, "UserPromptSubmit", session=session, prompt="thanks", prompt_id="p2")).json == {}
    again = await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p3")
    assert MARKER in given(again), "both notes are of one transaction"
    assert (await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p4")).json == {}


async def test_a_context_that_could_not_be_noted_is_given_all_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, session = await known(api), str(uuid4())

    async def late(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("app.assist.hooks.served.ServedKnowledge.record", late)
    assert MARKER in given(await hook(api, "SessionStart", session=session, source="startup", x_cairn_project=topic))


@pytest.mark.parametrize("source", ["compact", "clear"])
async def test_what_the_model_has_no_longer_it_is_given_again(api: Api, source: str) -> None:
    topic, session = await known(api), str(uuid4())
    assert given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), x_cairn_project=topic))
    await hook(api, "SessionStart", session=session, source="resume")
    assert (await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p2")).json == {}
    context = given(await hook(api, "SessionStart", session=session, source=source))
    again = given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p3"))
    assert f"keepalive_{topic} = 30" in context + again


async def test_a_client_that_passes_nothing_on_is_given_nothing_and_nothing_is_noted(api: Api) -> None:
    topic, session = await known(api), str(uuid4())
    quiet: dict[str, Any] = {"x_cairn_project": topic, "x_cairn_inject": "off"}
    assert (await hook(api, "SessionStart", session=session, source="startup", **quiet)).json == {}
    assert (await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), **quiet)).json == {}
    assert session in [each["external_id"] for each in await sessions(api, topic)]
    assert given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p2"))


async def test_what_was_given_never_becomes_evidence(api: Api) -> None:
    topic, session = await known(api), str(uuid4())
    text = given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), x_cairn_project=topic))
    copied: dict[str, Any] = {"tool_name": "Read", "tool_input": {"file_path": "notes.md"}, "tool_use_id": "t1"}
    await hook(api, "PostToolUse", session=session, **copied, tool_response=f"notes\n{text}")
    await hook(
        api, "PostToolUse", session=session, tool_name="mcp__cairn__search", tool_input={"query": "x"}, tool_response=text, tool_use_id="t2"
    )
    async with api.services.database.begin() as connection:
        rows = (
            await connection.execute(sql("select tool_output from events where tool_output like :like"), {"like": f"%keepalive_{topic}%"})
        ).all()
    assert rows == []


async def test_people_judge_by_the_ids_that_were_given(api: Api) -> None:
    topic, session = name(), str(uuid4())
    body = {
        "type": "gotcha",
        "text": f"The staging database of {topic} is restored from production every night at 03:00 UTC.",
        "project": topic,
    }
    recorded = (await api.ask("POST", "/v1/knowledge", json=body)).json["id"]
    asked = f"When is the staging database of {topic} restored from production?"
    async with patience():
        while recorded not in (
            text := given(await hook(api, "UserPromptSubmit", session=str(uuid4()), prompt=asked, x_cairn_project=topic))
        ):
            await asyncio.sleep(0.1)
    assert "03:00 UTC" in text
    assert session not in text


async def test_what_a_hook_gave_and_the_agent_did_is_noticed_as_used_until_its_session_is_purged(api: Api) -> None:
    topic, session = name(), str(uuid4())
    body = {"type": "gotcha", "text": f"The backups of {topic} expire too early: set `backup_lease_{topic}` to 36 hours.", "project": topic}
    recorded = (await api.ask("POST", "/v1/knowledge", json=body)).json["id"]
    asked = f"Why do the backups of {topic} expire too early, so that none is left on Monday?"
    async with patience():
        while recorded not in given(await hook(api, "UserPromptSubmit", session=session, prompt=asked, x_cairn_project=topic)):
            await asyncio.sleep(0.1)
            session = str(uuid4())
    edit: dict[str, Any] = {"tool_name": "Edit", "tool_use_id": "t1", "tool_response": {"success": True}}
    changed = {"file_path": "backup.toml", "old_string": "lease = 4", "new_string": f"backup_lease_{topic} = 36"}
    await hook(api, "PostToolUse", session=session, tool_input=changed, **edit)
    await hook(api, "UserPromptSubmit", session=session, prompt="perfect, thank you", prompt_id="p2")

    async def used() -> object:
        return (await api.ask("GET", f"/v1/knowledge/{recorded}")).json["used"]

    async with patience():
        while await used() != {"accepted": 1, "refused": 0}:
            await asyncio.sleep(0.1)
    (ours,) = [each for each in await sessions(api, topic) if each["external_id"] == session]
    history = (await api.ask("GET", f"/v1/knowledge/{recorded}/history")).json["history"]
    assert [(each["what"], each["source"]["session_id"]) for each in history if each["what"] == "used"] == [("used", ours["id"])]
    assert (await api.ask("GET", f"/v1/knowledge/{recorded}")).json["feedback"] == {"helpful": 0, "wrong": 0, "stale": 0}
    assert (await api.ask("DELETE", f"/v1/sessions/{ours['id']}")).status == 200
    assert await used() == {"accepted": 0, "refused": 0}


async def test_a_session_that_nobody_registered_is_captured_but_given_nothing(api: Api) -> None:
    topic, session = await known(api), str(uuid4())
    reply = await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), cwd=f"/home/ada/{topic}")
    assert reply.json == {}
    assert session in [each["external_id"] for each in await sessions(api, topic)]


async def test_a_prompt_of_another_project_is_given_nothing(api: Api) -> None:
    topic, other = await known(api), name()
    await hook(api, "UserPromptSubmit", session=str(uuid4()), prompt=f"Where is the pool of {other} configured?", x_cairn_project=other)
    text = given(await hook(api, "UserPromptSubmit", session=str(uuid4()), prompt=question(topic), x_cairn_project=other))
    assert topic not in text


@pytest.mark.parametrize("prompt", ["yes", "go on", "run the tests", "/compact now please and keep all of the decisions", "", "   "])
async def test_short_prompts_and_commands_are_given_nothing(api: Api, prompt: str) -> None:
    assert (await hook(api, "UserPromptSubmit", session=str(uuid4()), prompt=prompt, x_cairn_project="shop")).json == {}


async def test_nothing_crosses_between_developers_and_teams(api: Api) -> None:
    topic, session, team = await known(api), str(uuid4()), name()
    ada, bob, eve = await developer(api), await developer(api), await developer(api, team)
    await hook(api, "UserPromptSubmit", session=session, key=ada, prompt=question(topic), x_cairn_project=topic)
    for prompt_headers in ({}, {"x_cairn_project": topic}):
        refused = await hook(api, "UserPromptSubmit", session=session, key=bob, prompt=question(topic), **prompt_headers)
        assert (refused.status, refused.error["code"]) == (403, "not_permitted")
        tool = await hook(
            api, "PostToolUse", session=session, key=bob, tool_name="Bash", tool_input={"command": "ls"}, tool_use_id="t", **prompt_headers
        )
        assert tool.status == 403
    own = await hook(api, "UserPromptSubmit", session=session, key=eve, prompt=question(topic), x_cairn_project=topic)
    assert own.json == {}, "another team's knowledge of the same project's name"
    assert [each["events"] for each in await sessions(api, topic, key=ada) if each["external_id"] == session] == [1]
    assert len(await sessions(api, topic, key=eve)) == 1
    auditor = await developer(api, role="auditor")
    assert (await hook(api, "Stop", session=str(uuid4()), key=auditor, last_assistant_message="x")).status == 403


async def test_nobody_registers_the_session_that_another_developer_has_begun(api: Api) -> None:
    topic, session, ada, bob = name(), str(uuid4()), await developer(api), await developer(api)
    await hook(api, "UserPromptSubmit", session=session, key=ada, prompt=f"Where is the pool of {topic} configured?")
    for event in ("SessionStart", "UserPromptSubmit"):
        assert (await hook(api, event, session=session, key=bob, prompt="Mine now, please.", x_cairn_project=topic)).status == 403
    assert (await hook(api, "Stop", session=session, key=ada, last_assistant_message="In pool.py.")).status == 200


async def test_a_session_begins_with_its_projects_context_unless_it_is_resumed(api: Api) -> None:
    topic = name()
    body = {"type": "coding_pattern", "text": f"In {topic} every query goes through the repository class.", "project": topic}
    await api.ask("POST", "/v1/knowledge", json=body)
    for source in ("startup", "clear", "compact"):
        text = given(await hook(api, "SessionStart", session=str(uuid4()), source=source, x_cairn_project=topic))
        assert f"In {topic} every query" in text, source
    assert (await hook(api, "SessionStart", session=str(uuid4()), source="resume", x_cairn_project=topic)).json == {}
    cursor = await hook(api, "sessionStart", session=str(uuid4()), ide="cursor", x_cairn_project=topic)
    assert MARKER in cursor.json["additional_context"]
    codex = await hook(api, "SessionStart", session=str(uuid4()), ide="codex", source="startup", x_cairn_project=topic)
    assert codex.json["hookSpecificOutput"]["hookEventName"] == "SessionStart"


async def test_cursor_is_captured_and_given_nothing_at_a_prompt(api: Api) -> None:
    topic, session = await known(api), str(uuid4())
    fields: dict[str, Any] = {"generation_id": "g1", "workspace_roots": ["/home/ada/x"], "x_cairn_project": topic}
    assert (await hook(api, "beforeSubmitPrompt", session=session, ide="cursor", prompt=question(topic), **fields)).json == {}
    await hook(api, "afterShellExecution", session=session, ide="cursor", command="npm test", output="ok", duration=3, **fields)
    (found,) = [each for each in await sessions(api, topic) if each["external_id"] == session]
    assert (found["provider"], found["events"]) == ("cursor", 2)


async def test_a_purged_session_is_forgotten_with_what_it_was_given(api: Api) -> None:
    topic, session = await known(api), str(uuid4())
    assert given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), x_cairn_project=topic))
    (found,) = [each for each in await sessions(api, topic) if each["external_id"] == session]
    assert (await api.ask("DELETE", f"/v1/sessions/{found['id']}")).status == 200
    assert (await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p2")).json == {}, "no longer registered"
    assert given(await hook(api, "UserPromptSubmit", session=session, prompt=question(topic), prompt_id="p3", x_cairn_project=topic))


@pytest.mark.parametrize("ide", ["claude-code", "codex", "cursor"])
async def test_unknown_events_are_answered_with_an_empty_object(api: Api, ide: str) -> None:
    assert (await hook(api, "NotYetInvented", session=str(uuid4()), ide=ide, anything=[1, {"a": None}])).json == {}
    assert "cairn_hooks" in (await api.ask("GET", "/metrics")).text


async def test_bad_input_is_told_what_is_wrong_with_it(api: Api) -> None:
    good = {"session_id": "s", "hook_event_name": "Stop"}
    for body, status, param in (
        ([], 422, "body"),
        ("text", 422, "body"),
        ({"hook_event_name": "Stop"}, 422, "session_id"),
        (good | {"session_id": ["s"]}, 422, "session_id"),
        (good | {"session_id": "a\0b"}, 422, "session_id"),
        (good | {"hook_event_name": 3}, 422, "hook_event_name"),
    ):
        refused = await api.ask("POST", "/v1/hooks/claude-code", json=body)
        assert (refused.status, refused.error["param"]) == (status, param), body
    for data, status in ((b"", 422), (b"{oops", 400), (b"\xff\xfe", 400), (b'{"a":' * 5000, 400)):
        assert (await api.ask("POST", "/v1/hooks/claude-code", data=data)).status == status, data[:9]
    assert (await api.ask("POST", "/v1/hooks/emacs", json=good)).status == 422
    assert (await api.ask("POST", "/v1/hooks/codex", json=good, key=None)).status == 401
    assert (await api.ask("POST", "/v1/hooks/codex", json=good, key="wrong")).status == 401
    huge = io.BytesIO(json.dumps(good | {"last_assistant_message": "x" * 20_000_000}).encode())
    assert (await api.ask("POST", "/v1/hooks/codex", data=huge)).status == 413
    long = await api.ask("POST", "/v1/hooks/codex", json=good, headers={"x-cairn-project": "x" * 101})
    assert (long.status, long.error["param"]) == (422, "x-cairn-project")


async def test_nul_and_lone_surrogates_in_texts_are_stored_without(api: Api) -> None:
    topic, session = name(), str(uuid4())
    reply = await hook(
        api, "UserPromptSubmit", session=session, prompt="The pool\0 of the service breaks \ud83d at night.", x_cairn_project=topic
    )
    assert reply.status == 200
    assert [each["events"] for each in await sessions(api, topic)] == [1]


async def test_headers_are_percent_decoded(api: Api) -> None:
    topic = name()
    await hook(
        api, "UserPromptSubmit", session=str(uuid4()), prompt="Where is the pool configured?", x_cairn_project=f"B%C3%BCro%20{topic}"
    )
    assert len(await sessions(api, f"Büro {topic}")) == 1


async def test_secrets_of_hooks_are_redacted(api: Api) -> None:
    topic, session = name(), str(uuid4())
    secret = "AKIA" + "IOSFODNN7EXAMPLQ"
    where = {"x_cairn_repository": f"https://ada:{secret}@github.com/acme/{topic}.git"}
    await hook(api, "UserPromptSubmit", session=session, prompt=f"Deploy the service with {secret} to staging.", **where)
    (found,) = await sessions(api, topic)
    assert secret not in json.dumps(found)
    assert found["redactions"]
    async with api.services.database.begin() as connection:
        stored = (await connection.execute(sql("select repository from hook_sessions where session = :s"), {"s": session})).scalar_one()
    assert secret not in stored
