"""The plugin folder for Claude Code, against the documented shapes of its files, and in step with what `cairn connect` writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from app import __version__
from app.cli.ide.claude_code import EVENTS
from app.cli.ide.hook_entries import is_ours
from app.cli.ide.payload import event_name

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = ROOT / "plugins" / "claude-code"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_manifest_has_what_a_plugin_must_have() -> None:
    manifest = read(PLUGIN / ".claude-plugin" / "plugin.json")
    assert NAME.fullmatch(manifest["name"])
    assert manifest["version"] == __version__
    assert set(manifest) <= {"name", "version", "description", "author", "license", "keywords", "homepage", "repository"}
    assert isinstance(manifest["author"]["name"], str)
    assert [each.name for each in (PLUGIN / ".claude-plugin").iterdir()] == ["plugin.json"]  # all else stands beside that folder


def test_the_marketplace_lists_the_plugin_where_it_is() -> None:
    marketplace = read(ROOT / ".claude-plugin" / "marketplace.json")
    assert NAME.fullmatch(marketplace["name"])
    assert marketplace["owner"]["name"]
    (listed,) = marketplace["plugins"]
    assert listed["name"] == read(PLUGIN / ".claude-plugin" / "plugin.json")["name"]
    assert listed["source"].startswith("./")
    assert (ROOT / listed["source"]).resolve() == PLUGIN


def test_its_hooks_are_those_that_connect_writes() -> None:
    found = read(PLUGIN / "hooks" / "hooks.json")
    assert set(found) == {"description", "hooks"}
    assert tuple(found["hooks"]) == EVENTS
    for event, groups in found["hooks"].items():
        ((handler,),) = (group["hooks"] for group in groups)
        assert handler == {"type": "command", "command": "cairn", "args": ["hook", event_name(event)], "timeout": 10}
        assert is_ours(handler)


def test_its_server_is_cairns_over_stdio() -> None:
    assert read(PLUGIN / ".mcp.json") == {"mcpServers": {"cairn": {"type": "stdio", "command": "cairn", "args": ["mcp"]}}}


def test_each_skill_says_when_to_use_it() -> None:
    for path in PLUGIN.glob("skills/*/SKILL.md"):
        head = re.match(r"---\nname: (.+)\ndescription: (.+)\n---\n", path.read_text())
        assert head is not None
        assert head[1] == path.parent.name
        assert NAME.fullmatch(head[1])
        assert len(head[2]) <= 1024
