"""When a server that an earlier command started doesn't fit this one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import __version__
from app.cli.announcement import Announcement, reads_our_settings, reason_to_restart, start_state


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> Announcement:
    monkeypatch.setenv("CAIRN_LOG__LEVEL", "info")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    return Announcement(
        "http://127.0.0.1:1", 7, warm_minutes=10, state=start_state(more=["GROQ_API_KEY"], files=[Path("/nonexistent/file")])
    )


def test_a_server_started_the_same_way_fits(warm: Announcement) -> None:
    assert reason_to_restart(warm) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("CAIRN_LOG__LEVEL", "debug"), ("CAIRN_LOG__LEVEL", None), ("CAIRN_BUDGET__TIME_ZONE", "Europe/Oslo"), ("GROQ_API_KEY", "k")],
)
def test_a_variable_that_the_server_would_read_otherwise_is_named(
    warm: Announcement, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    assert reason_to_restart(warm) == f"{name} has a different value now"


@pytest.mark.parametrize("name", ["CAIRN_KEY", "CAIRN_DATA_DIR", "CAIRN_CLI__WARM_MINUTES", "GROQ_API_KEYS", "HOME"])
def test_a_variable_that_no_server_reads_changes_nothing(warm: Announcement, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "other")
    assert reason_to_restart(warm) is None


@pytest.mark.parametrize("name", ["CAIRN_CONFIG", "CAIRN_ADMIN_KEY_FILE", "GROQ_API_KEY_FILE"])
def test_the_same_relative_path_in_another_folder_names_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv(name, "cairn.toml")
    made = Announcement("http://127.0.0.1:1", 7, warm_minutes=10, state=start_state(more=["GROQ_API_KEY_FILE"], files=[]))
    assert reason_to_restart(made) is None
    monkeypatch.setenv(name, f"{Path.cwd()}/sub/../cairn.toml")
    assert reason_to_restart(made) is None
    monkeypatch.setenv(name, "cairn.toml")
    monkeypatch.chdir(tmp_path)
    assert reason_to_restart(made) == f"{name} has a different value now"


def test_another_version_and_a_changed_file_are_named(warm: Announcement) -> None:
    assert reason_to_restart(replace(warm, version="0.0.1")) == f"it is Cairn 0.0.1, this is {__version__}"
    changed = replace(warm, state=replace(warm.state, files={"/nonexistent/file": "1 2"}))
    assert reason_to_restart(changed) == "/nonexistent/file has changed"


def test_a_server_that_a_person_started_always_fits(warm: Announcement) -> None:
    assert reason_to_restart(replace(warm, warm_minutes=None, version="0.0.1")) is None


def test_a_setting_that_a_persons_server_has_not_read_is_noticed(warm: Announcement, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = replace(warm, warm_minutes=None)
    monkeypatch.setenv("GROQ_API_KEY", "k")  # the server's business alone
    assert reads_our_settings(by_hand)
    monkeypatch.setenv("CAIRN_SERVER__PORT", "eighty")
    assert not reads_our_settings(by_hand)


def test_no_value_of_a_variable_stands_in_the_announcement(warm: Announcement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_ADMIN_KEY", "a-secret-of-many-characters")
    again = replace(warm, state=start_state(more=[], files=[]))
    assert "a-secret" not in again.to_json()
    assert "CAIRN_ADMIN_KEY" in again.to_json()
