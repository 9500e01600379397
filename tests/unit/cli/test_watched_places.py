"""The places that `cairn watch` follows: those of `cairn ingest`, where the agents' own settings put them, and the folders of their sessions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.cli import discover
from app.cli.agent_folders import PLACES, bases
from app.cli.watch.directories import directories_in, directories_of
from app.cli.watch.places import WatchedPlace, files_in, known_places

SESSIONS = {
    ".claude/projects/-home-a/1.jsonl": "claude-code",
    ".claude/projects/-home-a/1/subagents/agent-2.jsonl": "claude-code",
    ".codex/sessions/2026/11/01/rollout-1.jsonl": "codex",
    ".codex/archived_sessions/rollout-2.jsonl": "codex",
    ".gemini/tmp/ab12/chats/session-1.json": "auto",
    ".gemini/tmp/ab12/chats/1/session-2.jsonl": "auto",
    ".qwen/projects/-home-a/chats/1.jsonl": "auto",
    ".copilot/session-state/x/events.jsonl": "auto",
    ".config/Code/User/workspaceStorage/ab/chatSessions/1.json": "auto",
    ".cursor/projects/home-a/agent-transcripts/1/1.jsonl": "auto",
    ".config/Code/User/globalStorage/saoudrizwan.claude-dev/tasks/1/api_conversation_history.json": "auto",
    ".local/share/amp/threads/T-1.json": "auto",
    ".factory/sessions/-home-a/1.jsonl": "auto",
    ".pi/agent/sessions/1.jsonl": "auto",
    ".kimi-code/sessions/wd/session_1/agents/main/wire.jsonl": "auto",
    ".grok/sessions/%2Fhome%2Fa/1/chat_history.jsonl": "auto",
    "work/.specstory/history/1.md": "specstory",
    "work/.aider.chat.history.md": "aider",
}
OTHERS = (
    ".gemini/tmp/ab12/logs.json",
    ".gemini/tmp/ab12/chats/x.json",
    ".config/Code/User/workspaceStorage/ab/workspace.json",
    ".config/Code/User/workspaceStorage/ab/c/chatSessions/1.json",
    ".cursor/projects/home-a/1.jsonl",
    ".config/Code/User/globalStorage/saoudrizwan.claude-dev/tasks/1/ui_messages.json",
    ".local/share/amp/threads/old/T-1.json",
    ".kimi-code/sessions/wd/session_1/state.json",
    "work/notes.md",
    "work/sub/.aider.chat.history.md",
)
LEFT = {
    ".config/Cursor/User/globalStorage/state.vscdb": "a database",
    ".local/share/opencode/opencode.db": "a database",
    ".local/share/opencode/storage/session/p/1.json": "many small files",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def fill(home: Path, *names: str) -> None:
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()


def followed(home: Path) -> dict[str, str]:
    places, _ = known_places(home, home / "work")
    return {str(Path(entry.path).relative_to(home)): place.format for place in places for entry in files_in(place)}


def test_the_sessions_of_all_agents_are_followed_and_nothing_beside_them(home: Path) -> None:
    fill(home, *SESSIONS, *OTHERS, *LEFT)
    assert followed(home) == SESSIONS


def test_what_ingest_finds_is_followed_or_said_to_be_left(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home, *SESSIONS, *OTHERS, *LEFT)
    monkeypatch.setattr(discover, "bases", lambda: bases(home=home, work=home / "work"))
    found = {str(file.relative_to(home)) for place in discover.agent_folders() for file in place.files}
    assert found == followed(home).keys() | LEFT.keys()
    _, left = known_places(home, home / "work")
    assert {each.agent for each in left} == {"Cursor", "OpenCode"}
    for name, reason in LEFT.items():
        assert any((home / name).is_relative_to(each.folder) and reason in each.reason for each in left)


def test_a_place_without_sessions_is_neither_followed_nor_left(home: Path) -> None:
    assert known_places(home, home / "work") == ([], [])


def test_a_file_is_taken_where_a_walk_finds_it(home: Path) -> None:
    fill(home, *SESSIONS, *OTHERS)
    for place in known_places(home, home / "work")[0]:
        names = [str(home / name) for name in (*SESSIONS, *OTHERS) if (home / name).is_relative_to(place.folder)]
        assert {name for name in names if place.takes(name)} == {entry.path for entry in files_in(place)}


def test_every_pattern_of_the_table_is_one_that_a_watch_reads() -> None:
    parts = [part for place in PLACES if place.unfollowed is None for part in place.pattern.split("/")]
    assert not [part for part in parts if set(part) & set("?[]")]


@pytest.mark.parametrize(
    ("named", "claude", "codex"),
    [({}, "home/.claude", "home/.codex"), ({"CLAUDE_CONFIG_DIR": "else/c", "CODEX_HOME": "else/x"}, "else/c", "else/x")],
)
def test_claude_code_and_codex_are_followed_where_they_keep_their_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, str], claude: str, codex: str
) -> None:
    for name, folder in named.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    wanted = {"Claude Code": tmp_path / claude / "projects", "Codex": tmp_path / codex / "sessions"}
    for place in (*wanted.values(), tmp_path / "work" / ".specstory" / "history"):
        place.mkdir(parents=True)
    found = {place.agent: place.folder for place in known_places(tmp_path / "home", tmp_path / "work")[0]}
    assert found == wanted | {"SpecStory": tmp_path / "work" / ".specstory" / "history"}


def test_a_folder_that_the_user_names_is_followed_whole(home: Path) -> None:
    fill(home, "log/a.jsonl", "log/b/c.md", "log/README.md", "log/.git/x.json", "log/d.png")
    found = {Path(entry.path).name for entry in files_in(WatchedPlace("", home / "log"))}
    assert found == {"a.jsonl", "c.md"}


AMP = {"id": "T-1", "env": {"initial": {"trees": [{"uri": "file:///home/a/my%20shop", "displayName": "shop"}]}}}
CLINE = [{"role": "user", "content": [{"type": "text", "text": "Hi\n# Current Working Directory (/home/a/shop) Files\nx"}]}]


@pytest.mark.parametrize(
    ("record", "format", "wanted"),
    [
        ({"type": "session", "cwd": "/home/a/shop"}, "auto", ["/home/a/shop"]),
        ({"cwd": "C:\\shop"}, "auto", ["C:\\shop"]),
        (AMP, "auto", ["/home/a/my shop"]),
        ({"trees": [{"uri": "file:///c:/shop"}, {"uri": "file:///d:/x"}, {"uri": "https://x/y"}]}, "amp", ["c:/shop", "d:/x"]),
        (CLINE, "auto", ["/home/a/shop"]),
        (CLINE, "cline", ["/home/a/shop"]),
        (CLINE, "claude-code", []),
        ({"trees": [{"displayName": "trees [a", "uri": "file:///a"}]}, "auto", ["/a"]),
        ({"text": "# Current Working Directory (/home/a/c#) Files"}, "auto", ["/home/a/c#"]),
        ({"text": json.dumps(AMP)}, "auto", []),
        ({"text": json.dumps({"cwd": "/home/a"})}, "auto", []),
    ],
)
def test_the_folder_is_read_in_the_records(record: object, format: str, wanted: list[str]) -> None:
    assert directories_in(json.dumps(record).encode(), format) == wanted


@pytest.mark.parametrize(
    ("path", "beside", "text", "wanted"),
    [
        (".gemini/tmp/ab/chats/session-1.json", ".gemini/tmp/ab/.project_root", "/home/a/shop\n", "/home/a/shop"),
        (".gemini/tmp/ab/chats/s/session-1.json", ".gemini/tmp/ab/.project_root", "/home/a/shop", "/home/a/shop"),
        (".gemini/tmp/ab/chats/session-1.json", ".gemini/tmp/ab/other", "", None),
        ("ws/ab/chatSessions/1.json", "ws/ab/workspace.json", '{"folder": "file:///home/a/my%20shop"}', "/home/a/my shop"),
        ("ws/ab/chatSessions/1.json", "ws/ab/workspace.json", '{"folder": "vscode-remote://ssh/home/a"}', None),
        ("ws/ab/chatSessions/1.json", "ws/ab/workspace.json", "[]", None),
        ("s/%2Fhome%2Fa%2Fshop/1/chat_history.jsonl", "s/other", "", "/home/a/shop"),
        ("s/plain/1/chat_history.jsonl", "s/other", "", None),
        ("s/wd/session_1/agents/main/wire.jsonl", "s/wd/session_1/state.json", '{"workDir": "/home/a/shop"}', "/home/a/shop"),
        ("s/wd/session_1/agents/main/wire.jsonl", "s/wd/session_1/state.json", '{"workDir": 3', None),
    ],
)
def test_the_folder_is_read_beside_the_transcript(home: Path, path: str, beside: str, text: str, wanted: str | None) -> None:
    fill(home, path, beside)
    (home / beside).write_text(text)
    assert directories_of(home / path) == ([] if wanted is None else [wanted])
    (home / path).write_text(json.dumps({"args": {"cwd": "/scratch"}}))
    assert directories_of(home / path) == ([] if wanted is None else [wanted, "/scratch"])


@pytest.mark.parametrize(
    ("path", "named", "first"),
    [
        (".cursor/projects/{slug}/agent-transcripts/1/1.jsonl", "/scratch", "{shop}"),
        (".cursor/projects/gone-for-good/agent-transcripts/1/1.jsonl", "/scratch", None),
        (".qwen/projects/gone-for-good/chats/1.jsonl", "/scratch", "/scratch"),
        (".claude/projects/{slug}/1.jsonl", "{shop}", "{shop}"),
        (".claude/projects/-gone-my-shop/1.jsonl", "/gone/my.shop", "/gone/my.shop"),
        ("projects/{slug}/log/1.jsonl", None, "{shop}"),
        ("log/1.jsonl", "/scratch", "/scratch"),
    ],
)
def test_a_folder_that_a_path_spells_comes_before_what_records_name(home: Path, path: str, named: str | None, first: str | None) -> None:
    shop = home / "my.shop"
    shop.mkdir()
    slug = re.sub(r"[^A-Za-z0-9]", "-", str(shop))
    transcript = home / path.format(slug=slug)
    fill(home, str(transcript.relative_to(home)))
    transcript.write_text(json.dumps({"cwd": named and named.format(shop=shop)}) + "\n" + json.dumps({"cwd": "/else"}))
    assert directories_of(transcript)[:1] == ([first.format(shop=shop)] if first else [])
    assert directories_of(transcript)[-1:] == (["/else"] if first else [])


@pytest.mark.parametrize(
    "beginning", ['"trees":[', '"trees" : [ ', "# Current Working Directory (", "# Current Workspace Directory (x", '"cwd":"']
)
def test_no_byte_of_a_transcript_is_read_from_many_beginnings(beginning: str) -> None:
    assert directories_in((beginning * (2**23 // len(beginning))).encode()) == []
