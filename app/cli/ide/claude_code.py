"""Connects Claude Code: hooks and models in its settings.json, the MCP server in its .claude.json."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from app.cli.ide.config_file import json_change, without_empty
from app.cli.ide.hook_entries import AUTHORIZATION, with_hooks, without_hooks
from app.cli.ide.json_edits import read_at, remove_at, set_member
from app.cli.ide.mcp_entries import json_servers
from app.cli.ide.payload import event_name
from app.cli.ide.plan import HOOK_SECONDS, ConnectOptions, IdePlan
from app.errors import ConfigurationError

EVENTS = (
    *("SessionStart", "UserPromptSubmit", "PostToolUse", "PostToolUseFailure", "Stop", "SubagentStop"),
    *("PreCompact", "PostCompact", "SessionEnd"),
)
MODELS = {"ANTHROPIC_MODEL": "auto", "ANTHROPIC_DEFAULT_HAIKU_MODEL": "auto"}
ADDRESS = "ANTHROPIC_BASE_URL"


def plan_claude_code(options: ConnectOptions) -> IdePlan:
    """Plan the change of the user's own settings, which count in every project."""
    own = os.environ.get("CLAUDE_CONFIG_DIR")
    settings = (Path(own) if own else options.home / ".claude") / "settings.json"
    servers = (Path(own) if own else options.home) / ".claude.json"

    def edit_settings(text: str) -> str:
        def prune(now: str, path: tuple[str, ...]) -> str:
            return without_empty(now, path, settings)

        if options.remove:
            return _without_models(without_hooks(text, prune=prune), settings)
        wanted = {event: {"hooks": [_handler(event, options)]} for event in EVENTS}
        return _with_models(with_hooks(text, wanted, prune=prune), options, settings)

    kept: list[str] = []
    changes = (
        json_change(settings, edit_settings, remove=options.remove),
        json_servers(servers, "mcpServers", options, kept, typed=True),
    )
    return IdePlan(changes, () if options.remove else (*_todo(options), *kept))


def _handler(event: str, options: ConnectOptions) -> dict[str, Any]:
    """Return the handler of an event. A session's start is always a command, since it alone can tell the repository."""
    if options.http and event != "SessionStart":
        if options.server is None or not options.server.local:
            raise ConfigurationError("--http works only with a server on this machine: leave it out.")
        return {
            "type": "http",
            "url": f"{options.server.url}/v1/hooks/claude-code",
            "headers": {"Authorization": AUTHORIZATION},
            "allowedEnvVars": ["CAIRN_KEY"],
            "timeout": HOOK_SECONDS,
        }
    program, *arguments = options.hook(event_name(event), "claude-code")
    return {"type": "command", "command": program, "args": arguments, "timeout": HOOK_SECONDS}


def _with_models(text: str, options: ConnectOptions, file: Path) -> str:
    if not options.models:
        return text
    if options.server is None:
        raise ConfigurationError("--models needs the server's address: set CAIRN_URL, or start `cairn serve`.")
    ours = _models_are_ours(text)
    for name, value in {ADDRESS: options.server.url, **MODELS}.items():
        present = read_at(text, ("env", name))
        if present not in (None, value) and not ours:
            raise ConfigurationError(
                f"{file} sets env.{name} to {present!r} already. Nothing was changed. Remove that setting, then try again."
            )
        text = set_member(text, ("env", name), value)
    return text


def _without_models(text: str, file: Path) -> str:
    if not _models_are_ours(text):
        return text
    for name in (ADDRESS, *MODELS):
        text = remove_at(text, ("env", name))
    return without_empty(text, ("env",), file)


def _models_are_ours(text: str) -> bool:
    """Tell whether `connect --models` wrote the environment: no other server has a model called auto for both."""
    return read_at(text, ("env", ADDRESS)) is not None and all(read_at(text, ("env", name)) == value for name, value in MODELS.items())


def _todo(options: ConnectOptions) -> tuple[str, ...]:
    todo = ["Restart Claude Code: running sessions keep their old hooks. /hooks and /mcp show Cairn's."]
    if options.models:
        todo.append(
            "For the models, set ANTHROPIC_AUTH_TOKEN to your key in the environment of Claude Code: no key is written into its settings."
        )
    if options.http:
        todo.append(
            "Set CAIRN_KEY in the environment of Claude Code. Over HTTP, `.cairn.toml` and `cairn pause` are only checked when a "
            "session starts."
        )
    return tuple(todo)
