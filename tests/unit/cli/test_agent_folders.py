"""Where agents keep their sessions on each platform, and what of a store is sent."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.cli import discover
from app.cli.agent_databases import is_store, sessions_of
from app.cli.agent_folders import PLACES, bases
from app.cli.opencode_storage import exported, is_session
from app.sessions.event import Event
from app.sessions.formats import ParseTally, detect, parse
from app.settings import SessionsSettings
from tests.unit.sessions.transcripts_of_agents import OPENCODE_DATABASE

HOME = Path("/home/ada")


@pytest.mark.parametrize(
    ("platform", "environ", "config", "data"),
    [
        ("linux", {}, ".config", ".local/share"),
        ("linux", {"XDG_CONFIG_HOME": "/conf", "XDG_DATA_HOME": "/data"}, "/conf", "/data"),
        ("linux", {"XDG_CONFIG_HOME": "relative"}, ".config", ".local/share"),
        ("darwin", {"XDG_CONFIG_HOME": "/conf"}, "Library/Application Support", ".local/share"),
        ("win32", {}, "AppData/Roaming", ".local/share"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming", ".local/share"),
    ],
)
def test_each_platform_has_its_folders(platform: str, environ: dict[str, str], config: str, data: str) -> None:
    found = bases(platform=platform, environ=environ, home=HOME, work=Path("/work"))
    own = {"claude": HOME / ".claude", "codex": HOME / ".codex"}
    assert found == {"work": Path("/work"), "home": HOME, "config": HOME / config, "data": HOME / data} | own


def test_claude_code_and_codex_say_where_their_folders_are() -> None:
    found = bases(environ={"CLAUDE_CONFIG_DIR": "/c", "CODEX_HOME": "/x"}, home=HOME)
    assert (found["claude"], found["codex"]) == (Path("/c"), Path("/x"))


def test_every_place_is_below_a_base_that_each_platform_has() -> None:
    assert {place.base for place in PLACES} <= bases(platform="win32", environ={}, home=HOME).keys()
    assert len({(place.base, place.folder, place.pattern) for place in PLACES}) == len(PLACES)


def test_only_an_agents_transcripts_are_found_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "bases", lambda: dict.fromkeys(("work", "home", "config", "data", "claude", "codex"), tmp_path))
    wanted = {
        ".gemini/tmp/ab12/chats/session-1.json": "Gemini CLI",
        ".copilot/session-state/x/events.jsonl": "GitHub Copilot CLI",
        "Code/User/workspaceStorage/ab/chatSessions/1.json": "GitHub Copilot (VS Code)",
        "Cursor/User/globalStorage/state.vscdb": "Cursor",
        "amp/threads/T-1.json": "Amp",
        ".factory/sessions/-home-a/1.jsonl": "Droid",
    }
    left = [
        ".gemini/tmp/ab12/logs.json",
        "Code/User/workspaceStorage/ab/workspace.json",
        "Cursor/User/globalStorage/storage.json",
        "amp/x.json",
    ]
    for name in [*wanted, *left]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "amp/threads/T-2.json").symlink_to(tmp_path / "amp/x.json")
    found = {str(file.relative_to(tmp_path)): place.agent for place in discover.agent_folders() for file in place.files}
    assert found == wanted


@pytest.mark.parametrize("old", [False, True])
def test_a_session_in_opencodes_storage_is_sent_as_its_export(tmp_path: Path, old: bool) -> None:
    session = tmp_path / "storage/session/p/ses_1.json"
    message = {"id": "msg_1", "sessionID": "ses_1", "role": "user"}
    part = {"id": "prt_1", "messageID": "msg_1", "type": "text", "text": "Where is the valve?"}
    files = {
        session: {"id": "ses_1", "projectID": "p", "title": "Valve"},
        tmp_path / "storage/message/ses_1/msg_1.json": message,
        tmp_path / "storage/message/ses_1/msg_2.json": "damaged",
        tmp_path / ("storage/part/prt_1.json" if old else "storage/part/msg_1/prt_1.json"): part,
    }
    for path, value in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    assert is_session(session)
    assert not is_session(tmp_path / "storage/message/ses_1/msg_1.json")
    with exported(session) as file:
        data = file.read()
    assert detect(data) == "opencode"
    made = list(parse(iter([data]), format="opencode", limits=SessionsSettings(), tally=ParseTally()))
    assert [event.text for event in made if isinstance(event, Event)] == ["Where is the valve?"]


def test_of_cursors_store_only_the_sessions_are_sent(tmp_path: Path) -> None:
    store = tmp_path / "state.vscdb"
    with closing(sqlite3.connect(store)) as made, made:
        made.execute("CREATE TABLE ItemTable (key TEXT, value BLOB)")
        made.execute("INSERT INTO ItemTable VALUES ('cursorAuth/accessToken', 'secret-of-the-editor')")
        made.execute("CREATE TABLE cursorDiskKV (key TEXT, value BLOB)")
        made.execute("INSERT INTO cursorDiskKV VALUES ('composerData:c1', '{}'), ('bubbleId:c1:b1', '{}'), ('checkpointId:x', 'unwanted')")
    before = store.read_bytes()
    assert is_store(store)
    with sessions_of(store) as file:
        data = file.read()
    assert b"composerData:c1" in data
    assert b"bubbleId:c1:b1" in data
    assert b"secret-of-the-editor" not in data
    assert b"unwanted" not in data
    assert store.read_bytes() == before


def test_of_opencodes_database_only_the_sessions_are_sent(tmp_path: Path) -> None:
    store = tmp_path / "opencode.db"
    store.write_bytes(OPENCODE_DATABASE)
    with closing(sqlite3.connect(store)) as made, made:
        made.execute("CREATE TABLE account (access_token TEXT)")
        made.execute("INSERT INTO account VALUES ('secret-of-the-agent')")
    with sessions_of(store) as file:
        data = file.read()
    assert b"secret-of-the-agent" not in data
    assert detect(data) == "opencode"
    made_of, whole = (
        list(parse(iter([each]), format="opencode", limits=SessionsSettings(), tally=ParseTally())) for each in (data, OPENCODE_DATABASE)
    )
    assert made_of == whole


def test_another_programs_store_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "state.vscdb").write_bytes(b"no database")
    with pytest.raises(OSError, match="no sessions can be read"):
        sessions_of(tmp_path / "state.vscdb")
