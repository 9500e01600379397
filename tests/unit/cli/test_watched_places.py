"""The places that `cairn watch` follows: where the agents' own settings put them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.watch.places import known_places


@pytest.mark.parametrize(
    ("named", "claude", "codex"),
    [({}, "home/.claude", "home/.codex"), ({"CLAUDE_CONFIG_DIR": "else/c", "CODEX_HOME": "else/x"}, "else/c", "else/x")],
)
def test_claude_code_and_codex_are_followed_where_they_keep_their_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, str], claude: str, codex: str
) -> None:
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, folder in named.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    wanted = {"Claude Code": tmp_path / claude / "projects", "Codex": tmp_path / codex / "sessions"}
    for place in (*wanted.values(), tmp_path / "work" / ".specstory" / "history"):
        place.mkdir(parents=True)
    found = {place.agent: place.folder for place in known_places(tmp_path / "home", tmp_path / "work")}
    assert found == wanted | {"SpecStory": tmp_path / "work" / ".specstory" / "history"}
