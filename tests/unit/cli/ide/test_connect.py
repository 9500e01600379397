"""`cairn connect` writes an IDE's files, keeps what is there, and takes out exactly what it wrote."""

from __future__ import annotations

import json
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.commands import command_line
from app.cli.ide import codex
from app.cli.ide.cursor import RULE
from app.cli.ide.vscode import user_file

SETTINGS, SERVERS = Path(".claude", "settings.json"), Path(".claude.json")
IDES = ("claude-code", "codex", "cursor", "vscode")
CLAUDE = '{\n    "model": "opus",\n    "hooks": {\n        "Stop": [{"hooks": [{"type": "command", "command": "say done"}]}]\n    },\n    "env": {"A": "1"}\n}\n'
CODEX = '# mine\nmodel = "gpt-5.5" # the big one\n\n[mcp_servers.other]\ncommand = "x"\n'


class Home:
    """A developer's home, and a repository in which the command runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / "shop"
        (self.work / ".git").mkdir(parents=True)

    def connect(self, *arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(command_line(), ["connect", *arguments])
        assert done.exit_code == status, done.output
        return done.output

    def put(self, name: Path | str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def json(self, name: Path | str) -> Any:
        return json.loads((self.path / name).read_text())

    def files(self) -> dict[str, bytes]:
        return {str(each.relative_to(self.path)): each.read_bytes() for each in sorted(self.path.rglob("*")) if each.is_file()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path)
    for name in (
        "CAIRN_URL",
        "CAIRN_KEY",
        "CAIRN_ADMIN_KEY",
        "CLAUDE_CONFIG_DIR",
        "CODEX_HOME",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CAIRN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "argv", [str(made.put("bin/cairn", ""))])
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(made.work)
    return made


@pytest.mark.parametrize("ide", IDES)
def test_an_untouched_home_is_as_it_was_after_removal(home: Home, ide: str) -> None:
    before = home.files()
    home.connect(ide)
    assert home.files() != before
    once = home.files()
    assert "nothing to change" in home.connect(ide)
    assert home.files() == once
    home.connect(ide, "--remove")
    assert home.files() == before
    assert "nothing to remove" in home.connect(ide, "--remove")


@pytest.mark.parametrize("ide", IDES)
def test_a_dry_run_shows_the_change_and_writes_nothing(home: Home, ide: str) -> None:
    before = home.files()
    said = home.connect(ide, "--dry-run")
    assert home.files() == before
    assert "+" in said
    assert "cairn" in said
    assert "Nothing was written" in said


def test_claude_code_keeps_its_own_settings_byte_for_byte(home: Home) -> None:
    home.put(SETTINGS, CLAUDE)
    home.put(SERVERS, '{"numStartups": 7, "mcpServers": {}}')
    before = home.files()
    home.connect("claude-code")
    hooks = home.json(SETTINGS)["hooks"]
    assert hooks["Stop"][0] == json.loads(CLAUDE)["hooks"]["Stop"][0]
    assert [hooks[event][-1]["hooks"][0]["args"] for event in ("SessionStart", "Stop", "PostToolUseFailure")] == [
        ["hook", "session-start"],
        ["hook", "stop"],
        ["hook", "post-tool-use-failure"],
    ]
    assert home.json(SERVERS)["mcpServers"]["cairn"]["args"] == ["mcp"]
    assert (home.path / SETTINGS).with_name("settings.json.before-cairn").read_text() == CLAUDE
    home.connect("claude-code", "--remove")
    assert home.files() == before


def test_removal_after_other_edits_undoes_ours_alone(home: Home) -> None:
    home.put(SETTINGS, CLAUDE)
    home.connect("claude-code")
    path = home.path / SETTINGS
    path.write_text(path.read_text().replace('"model": "opus"', '"model": "haiku",\n    "theme": "dark"'))
    home.connect("claude-code", "--remove")
    assert path.read_text() == CLAUDE.replace('"model": "opus"', '"model": "haiku",\n    "theme": "dark"')


def test_codex_keeps_comments_and_its_own_model(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    path = home.put(".codex/config.toml", CODEX)
    said = home.connect("codex", "--models")
    text = path.read_text()
    assert text.startswith(CODEX)
    found = tomllib.loads(text)
    assert found["model"] == "gpt-5.5"
    assert found["mcp_servers"]["cairn"]["args"] == ["mcp"]
    assert found["model_providers"]["cairn"]["base_url"] == "http://127.0.0.1:9/v1"
    assert "trust" in said
    assert "was kept" in said
    home.connect("codex", "--remove")
    assert path.read_text() == CODEX
    assert not (home.path / ".codex" / "hooks.json").exists()


def test_codex_gets_cairns_model_where_it_has_none(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    text = '[profiles.x]\nmodel = "y"\n'
    path = home.put(".codex/config.toml", text)
    home.connect("codex", "--models")
    assert tomllib.loads(path.read_text())["model_provider"] == "cairn"
    home.connect("codex", "--remove")
    assert path.read_text() == text


def test_the_definition_that_codex_trusts_never_changes(home: Home) -> None:
    home.connect("codex")
    hooks = home.json(".codex/hooks.json")["hooks"]
    program = hooks["Stop"][0]["hooks"][0]["command"].removesuffix(" hook stop --ide codex")
    assert hooks == {
        event: [{"hooks": [{"type": "command", "command": f"{program} hook {name} --ide codex", "timeout": 10}]}]
        for event, name in {
            "SessionStart": "session-start",
            "UserPromptSubmit": "user-prompt-submit",
            "PostToolUse": "post-tool-use",
            "PreCompact": "pre-compact",
            "PostCompact": "post-compact",
            "SubagentStop": "subagent-stop",
            "Stop": "stop",
        }.items()
    }
    assert tuple(hooks) == codex.EVENTS


def test_claude_codes_models_are_set_and_taken_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    home.put(SETTINGS, CLAUDE)
    said = home.connect("claude-code", "--models")
    assert home.json(SETTINGS)["env"] == {
        "A": "1",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_MODEL": "auto",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "auto",
    }
    assert "ANTHROPIC_AUTH_TOKEN" in said
    monkeypatch.delenv("CAIRN_URL")
    home.connect("claude-code", "--remove")
    assert (home.path / SETTINGS).read_text() == CLAUDE


def test_another_server_of_models_is_not_replaced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    home.put(SETTINGS, '{"env": {"ANTHROPIC_BASE_URL": "https://other.org"}}')
    before = home.files()
    assert "other.org" in home.connect("claude-code", "--models", status=1)
    assert home.files() == before


@pytest.mark.parametrize(
    ("ide", "file", "text"),
    [
        ("claude-code", ".claude/settings.json", '{"hooks": '),
        ("claude-code", ".claude/settings.json", '{"hooks": []}'),
        ("claude-code", ".claude.json", "[]"),
        ("claude-code", ".claude.json", '{"mcpServers": 5}'),
        ("codex", ".codex/config.toml", "model = "),
        ("codex", ".codex/config.toml", "mcp_servers = 5"),
        ("codex", ".codex/hooks.json", "x"),
        ("cursor", ".cursor/mcp.json", "{,}"),
        ("vscode", ".config/Code/User/mcp.json", '{"servers": {"a": }}'),
    ],
)
def test_a_broken_file_is_refused_and_nothing_is_written(home: Home, ide: str, file: str, text: str) -> None:
    home.put(file, text)
    before = home.files()
    said = home.connect(ide, status=1)
    assert Path(file).name in said
    assert "Nothing was changed" in said
    assert home.files() == before


def test_a_file_that_is_no_utf8_is_refused(home: Home) -> None:
    (home.path / ".claude").mkdir()
    (home.path / SETTINGS).write_bytes(b'{"a": "\xff"}')
    assert "can't be read" in home.connect("claude-code", status=1)


def test_a_link_stays_a_link_and_a_mode_a_mode(home: Home) -> None:
    real = home.put("dotfiles/claude.json", CLAUDE)
    real.chmod(0o600)
    (home.path / ".claude").mkdir()
    (home.path / SETTINGS).symlink_to(real)
    home.connect("claude-code")
    assert (home.path / SETTINGS).is_symlink()
    assert "cairn" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    home.connect("claude-code", "--remove")
    assert real.read_text() == CLAUDE


def test_comments_of_vs_code_stay(home: Home) -> None:
    text = '{\n\t// servers of mine\n\t"servers": {\n\t\t"x": {"command": "y"}, // y\n\t}\n}\n'
    path = home.put(".config/Code/User/mcp.json", text)
    home.connect("vscode")
    assert "// servers of mine" in path.read_text()
    assert '"cairn"' in path.read_text()
    home.connect("vscode", "--remove")
    assert path.read_text() == text


OTHER_SERVERS: list[Any] = [
    {"command": "npx", "args": ["-y", "cairn-of-someone"]},
    {"command": "/opt/cairn", "args": ["mcp", "--read-only"]},
    {"command": "bash", "args": ["-c", "cairn mcp"]},
    {"type": "http", "url": "http://127.0.0.1:8080/mcp", "headers": {"Authorization": "Bearer mine"}},
    {"command": "/opt/cairn", "args": "mcp"},
    [],
]


@pytest.mark.parametrize("other", OTHER_SERVERS)
@pytest.mark.parametrize(
    ("ide", "file", "outer"),
    [
        ("claude-code", SERVERS, "mcpServers"),
        ("cursor", ".cursor/mcp.json", "mcpServers"),
        ("vscode", ".config/Code/User/mcp.json", "servers"),
    ],
)
def test_another_server_of_our_name_stays(home: Home, ide: str, file: Path | str, outer: str, other: Any) -> None:
    text = json.dumps({outer: {"cairn": other}}, indent=3)
    home.put(file, text)
    said = home.connect(ide)
    assert "that `cairn connect` didn't write. It was kept" in said
    assert "rename it there" in said
    assert (home.path / file).read_text() == text
    assert "didn't write" not in home.connect(ide, "--remove")
    assert (home.path / file).read_text() == text


@pytest.mark.parametrize("extra", ['args = ["-y", "x"]', 'args = ["mcp", "x"]', "enabled = true"])
def test_another_server_of_our_name_stays_in_codex(home: Home, extra: str) -> None:
    config = home.put(".codex/config.toml", f'[mcp_servers.cairn] # mine\ncommand = "cairn"\n{extra}\n')
    text = config.read_text()
    assert "It was kept" in home.connect("codex")
    home.connect("codex", "--remove")
    assert config.read_text() == text


def test_what_a_user_added_to_our_server_stays_and_its_program_is_brought_up_to_date(home: Home) -> None:
    old = {"type": "stdio", "command": "/old/cairn", "args": ["mcp"], "env": {"CAIRN_URL": "http://else"}}
    home.put(SERVERS, json.dumps({"mcpServers": {"cairn": old}}))
    home.put(".codex/config.toml", '[mcp_servers.cairn]\ncommand = "/old/cairn"\nargs = ["mcp"]\nstartup_timeout_sec = 20\n')
    home.connect("claude-code")
    home.connect("codex")
    assert home.json(SERVERS)["mcpServers"]["cairn"] == {**old, "command": str(home.path / "bin/cairn")}
    entry = tomllib.loads((home.path / ".codex/config.toml").read_text())["mcp_servers"]["cairn"]
    assert entry == {"command": str(home.path / "bin/cairn"), "args": ["mcp"], "startup_timeout_sec": 20}


def test_another_provider_of_our_name_is_not_replaced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:8080")
    text = 'model_provider = "cairn"\nmodel = "auto"\n\n[model_providers.cairn]\nname = "Mine"\nbase_url = "https://x/v1"\nenv_key = "X"\n'
    config = home.put(".codex/config.toml", text)
    assert "Nothing was changed" in home.connect("codex", "--models", status=1)
    home.connect("codex", "--remove")
    assert config.read_text() == text


def test_cursor_gets_a_rule_which_an_edit_keeps(home: Home) -> None:
    home.connect("cursor")
    rule = home.work / RULE
    rule.write_text(rule.read_text() + "- And ask me.\n")
    home.connect("cursor")
    home.connect("cursor", "--remove")
    assert rule.read_text().endswith("- And ask me.\n")


def test_a_project_is_named_in_the_repository(home: Home) -> None:
    (home.work / "src").mkdir()
    home.put("shop/.cairn.toml", "# ours\n[capture]\nenabled = true\n")
    home.connect("claude-code", "--project", "Läden")
    assert tomllib.loads((home.work / ".cairn.toml").read_text()) == {"project": "Läden", "capture": {"enabled": True}}


def test_server_and_key_are_kept_for_an_ide_that_no_shell_starts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_URL", "https://cairn.example.org")
    monkeypatch.setenv("CAIRN_KEY", "very-secret-key")
    said = home.connect("cursor")
    path = home.path / ".config" / "cairn" / "client.toml"
    assert tomllib.loads(path.read_text()) == {"url": "https://cairn.example.org", "key": "very-secret-key"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "very-secret-key" not in said


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640, 0o400])
def test_a_key_goes_into_no_file_that_others_can_read(home: Home, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    path = home.put(".config/cairn/client.toml", 'key = "an-older-key"\n')
    path.chmod(mode)
    monkeypatch.setenv("CAIRN_URL", "https://cairn.example.org")
    monkeypatch.setenv("CAIRN_KEY", "very-secret-key")
    said = home.connect("cursor")
    kept = path.with_name("client.toml.before-cairn")
    assert kept.read_text() == 'key = "an-older-key"\n'
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, kept)] == [mode & 0o600] * 2
    assert ("readable only by you" in said) is bool(mode & 0o077)
    assert "nothing to change" in home.connect("cursor")


def test_a_key_that_stands_open_already_is_closed_with_its_backup(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.put(".config/cairn/client.toml", 'url = "https://cairn.example.org"\nkey = "k"\n')
    kept = home.put(".config/cairn/client.toml.before-cairn", 'key = "k"\n')
    monkeypatch.setenv("CAIRN_URL", "https://cairn.example.org")
    home.connect("cursor")
    kept.chmod(0o644)
    path.chmod(0o604)
    assert "readable only by you" in home.connect("cursor", "--dry-run")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    (change,) = json.loads(home.connect("cursor", "--json"))["changes"]
    assert (change["diff"], change["closed"]) == ("", True)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, kept)] == [0o600] * 2


@pytest.mark.parametrize(
    ("ide", "file", "text"),
    [
        ("claude-code", ".claude.json", '{"mcpServers": {"x": {"env": {"TOKEN": "other-secret"}}}, "oauth": "other-secret"}'),
        ("claude-code", ".claude.json", '{\n  "mcpServers": {\n    "x": {"env": {"TOKEN": "other-secret"}}\n  }\n}\n'),
        (
            "claude-code",
            ".claude/settings.json",
            '{"env": {"TOKEN": "other-secret"}, "hooks": {"Stop": [{"hooks": [{"command": "other-secret"}]}]}}',
        ),
        ("cursor", ".cursor/mcp.json", '{"mcpServers": {"cairn": {"command": "x", "env": {"TOKEN": "other-secret"}}}}'),
        ("codex", ".codex/config.toml", 'mcp_servers = {x = {command = "y", env = {TOKEN = "other-secret"}}}\n'),
        ("cursor", ".config/cairn/client.toml", '"key"="other-secret"\nurl = "http://127.0.0.1:8"\n'),
    ],
)
def test_a_change_shows_nothing_of_what_stands_beside_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, ide: str, file: str, text: str
) -> None:
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CAIRN_KEY", "very-secret-key")
    home.put(file, text)
    for arguments in (["--dry-run"], ["--json"], ["--remove", "--dry-run"], ["--remove", "--json"]):
        said = home.connect(ide, *arguments)
        assert "cairn" in said
        assert "secret" not in said


def test_over_http_only_a_server_on_this_machine_is_called(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_URL", "https://cairn.example.org")
    assert "on this machine" in home.connect("claude-code", "--http", status=1)
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    home.connect("claude-code", "--http")
    hooks = home.json(SETTINGS)["hooks"]
    (handler,) = hooks["Stop"][0]["hooks"]
    assert (handler["type"], handler["url"], handler["allowedEnvVars"]) == (
        "http",
        "http://127.0.0.1:9/v1/hooks/claude-code",
        ["CAIRN_KEY"],
    )
    assert hooks["SessionStart"][0]["hooks"][0]["type"] == "command"
    home.put(".config/cairn/client.toml", '[private]\nfolders = ["~/clients"]\n')
    assert "private" in home.connect("claude-code", "--http", status=1)


@pytest.mark.parametrize(
    ("platform", "home_folder", "env", "path"),
    [
        ("linux", "/home/ada", {}, "/home/ada/.config/Code/User/mcp.json"),
        ("darwin", "/Users/ada", {}, "/Users/ada/Library/Application Support/Code/User/mcp.json"),
        ("win32", r"C:\Users\Ada", {"APPDATA": r"D:\R"}, r"D:\R\Code\User\mcp.json"),
        ("win32", r"C:\Users\Ada", {}, r"C:\Users\Ada\AppData\Roaming\Code\User\mcp.json"),
    ],
)
def test_vs_codes_file_stands_where_the_system_keeps_it(platform: str, home_folder: str, env: dict[str, str], path: str) -> None:
    assert str(user_file(platform, home_folder, env)) == path
