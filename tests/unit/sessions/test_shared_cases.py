"""The shared cases of transcripts (../shared/cases): what must come out of each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.accounts.identity import ProjectIdentity, identify
from app.cli.discover import transcripts_below
from app.sessions.event import Event, SessionHeader
from app.sessions.formats import HEAD_BYTES, ParseTally, detect, parse
from app.sessions.unpacking import unpacked
from app.settings import SessionsSettings


@pytest.fixture(scope="module")
def cases() -> Path:
    folder = Path(os.environ.get("CAIRN_CASES", Path(__file__).resolve().parents[4] / "shared" / "cases"))
    if not folder.is_dir():
        pytest.skip(f"the shared cases are not at {folder} (CAIRN_CASES)")
    return folder


def read(data: bytes) -> tuple[SessionHeader, list[Event], ParseTally]:
    tally = ParseTally()
    made = list(parse(iter([data]), format=detect(data[:HEAD_BYTES]), limits=SessionsSettings(), tally=tally))
    headers = [each for each in made if isinstance(each, SessionHeader)]
    return headers[-1], [each for each in made if isinstance(each, Event)], tally


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def prompts(events: list[Event]) -> list[str]:
    return [event.text for event in events if event.kind == "prompt"]


def project(path: Path) -> ProjectIdentity:
    header, _, _ = read(path.read_bytes())
    found = identify(header.repository, header.directory)
    assert found is not None
    return found


def test_a_queued_prompt_is_one_prompt_at_its_place(cases: Path) -> None:
    _, queued, _ = read((cases / "claude-queued-prompts" / "session.jsonl").read_bytes())
    _, typed, _ = read((cases / "claude-queued-prompts" / "control-typed-at-the-prompt.jsonl").read_bytes())
    assert prompts(queued) == prompts(typed)
    assert kinds(queued) == ["prompt", "reply", "tool", "prompt", "reply"]


def test_a_fork_is_its_own_session_without_what_it_repeats(cases: Path) -> None:
    parent, told, _ = read((cases / "codex-fork" / "parent.jsonl").read_bytes())
    fork, own, tally = read((cases / "codex-fork" / "fork.jsonl").read_bytes())
    assert fork.external_id != parent.external_id
    assert prompts(own) == ["Which queue should the retries use?"] == [fork.title]
    assert not {event.text for event in told} & {event.text for event in own}
    assert tally.skipped["repeated from the session that it was forked from"] == 4


def test_a_compressed_rollout_is_found_and_is_the_same_session(cases: Path) -> None:
    (found,) = transcripts_below(cases / "codex-zst")
    packed = found.read_bytes()

    async def stream() -> AsyncIterator[bytes]:
        yield packed

    async def whole() -> bytes:
        return b"".join([piece async for piece in unpacked(stream(), limit=10**6)])

    assert read(asyncio.run(whole()))[:2] == read((cases / "codex-fork" / "parent.jsonl").read_bytes())[:2]


def test_code_mode_has_the_commands_and_exit_codes_of_plain_calls(cases: Path) -> None:
    def tools(name: str) -> list[tuple[str, int | None, str | None]]:
        _, events, _ = read((cases / "codex-code-mode" / name).read_bytes())
        return [(event.tool.input, event.tool.exit_code, event.outcome) for event in events if event.tool is not None]

    assert tools("rollout.jsonl") == tools("control-function-call.jsonl")
    assert tools("rollout.jsonl") == [("make test-migrations", 2, "failed"), ("make check-migrations DB=scratch", 0, "ok")]


def test_another_sessions_summary_is_no_title(cases: Path) -> None:
    header, _, _ = read((cases / "claude-titles" / "foreign-summary.jsonl").read_bytes())
    assert header.title == "Add dark mode to the settings page."


def test_only_lines_that_aider_ended_are_the_persons(cases: Path) -> None:
    _, events, _ = read((cases / "aider.chat.history.md").read_bytes())
    assert prompts(events) == ["Why are the CSV exports slow?", "Thanks. What about the imports?\nThey are slow too."]
    assert kinds(events) == ["tool", "prompt", "reply", "prompt", "reply"]


def test_cursors_export_and_clines_history_are_read(cases: Path) -> None:
    cursor, events, _ = read((cases / "cursor-export" / "cursor_chat.md").read_bytes())
    assert (cursor.provider, cursor.title, cursor.agent_version) == ("cursor", "Retry policy of the mailer", "2.1.4")
    assert kinds(events) == ["prompt", "reply"]
    cline, events, _ = read((cases / "cline-history" / "api_conversation_history.json").read_bytes())
    assert cline.provider == "cline"
    assert prompts(events) == ["Which retry policy does the mailer use?", "No, wrong: the mailer must use `fixed-5s` on staging."]
    (tool,) = [event.tool for event in events if event.tool is not None]
    assert (tool.input, tool.output) == ("make check-mailer MODE=full", "Command executed.\nOutput:\n9 passed")


def test_projects_are_told_apart_and_worktrees_are_their_repository(cases: Path) -> None:
    folder = cases / "project-identity"
    a, b = project(folder / "client-a.jsonl"), project(folder / "client-b.jsonl")
    assert a.name == b.name == "backend"
    assert a.key != b.key
    assert project(folder / "codex-worktree-shop.jsonl").name == "shop"
    assert project(folder / "codex-worktree-payroll.jsonl").name == "payroll"
    assert project(folder / "sibling-worktree.jsonl").key == "folder:shop"
