"""Puts Cairn's MCP server among an IDE's, and takes out exactly that: a server of the same name that runs something else stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tomlkit import TOMLDocument

from app.cli.ide.config_file import ConfigChange, json_change, without_empty
from app.cli.ide.hook_entries import arguments_of
from app.cli.ide.json_edits import read_at, remove_at, set_member
from app.cli.ide.plan import ConnectOptions
from app.cli.ide.toml_edits import remove_table, set_table, table_at

NAME = "cairn"
CODEX = ("mcp_servers", NAME)


def is_our_server(entry: Any) -> bool:
    """Tell whether an entry runs `cairn mcp` and nothing else, as this version or another wrote it."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("command"), str):
        return False
    arguments = entry.get("args")
    words = [entry["command"], *(arguments if isinstance(arguments, list) else ())]
    return all(isinstance(each, str) for each in words) and arguments_of(words) == ["mcp"]


def json_servers(file: Path, outer: str, options: ConnectOptions, todo: list[str], *, typed: bool) -> ConfigChange:
    """Change a JSON file's servers, the members of `outer`. `typed`: an entry names its transport. `todo`: gets what was kept."""
    path = (outer, NAME)
    entry = {"type": "stdio", **options.mcp} if typed else options.mcp

    def edit(text: str) -> str:
        present = read_at(text, path)
        if present is not None and not is_our_server(present):
            todo.extend(_kept(file, options))
            return text
        if options.remove:
            return without_empty(remove_at(text, path), path[:1], file)
        return set_member(text, path, {**(present or {}), **entry})

    return json_change(file, edit, remove=options.remove)


def edit_codex_servers(document: TOMLDocument, file: Path, options: ConnectOptions) -> list[str]:
    """Change the servers of Codex's configuration; return what was kept."""
    present = table_at(document, CODEX)
    if present is not None and not is_our_server(present):
        return _kept(file, options)
    if options.remove:
        remove_table(document, CODEX)
    else:
        set_table(document, CODEX, {**(present or {}), **options.mcp})
    return []


def _kept(file: Path, options: ConnectOptions) -> list[str]:
    if options.remove:
        return []
    said = (
        f"{file} has an MCP server `{NAME}` that `cairn connect` didn't write. It was kept, so Cairn's tools were not added."
        " Unless it is Cairn's, rename it there and run this again."
    )
    return [said]
