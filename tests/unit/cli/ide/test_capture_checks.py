"""`cairn doctor` says when each IDE's last event arrived, and what stops the next; `cairn pause` stops them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import machine
from app.cli.check import Check
from app.cli.commands import command_line
from app.cli.ide.capture_checks import arrivals, capture_checks
from app.cli.ide.stamps import HookOutcome, note_away, read_stamps, recently_away, write_stamp


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


def checks(directory: Path) -> dict[str, Check]:
    return {each.name: each for each in capture_checks(directory)}


def test_without_any_hook_the_command_to_connect_is_named(tmp_path: Path) -> None:
    assert "cairn connect" in checks(tmp_path)["hooks"].detail


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        ("sent", "ok"),
        ("private", "note"),
        ("off", "note"),
        ("paused", "note"),
        ("unreadable", "note"),
        ("refused", "failed"),
        ("away", "failed"),
        ("no_server", "failed"),
        ("failed", "failed"),
    ],
)
def test_the_last_hook_is_told_with_its_reason(tmp_path: Path, outcome: HookOutcome, verdict: str) -> None:
    write_stamp("codex", "stop", outcome, "because of this")
    check = checks(tmp_path)["hook of codex"]
    assert check.verdict == verdict
    assert "because of this" in check.detail


def test_the_last_event_that_arrived_is_told_beside_the_one_that_did_not(tmp_path: Path) -> None:
    write_stamp("cursor", "before-submit-prompt", "sent")
    write_stamp("cursor", "stop", "refused", "the key")
    detail = checks(tmp_path)["hook of cursor"].detail
    assert "(before-submit-prompt)" in detail
    assert "(stop) was not: the key" in detail


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ide": "codex"}', '{"a": 1}'])
def test_a_damaged_stamp_is_none(text: str) -> None:
    folder = machine.state_folder() / "hooks"
    folder.mkdir(parents=True)
    (folder / "codex.json").write_text(text)
    assert list(read_stamps()) == []


def test_what_makes_a_folder_private_is_told(tmp_path: Path) -> None:
    (tmp_path / ".cairn.toml").write_text("private = true\n")
    assert "private = true" in checks(tmp_path)["capture"].detail
    (tmp_path / ".cairn.toml").write_text("[capture]\nenabled = false\n")
    assert checks(tmp_path)["capture"].verdict == "note"


def test_a_broken_file_of_the_users_is_a_failure(tmp_path: Path) -> None:
    machine.write_private(machine.client_file(), "url = ")
    assert checks(tmp_path)["capture"].verdict == "failed"


def test_a_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    machine.write_private(machine.client_file(), 'url = "https://c.org"\nkey = "k"\n')
    assert "client.toml" not in checks(tmp_path)
    machine.client_file().chmod(0o644)
    assert "chmod 600" in checks(tmp_path)["client.toml"].detail


def test_a_pause_is_begun_told_and_ended(tmp_path: Path) -> None:
    def pause(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(command_line(), ["pause", *arguments])
        assert done.exit_code == status, done.output
        return done.output

    assert "until `cairn pause --off`" in pause()
    assert "paused" in checks(tmp_path)["capture"].detail
    assert "paused" in pause("--minutes", "30")
    assert "goes on" in pause("--off")
    assert "capture" not in checks(tmp_path)
    pause("--off", "--minutes", "1", status=1)
    pause("--minutes", "0", status=1)


def test_a_server_that_let_a_hook_wait_is_left_alone_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not recently_away()
    note_away()
    assert recently_away()
    marked = (machine.state_folder() / "hooks" / "server-away").stat().st_mtime
    for moment in (marked + 60, marked - 3600):  # later; or the clock was set back
        monkeypatch.setattr("app.cli.ide.stamps.time.time", lambda moment=moment: moment)
        assert not recently_away()


def test_the_servers_newest_event_of_each_ide_is_told() -> None:
    sessions = [
        {"provider": "codex", "started_at": "2026-11-01T10:00:00Z", "ended_at": None},
        {"provider": "codex", "started_at": "2026-11-01T09:00:00Z", "ended_at": "2026-11-02T08:00:00Z"},
        {"provider": "cursor", "started_at": None, "ended_at": None},
        {"provider": "generic", "started_at": "2026-11-01T10:00:00Z", "ended_at": None},
    ]
    assert [(each.name, each.detail) for each in arrivals(sessions)] == [
        ("sessions of codex", "the server's newest event is from 2026-11-02 08:00:00")
    ]
