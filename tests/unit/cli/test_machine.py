"""The user's own settings of the client: their folders on each system, and the file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app.cli import machine
from app.cli.machine import ClientSettings, HookWaits, read_client_settings, user_folders, write_private
from app.cli.server_address import ServerAddress, find_server, named_server
from app.errors import ConfigurationError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CAIRN_URL", "CAIRN_KEY", "CAIRN_ADMIN_KEY", "CAIRN_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG", "STATE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


@pytest.mark.parametrize(
    ("platform", "home", "env", "config", "state", "data"),
    [
        ("linux", "/home/ada", {}, "/home/ada/.config/cairn", "/home/ada/.local/state/cairn", "/home/ada/.local/share/cairn"),
        ("darwin", "/Users/ada", {}, "/Users/ada/.config/cairn", "/Users/ada/.local/state/cairn", "/Users/ada/.local/share/cairn"),
        (
            "linux",
            "/root",
            {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": ""},
            "/c/cairn",
            "/root/.local/state/cairn",
            "/root/.local/share/cairn",
        ),
        ("linux", "/root", {"XDG_STATE_HOME": "relative"}, "/root/.config/cairn", "/root/.local/state/cairn", "/root/.local/share/cairn"),
        (
            "win32",
            r"C:\Users\Ada",
            {"APPDATA": r"D:\Roaming"},
            r"D:\Roaming\cairn",
            r"C:\Users\Ada\AppData\Local\cairn\state",
            r"C:\Users\Ada\AppData\Local\cairn\data",
        ),
    ],
)
def test_the_users_folders_are_those_of_the_system(
    platform: str, home: str, env: dict[str, str], config: str, state: str, data: str
) -> None:
    found = user_folders(platform, home, env)
    assert (str(found.config), str(found.state), str(found.data)) == (config, state, data)


def written(text: str) -> ClientSettings:
    path = machine.client_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return read_client_settings()


def test_no_file_sets_nothing() -> None:
    assert read_client_settings() == ClientSettings()


def test_the_file_names_server_and_private_places() -> None:
    found = written('url = "https://c.org/"\nkey = "k"\n[private]\nfolders = ["~/a"]\nprojects = ["b/*"]\n[hook]\nconnect_ms = 250\n')
    assert found == ClientSettings("https://c.org/", "k", ("~/a",), ("b/*",), HookWaits(connect_ms=250))


@pytest.mark.parametrize(
    "text",
    [
        "url = ",
        "urls = 'x'",
        "[private]\nfolder = ['x']",
        "private = true",
        "[private]\nfolders = 'x'",
        "key = 3",
        "[hook]\nconnect_ms = 'x'",
        "[hook]\nanswer_ms = 0",
        "[hook]\nreceipt_ms = true",
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"client\.toml"):
        written(text)


def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "client.toml"
    write_private(path, "a")
    write_private(path, "b")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("b", 0o600)
    assert list(path.parent.iterdir()) == [path]


def test_the_environment_overrules_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ClientSettings("https://team.org", "team-key")
    assert named_server(settings) == ServerAddress("https://team.org", "team-key")
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:1/")
    assert named_server(settings) == ServerAddress("http://127.0.0.1:1", None)  # the team's key is not for another server
    monkeypatch.setenv("CAIRN_KEY", "own")
    assert named_server(settings) == ServerAddress("http://127.0.0.1:1", "own")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"url": "http://127.0.0.1:1", "pid": 999999999}', '{"url": "http://evil.org:80", "pid": 1}']
)
def test_an_announcement_that_is_stale_or_not_local_names_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CAIRN_DATA_DIR", str(tmp_path))
    (tmp_path / "server.json").write_text(text)
    (tmp_path / "admin.key").write_text("secret\n")
    assert find_server(ClientSettings()) is None
