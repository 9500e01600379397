"""What a transcript says of where it comes from: repository, branch, agent, model, tokens, parents, files, titles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.sessions.event import Event, Format, ReplyUsage, SessionHeader
from app.sessions.file_dates import date_in
from app.sessions.formats import ParseTally, parse
from app.sessions.formats.tools import MAX_FILES, files_of
from app.settings import SessionsSettings


def read(text: str, format: Format) -> tuple[list[SessionHeader], list[Event]]:
    def chunks() -> Iterator[bytes]:
        yield text.encode()

    found = list(parse(chunks(), format=format, limits=SessionsSettings(), tally=ParseTally()))
    return [each for each in found if isinstance(each, SessionHeader)], [each for each in found if isinstance(each, Event)]


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in records)


def claude(uuid: str, role: str, content: object, *, parent: str | None = None, **message: object) -> dict[str, Any]:
    return {
        "type": role,
        "uuid": uuid,
        "parentUuid": parent,
        "sessionId": "s1",
        "cwd": "/home/a/shop",
        "gitBranch": "fix-login",
        "version": "2.1.0",
        "message": {"role": role, "content": content, **message},
    }


def test_claude_code_tells_branch_version_model_parents_tokens_and_files() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 5, "output_tokens": 1}
    edit = {
        "type": "tool_use",
        "id": "t",
        "name": "Edit",
        "input": {"file_path": "/home/a/shop/app.py", "old_string": "a", "new_string": "b"},
    }
    headers, events = read(
        lines(
            claude("u1", "user", "Fix it"),
            claude("u2", "assistant", [{"type": "text", "text": "Yes."}], parent="u1", model="claude-x", id="m1", usage=usage),
            claude("u3", "assistant", [edit], parent="u2", model="claude-x", id="m1", usage=usage | {"output_tokens": 40}),
        ),
        "claude-code",
    )
    last = headers[-1]
    assert (last.branch, last.agent_version, last.model, last.directory) == ("fix-login", "2.1.0", "claude-x", "/home/a/shop")
    prompt, reply, tool = events
    assert (prompt.parent, prompt.model, prompt.usage) == (None, None, None)
    assert (reply.parent, reply.model, reply.usage) == ("u1", "claude-x", ReplyUsage(105, 1, 90))
    assert (tool.parent, tool.files, tool.usage) == (
        "u2",
        ("/home/a/shop/app.py",),
        ReplyUsage(0, 39, 0),
    )  # one reply in two records: counted once


@pytest.mark.parametrize(
    ("records", "title"),
    [
        ([{"type": "summary", "summary": "Another's", "leafUuid": "elsewhere"}, claude("u1", "user", "Add dark mode")], "Add dark mode"),
        ([{"type": "summary", "summary": "Its own", "leafUuid": "u1"}, claude("u1", "user", "Add dark mode")], "Its own"),
        ([claude("u1", "user", "Add dark mode"), {"type": "custom-title", "sessionId": "s1", "customTitle": "Chosen"}], "Chosen"),
        (
            [
                claude("u1", "user", "Add dark mode"),
                {"type": "custom-title", "sessionId": "s1", "customTitle": "Chosen"},
                {"type": "ai-title", "sessionId": "s1", "aiTitle": "Made"},
            ],
            "Chosen",
        ),
    ],
)
def test_a_title_is_the_sessions_own_and_a_given_one_goes_first(records: list[dict[str, Any]], title: str) -> None:
    headers, _ = read(lines(*records), "claude-code")
    assert headers[-1].title == title
    assert headers[-1].title_given == (title != "Add dark mode")


def codex(kind: str, **payload: object) -> dict[str, Any]:
    return {"timestamp": "2026-03-01T10:00:00Z", "type": kind, "payload": payload}


def test_codex_tells_its_repository_model_and_tokens() -> None:
    git = {"repository_url": "git@example.org:acme/shop.git", "branch": "main", "commit_hash": "abc"}

    def tokens(total: int) -> dict[str, Any]:
        return codex(
            "event_msg",
            type="token_count",
            info={"total_token_usage": {"input_tokens": total, "output_tokens": 7, "cached_input_tokens": 2}},
        )

    patch = "*** Begin Patch\n*** Update File: app/a.py\n@@\n-x\n+y\n*** Add File: app/b.py\n+z\n*** End Patch"
    headers, events = read(
        lines(
            codex("session_meta", id="s1", cwd="/x/shop", cli_version="0.146.0", git=git),
            codex("turn_context", model="gpt-x"),
            codex("event_msg", type="user_message", message="Fix it"),
            codex("event_msg", type="agent_message", message="Done."),
            tokens(100),
            tokens(100),
            codex("response_item", type="custom_tool_call", name="apply_patch", call_id="c", input=patch),
            codex("response_item", type="custom_tool_call_output", call_id="c", output="ok"),
            tokens(150),
        ),
        "codex",
    )
    last = headers[-1]
    assert (last.repository, last.branch, last.commit) == ("git@example.org:acme/shop.git", "main", "abc")
    assert (last.agent_version, last.model, last.title) == ("0.146.0", "gpt-x", "Fix it")
    prompt, reply, tool = events
    assert (prompt.model, reply.model, reply.usage) == (None, "gpt-x", ReplyUsage(100, 7, 2))
    assert (tool.files, tool.usage) == (("app/a.py", "app/b.py"), ReplyUsage(50, 0, 0))


def test_a_codex_fork_is_a_session_of_its_own() -> None:
    headers, _ = read(
        lines(
            codex("session_meta", id="fork", cwd="/x/billing", forked_from_id="parent"),
            codex("session_meta", id="parent", cwd="/x/billing"),
            codex("event_msg", type="user_message", message="Why does it hang?"),
        ),
        "codex",
    )
    assert {each.external_id for each in headers} == {"fork"}


def test_what_a_sub_agent_is_asked_is_no_persons_word() -> None:
    _, events = read(
        lines(
            codex("session_meta", id="sub", source={"subagent": {"thread_spawn": {"parent_thread_id": "p"}}}),
            codex("event_msg", type="user_message", message="Always use pnpm."),
            codex("event_msg", type="agent_message", message="Yes."),
        ),
        "codex",
    )
    assert [(each.kind, each.sidechain) for each in events] == [("notice", True), ("reply", True)]


def test_generic_records_tell_what_they_know_by_any_of_the_usual_names() -> None:
    headers, events = read(
        lines(
            {
                "id": "one-1",
                "role": "user",
                "text": "Fix it",
                "cwd": "/x/shop",
                "repository": "https://example.org/acme/shop",
                "branch": "main",
            },
            {
                "id": "one-2",
                "parent_id": "one-1",
                "role": "assistant",
                "text": "Done.",
                "model": "m",
                "cost_usd": 0.25,
                "usage": {"prompt_tokens": 8, "completion_tokens": 3},
            },
        ),
        "generic",
    )
    assert (headers[-1].repository, headers[-1].branch) == ("https://example.org/acme/shop", "main")
    assert (events[1].model, events[1].parent, events[1].usage) == ("m", "one-1", ReplyUsage(8, 3, 0, 250_000_000))


def test_aider_tells_its_version_and_model() -> None:
    text = "# aider chat started at 2025-01-15 10:00:00\n\n> Aider v0.47.2  \n> Model: gpt-4o-mini with whole edit format  \n\n#### Fix it  \n\nDone.\n"
    headers, _ = read(text, "aider")
    assert ("0.47.2", "gpt-4o-mini") in {(each.agent_version, each.model) for each in headers}


def test_specstory_tells_the_model_of_a_turn_and_takes_no_date_for_a_title() -> None:
    text = (
        "<!-- Generated by SpecStory -->\n\n# 2025-12-22 19:12:15Z\n\n"
        "<!-- Claude Code Session fc9edf9b-ede5-42dc-94ef-a5fd6bb0b82c (2025-12-22_19-12-15Z) -->\n\n"
        "_**User (2025-12-22 19:12:15Z)**_\n\nFix it\n\n---\n\n_**Agent (claude-opus-4-5-20251101 2025-12-22 19:13:00Z)**_\n\nDone.\n\n"
        "_**Agent (model copilot/gpt-5-codex)**_\n\nMore.\n"
    )
    headers, events = read(text, "specstory")
    assert headers[-1].title is None
    assert [each.model for each in events] == [None, "claude-opus-4-5-20251101", "copilot/gpt-5-codex"]


def test_the_files_of_a_call_are_bounded() -> None:
    assert files_of({"path": "a.py", "files": ["b.py", "a.py", 3, ""]}) == ("a.py", "b.py")
    assert files_of('{"file_path": "c.py"}') == ("c.py",)
    assert len(files_of({"paths": [f"{n}.py" for n in range(500)]})) == MAX_FILES
    for odd in (None, 3, [], ["x"], "{", "x" * 10_000, {"path": ["a"]}, {"file_path": "y" * 10_000}):
        assert files_of(odd) == ()


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("2025-01-15_10-22-33Z-fix-login.md", datetime(2025, 1, 15, 10, 22, 33, tzinfo=UTC)),
        ("2025-01-15_10-22Z-fix.md", datetime(2025, 1, 15, 10, 22, tzinfo=UTC)),
        ("rollout-2025-01-15T10-22-33-019f.jsonl", datetime(2025, 1, 15, 10, 22, 33, tzinfo=UTC)),
        ("notes 20250115.txt", datetime(2025, 1, 15, tzinfo=UTC)),
        ("chat-2025-02-30.md", None),
        ("2099-01-01.md", None),
        ("issue-120250115.md", None),
        ("transcript", None),
    ],
)
def test_a_files_name_tells_its_date(name: str, at: datetime | None) -> None:
    assert date_in(name) == at
