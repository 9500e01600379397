"""Connects VS Code: the MCP server in the user's own mcp.json."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from app.cli.ide.config_file import json_change, without_empty
from app.cli.ide.json_edits import remove_at, set_member
from app.cli.ide.plan import ConnectOptions, IdePlan

MCP = ("servers", "cairn")


def user_file(platform: str, home: str, env: Mapping[str, str]) -> PurePath:
    """Return the place of a user's mcp.json on one system. `platform`: as sys.platform."""
    if platform == "win32":
        return PureWindowsPath(env.get("APPDATA") or PureWindowsPath(home, "AppData", "Roaming"), "Code", "User", "mcp.json")
    if platform == "darwin":
        return PurePosixPath(home, "Library", "Application Support", "Code", "User", "mcp.json")
    return PurePosixPath(env.get("XDG_CONFIG_HOME") or PurePosixPath(home, ".config"), "Code", "User", "mcp.json")


def plan_vscode(options: ConnectOptions) -> IdePlan:
    """Plan the change of the user's list of MCP servers."""
    servers = Path(user_file(sys.platform, str(options.home), os.environ))

    def edit(text: str) -> str:
        if options.remove:
            return without_empty(remove_at(text, MCP), MCP[:1], servers)
        return set_member(text, MCP, {"type": "stdio", **options.mcp})

    todo = [
        "In VS Code, run MCP: List Servers, start `cairn` and trust it.",
        "Its sessions are not captured by hooks: `cairn watch` or `cairn ingest` read them.",
    ]
    if options.models:
        todo.append("VS Code's models are chosen in its own model picker: --models wrote nothing.")
    return IdePlan((json_change(servers, edit, remove=options.remove),), () if options.remove else tuple(todo))
