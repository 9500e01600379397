"""`cairn login` and `logout`: what is read from a link, and what is kept in the user's file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app.cli import login
from app.cli.keys import _one
from app.cli.login import LoginTarget, parse_target
from app.cli.machine import client_file, read_client_settings, write_private
from app.errors import ConfigurationError, Conflict, InvalidInput, NotFound

TOKEN = "Zk3" + "a" * 40


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://cairn.example", LoginTarget("https://cairn.example", None)),
        (" http://127.0.0.1:8000/ ", LoginTarget("http://127.0.0.1:8000", None)),
        (f"https://cairn.example/invite/{TOKEN}", LoginTarget("https://cairn.example", TOKEN)),
        (f"https://example.org/tools/cairn/invite/{TOKEN}/?from=mail", LoginTarget("https://example.org/tools/cairn", TOKEN)),
        (f"http://[::1]:8000/invite/{TOKEN}", LoginTarget("http://[::1]:8000", TOKEN)),
    ],
)
def test_a_servers_address_and_an_invitation_are_told_apart(url: str, target: LoginTarget) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    "url", ["", "cairn.example", "ftp://cairn.example", "https://", "cairn_" + "a" * 12 + "_" + "b" * 43, "http://[", "https://a:b@c"]
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput, match="begins with http") as refused:
        parse_target(url)
    assert "bbbb" not in refused.value.message


@pytest.mark.parametrize("token", ["", "short", "a b" * 20, "%00" * 10, "x" * 300])
def test_a_link_that_is_cut_off_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="incomplete or mistyped"):
        parse_target(f"https://cairn.example/invite/{token}")


def test_the_key_is_kept_for_its_owner_alone_beside_what_else_is_in_the_file() -> None:
    file = client_file()
    file.parent.mkdir(parents=True)
    file.write_text('# mine\nurl = "https://old"\n\n[private]\nfolders = ["/secret"]\n')
    file.chmod(0o644)
    assert login._store(file, "https://new", "cairn_key") is False
    found = read_client_settings()
    assert (found.url, found.key, found.private_folders, mode_of(file)) == ("https://new", "cairn_key", ("/secret",), 0o600)
    assert file.read_text().startswith("# mine\n")
    assert [each.name for each in file.parent.iterdir()] == [file.name], "no copy of a key is left"
    login._forget(file)
    found = read_client_settings()
    assert (found.url, found.key, found.private_folders) == (None, None, ("/secret",))


def test_a_key_that_others_could_read_until_now_is_told() -> None:
    file = client_file()
    login._store(file, "https://one", "cairn_one")
    assert login._store(file, "https://one", "cairn_two") is False
    file.chmod(0o640)
    assert login._store(file, "https://one", "cairn_two") is True
    assert mode_of(file) == 0o600


def test_a_file_with_nothing_else_goes_with_the_logout() -> None:
    file = client_file()
    login._store(file, "https://one", "cairn_one")
    login._forget(file)
    assert not file.exists()


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    file, real = client_file(), tmp_path / "dotfiles.toml"
    file.parent.mkdir(parents=True)
    real.write_text("")
    file.symlink_to(real)
    login._store(file, "https://one", "cairn_one")
    assert file.is_symlink()
    assert (read_client_settings().key, mode_of(real)) == ("cairn_one", 0o600)


def test_a_leftover_that_others_may_read_is_not_written_into(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    leftover = tmp_path / f".client.toml.{os.getpid()}"
    leftover.write_text("old")
    leftover.chmod(0o666)
    write_private(file, "key")
    assert (file.read_text(), mode_of(file), leftover.exists()) == ("key", 0o600, False)


def test_a_broken_file_is_told_before_an_invitation_is_used() -> None:
    file = client_file()
    file.parent.mkdir(parents=True)
    file.write_text("url = ")
    with pytest.raises(ConfigurationError, match="can't be read"):
        login._check_writable(file)


def key(name: str, lookup: str, *, developer: str = "ada", state: str = "active") -> dict[str, object]:
    return {"id": lookup * 2, "name": name, "lookup": lookup, "developer": developer, "state": state, "revoked_at": "2026-11-29T10:00:00Z"}


def test_an_ambiguous_key_is_told_with_those_that_are_meant() -> None:
    live, other, gone = key("ci", "aaaa"), key("ci", "bbbb", developer="bob"), key("ci", "cccc", state="revoked")
    assert _one([gone, live], "ci") == live
    with pytest.raises(Conflict, match="ci of ada: cairn_aaaa; ci of bob: cairn_bbbb"):
        _one([live, other, gone], "ci")
    with pytest.raises(Conflict, match="and 5 more"):
        _one([live] * 15, "ci")
    with pytest.raises(NotFound, match="already revoked, on 2026-11-29"):
        _one([gone], "ci")
    with pytest.raises(NotFound, match="cairn keys list"):
        _one([], "ci")
