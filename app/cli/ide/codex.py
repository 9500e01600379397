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
from app.cli.ide.mcp_entries import edit_codex_servers
from app.cli.ide.payload import event_name
from app.cli.ide.plan import HOOK_SECONDS, ConnectOptions, IdePlan, shell_line
from app.cli.ide.toml_edits import remove_table, set_table, table_at, toml_change
from app.errors import ConfigurationError

EVENTS = ("SessionStart", "UserPromptSubmit", "PostToolUse", "PreCompact", "PostCompact", "SubagentStop", "Stop")
"""Never changed: see above."""
OWN_MODEL = {"model": "auto", "model_provider": "cairn"}
PROVIDER, KEY = ("model_providers", "cairn"), "CAIRN_KEY"


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
        todo.extend(edit_codex_servers(document, config, options))
        if options.remove:
            _remove_models(document)
        elif options.models:
            todo.extend(_set_models(document, config, options))

    changes = json_change(hooks, edit_hooks, remove=options.remove), toml_change(config, edit_config, remove=options.remove)
    trust = f"Codex runs only hooks that you trust: start it, open /hooks, then review and trust Cairn's {len(EVENTS)} hooks."
    return IdePlan(changes, () if options.remove else (trust, *todo))


def _handler(event: str, options: ConnectOptions) -> dict[str, Any]:
    return {"type": "command", "command": shell_line(options.hook(event_name(event), "codex")), "timeout": HOOK_SECONDS}


def _set_models(document: TOMLDocument, file: Path, options: ConnectOptions) -> list[str]:
    """Add Cairn as a provider of models, and choose it where nothing else is chosen. Another's provider of that name is refused."""
    if options.server is None:
        raise ConfigurationError("--models needs the server's address: set CAIRN_URL, or start `cairn serve`.")
    if table_at(document, PROVIDER) is not None and not _provider_is_ours(document):
        raise ConfigurationError(
            f"{file} has a model provider `cairn` that `cairn connect` didn't write. Nothing was changed. Rename it, then try again."
        )
    base = f"{options.server.url}/v1"
    set_table(document, PROVIDER, {"name": "Cairn", "base_url": base, "env_key": KEY, "wire_api": "responses"})
    todo = ["Set CAIRN_KEY to your key in the environment of Codex: no key is written into its configuration."]
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


def _provider_is_ours(document: TOMLDocument) -> bool:
    """Tell whether `connect --models` wrote the provider, of this version or another: no other takes Cairn's key."""
    found = table_at(document, PROVIDER)
    return isinstance(found, dict) and found.get("env_key") == KEY


def _remove_models(document: TOMLDocument) -> None:
    if not _provider_is_ours(document):
        return
    remove_table(document, PROVIDER)
    if document.get("model_provider") == "cairn":
        for name, value in OWN_MODEL.items():
            if document.get(name) == value:
                document.remove(name)
