"""Settings: three layers, and errors that name the field without showing a secret."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import SHIPPED, Settings, load


def test_the_shipped_file_says_what_the_code_defaults_to() -> None:
    shipped = tomllib.loads(SHIPPED.read_text())
    fields = Settings.model_fields
    del shipped["providers"]  # they stand in the file alone

    def same(defaults: object, values: dict[str, object], section: str) -> None:
        for name, value in values.items():
            default = getattr(defaults, name)
            if isinstance(value, dict) and not isinstance(default, dict):
                same(default, value, f"{section}.{name}")
            else:
                assert (list(default) if isinstance(value, list) else default) == value, f"[{section}] {name}"

    for section, values in shipped.items():
        same(fields[section].default, values, section)


def test_the_environment_wins_over_a_custom_file_and_that_over_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    custom = tmp_path / "cairn.toml"
    custom.write_text("[server]\nport = 9000\nhost = '127.0.0.2'\n")
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    monkeypatch.setenv("CAIRN_SERVER__PORT", "9001")
    settings = load()
    assert (settings.server.port, settings.server.host) == (9001, "127.0.0.2")
    assert settings.server.max_body_bytes == 2**20


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[server]\nport = 'x'", "server.port"),
        ("[server]\nprot = 1", "server.prot"),
        ("[server", "not valid TOML"),
        ("admin_key = 'abc'", "secrets come only from the environment"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, says: str) -> None:
    custom = tmp_path / "cairn.toml"
    custom.write_text(content)
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    with pytest.raises(ConfigurationError, match=says):
        load()


def test_an_absent_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_CONFIG", "/nowhere/cairn.toml")
    with pytest.raises(ConfigurationError, match="can't be read"):
        load()


def test_no_secret_stands_in_an_error_or_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_ADMIN_KEY", "very-secret-indeed")
    monkeypatch.setenv("CAIRN_SERVER__PORT", "no")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "very-secret" not in str(caught.value)
    monkeypatch.delenv("CAIRN_SERVER__PORT")
    assert "very-secret" not in repr(load())


def test_the_teams_daily_tokens_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_BUDGET__TEAM_TOKENS_A_DAY", "off")
    assert load().budget.team_tokens_a_day is None


def test_a_webhook_that_is_no_address_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_BUDGET__WEBHOOK_URL", "hooks.example/T0/secret")
    with pytest.raises(ConfigurationError, match=r"budget\.webhook_url") as refused:
        load()
    assert "T0" not in str(refused.value)
