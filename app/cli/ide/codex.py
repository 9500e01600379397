"""Connects Codex: hooks in its hooks.json, the MCP server and the models in its config.toml.

Codex trusts a hook by the hash of its definition: a definition that changed between versions of Cairn would have to be trusted anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tomlkit import TOMLDocument

from app.cli.ide.config_file import json_change, without_empty
from app.cli.ide.hook_entries import with_hooks, without_hooks
from app.cli.ide.payload import event_name
from app.cli.ide.plan import HOOK_SECONDS, ConnectOptions, IdePlan, shell_line
from app.cli.ide.toml_edits import remove_table, set_table, toml_change
from app.errors import ConfigurationError

EVENTS = ("SessionStart", "UserPromptSubmit", "PostToolUse", "PreCompact", "PostCompact", "SubagentStop", "Stop")
"""Never changed: see above."""
OWN_MODEL = {"model": "auto", "model_provider": "cairn"}
MCP, PROVIDER = ("mcp_servers", "cairn"), ("model_providers", "cairn")


def plan_codex(options: ConnectOptions) -> IdePlan:
    """Plan the change of the user's own configuration, which counts in every project."""
    own = os.environ.get("CODEX_HOME")
    folder = Path(own) if own else options.home / ".codex"
    hooks, config = folder / "hooks.json", folder / "config.toml"

    def edit_hooks(text: str) -> str:
        def prune(now: str, path: tuple[str, ...]) -> str:
            return without_empty(now, path, hooks)

        if options.remove:
            return without_hooks(text, prune=prune)
        return with_hooks(text, {event: {"hooks": [_handler(event, options)]} for event in EVENTS}, prune=prune)

    todo: list[str] = []

    def edit_config(document: TOMLDocument) -> None:
        if options.remove:
            remove_table(document, MCP)
            _remove_models(document)
            return
        set_table(document, MCP, options.mcp)
        if options.models:
            todo.extend(_set_models(document, options))

    changes = json_change(hooks, edit_hooks, remove=options.remove), toml_change(config, edit_config, remove=options.remove)
    trust = f"Codex runs no hook that you haven't trusted: start it, open /hooks, review and trust the {len(EVENTS)} of Cairn."
    return IdePlan(changes, () if options.remove else (trust, *todo))


def _handler(event: str, options: ConnectOptions) -> dict[str, Any]:
    return {"type": "command", "command": shell_line(options.hook(event_name(event), "codex")), "timeout": HOOK_SECONDS}


def _set_models(document: TOMLDocument, options: ConnectOptions) -> list[str]:
    """Add Cairn as a provider of models, and choose it where nothing else is chosen."""
    if options.server is None:
        raise ConfigurationError("--models needs the server's address: set CAIRN_URL, or start `cairn serve`.")
    base = f"{options.server.url}/v1"
    set_table(document, PROVIDER, {"name": "Cairn", "base_url": base, "env_key": "CAIRN_KEY", "wire_api": "responses"})
    todo = ["Set CAIRN_KEY to your key where you start Codex: no key is written into its configuration."]
    chosen = {name: document.get(name) for name in OWN_MODEL}
    if all(value in (None, OWN_MODEL[name]) for name, value in chosen.items()):
        for name, value in OWN_MODEL.items():
            if chosen[name] is None:
                document[name] = value
    else:
        present = ", ".join(f"{name} = {value!r}" for name, value in chosen.items() if value is not None)
        todo.append(
            f'Your config.toml has {present}, which was kept: for Cairn\'s models, set model = "auto" and model_provider = "cairn".'
        )
    return todo


def _remove_models(document: TOMLDocument) -> None:
    remove_table(document, PROVIDER)
    if document.get("model_provider") == "cairn":
        for name, value in OWN_MODEL.items():
            if document.get(name) == value:
                document.remove(name)
