"""Connects VS Code: the MCP server in the user's own mcp.json."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from app.cli.ide.mcp_entries import json_servers
from app.cli.ide.plan import ConnectOptions, IdePlan


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

    todo = [
        "In VS Code, run MCP: List Servers, start `cairn` and trust it.",
        "Hooks don't capture VS Code's sessions: use `cairn watch` or `cairn ingest`.",
    ]
    if options.models:
        todo.append("Choose VS Code's models in its own model picker: --models changed nothing.")
    change = json_servers(servers, "servers", options, todo, typed=True)
    return IdePlan((change,), () if options.remove else tuple(todo))
