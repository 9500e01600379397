"""Where the client finds its server and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairn.client import AsyncClient, Client, NotConfigured
from cairn.client import address as addresses
from cairn.client.address import Address, client_file, find_address

IN_FILE = {"url": "https://cairn.example/", "key": "ck_file"}


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the user's client.toml holds; empty at first."""
    content: dict[str, str] = {}
    monkeypatch.setattr(addresses, "_read", lambda _: content)
    return content


def test_arguments_precede_the_environment_and_that_the_file(file: dict[str, str]) -> None:
    file.update(IN_FILE)
    env = {"CAIRN_URL": "http://env.example", "CAIRN_KEY": "ck_env"}
    assert find_address("http://given.example/", "ck_given", env) == Address("http://given.example", "ck_given")
    assert find_address(None, None, env) == Address("http://env.example", "ck_env")
    assert find_address(None, None, {}) == Address("https://cairn.example", "ck_file")
    assert find_address(None, None, {"CAIRN_KEY": "ck_env"}) == Address("https://cairn.example", "ck_env")


def test_the_files_key_is_sent_to_no_other_server(file: dict[str, str]) -> None:
    file.update(IN_FILE)
    assert find_address("https://cairn.example", None, {}).key == "ck_file"
    with pytest.raises(NotConfigured, match=r"no key for https://other\.example"):
        find_address("https://other.example", None, {})


def test_without_a_server_the_error_says_where_to_name_one(file: dict[str, str]) -> None:
    with pytest.raises(NotConfigured, match=r"CAIRN_URL.*client\.toml"):
        find_address(None, None, {"XDG_CONFIG_HOME": "/config"})
    assert file == {}


@pytest.mark.parametrize(
    "url",
    ["cairn.example", "ftp://cairn.example", "https://", "http://[::1", "https://u:p@cairn.example", "http://a?b=c", "http://a:99999"],
)
def test_what_can_be_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(NotConfigured, match="URL"):
        find_address(url, "ck_x", {})


@pytest.mark.parametrize("key", ["ck_a\n", "ck_a b", "ck_ä"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(NotConfigured) as refused:
        find_address("http://127.0.0.1:1", key, {})
    assert key.strip() not in str(refused.value)


def test_no_representation_shows_the_key() -> None:
    address = find_address("http://127.0.0.1:1", "ck_hidden", {})
    shown = [repr(address), repr(Client("http://127.0.0.1:1", "ck_hidden")), repr(AsyncClient("http://127.0.0.1:1", "ck_hidden"))]
    assert [each for each in shown if "ck_hidden" in each] == []
    assert shown[1] == "Client(url='http://127.0.0.1:1')"


def test_the_file_is_that_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.cli import machine

    monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    assert client_file({"XDG_CONFIG_HOME": "/config"}) == machine.client_file() == Path("/config/cairn/client.toml")


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_client_without_a_timeout_cannot_be_made(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Client("http://127.0.0.1:1", "ck_x", timeout=timeout)
