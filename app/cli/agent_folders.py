"""Table of the folders where each agent keeps its sessions, on Linux, macOS and Windows: one row a place."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EVERYTHING = "**/*"
"""The pattern of a place whose every file that may be a transcript is one."""
SPECSTORY = (".specstory", "history")
AIDER = ".aider.chat.history.md"
_CLINES = {"Cline": "saoudrizwan.claude-dev", "Roo Code": "rooveterinaryinc.roo-cline"}
_EDITORS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf")


@dataclass(frozen=True, slots=True)
class AgentPlace:
    """A folder of an agent's, below one of the bases, and which files in it are transcripts (a pattern of `Path.glob`).

    `format`: of all its files, or auto. `unfollowed`: why `cairn watch` leaves it to `cairn ingest`, or None.
    """

    agent: str
    base: str
    folder: str
    pattern: str = EVERYTHING
    format: str = "auto"
    unfollowed: str | None = None


DATABASE = "a database, which holds more than sessions"
MANY_FILES = "a session is many small files"
_EDITOR_CHATS = "*/chatSessions/*"
PLACES = (
    AgentPlace("SpecStory", "work", "/".join(SPECSTORY), format="specstory"),
    AgentPlace("aider", "work", ".", AIDER, format="aider"),
    AgentPlace("Claude Code", "claude", "projects", format="claude-code"),
    AgentPlace("Codex", "codex", "sessions", format="codex"),
    AgentPlace("Codex, archived", "codex", "archived_sessions", format="codex"),
    AgentPlace("Gemini CLI", "home", ".gemini/tmp", "*/chats/**/session-*"),
    AgentPlace("Qwen Code", "home", ".qwen/projects", "*/chats/*"),
    AgentPlace("GitHub Copilot CLI", "home", ".copilot/session-state", "**/*.jsonl"),
    AgentPlace("GitHub Copilot (VS Code)", "config", "Code/User/workspaceStorage", _EDITOR_CHATS),
    AgentPlace("GitHub Copilot (VS Code Insiders)", "config", "Code - Insiders/User/workspaceStorage", _EDITOR_CHATS),
    AgentPlace("Cursor", "home", ".cursor/projects", "*/agent-transcripts/**/*"),
    AgentPlace("Cursor", "config", "Cursor/User/globalStorage", "state.vscdb", unfollowed=DATABASE),
    AgentPlace("OpenCode", "data", "opencode", "opencode*.db", unfollowed=DATABASE),
    AgentPlace("OpenCode", "data", "opencode/storage/session", "*/*.json", unfollowed=MANY_FILES),
    AgentPlace("Amp", "data", "amp/threads", "T-*.json"),
    AgentPlace("Droid", "home", ".factory/sessions", "**/*.jsonl"),
    AgentPlace("Pi", "home", ".pi/agent/sessions", "**/*.jsonl"),
    AgentPlace("OpenClaw", "home", ".openclaw/agents", "*/sessions/*.jsonl"),
    AgentPlace("Kimi Code", "home", ".kimi-code/sessions", "**/agents/**/wire.jsonl"),
    AgentPlace("Grok", "home", ".grok/sessions", "**/chat_history.jsonl"),
    *(
        AgentPlace(f"{agent} in {editor}", "config", f"{editor}/User/globalStorage/{extension}/tasks", "*/api_conversation_history.json")
        for agent, extension in _CLINES.items()
        for editor in _EDITORS
    ),
)
"""Bases: `work` the working folder, `home`, `config` where editors keep their settings, `data` where programs keep their data.

`claude` and `codex`: their own folders, which `CLAUDE_CONFIG_DIR` and `CODEX_HOME` move.
"""


def bases(
    *, platform: str = sys.platform, environ: Mapping[str, str] = os.environ, home: Path | None = None, work: Path | None = None
) -> dict[str, Path]:
    """Return the folder of each base on this platform."""
    home = home or Path.home()
    data = _named(environ, "XDG_DATA_HOME", home / ".local" / "share")  # also elsewhere: these programs use it everywhere
    if platform == "win32":
        config = _named(environ, "APPDATA", home / "AppData" / "Roaming")
    elif platform == "darwin":
        config = home / "Library" / "Application Support"
    else:
        config = _named(environ, "XDG_CONFIG_HOME", home / ".config")
    claude, codex = Path(environ.get("CLAUDE_CONFIG_DIR") or home / ".claude"), Path(environ.get("CODEX_HOME") or home / ".codex")
    return {"work": work or Path.cwd(), "home": home, "config": config, "data": data, "claude": claude, "codex": codex}


def _named(environ: Mapping[str, str], name: str, otherwise: Path) -> Path:
    """Return the folder that a variable names; one that isn't absolute counts as absent, as the XDG specification says."""
    given = Path(environ.get(name, ""))
    return given if given.is_absolute() else otherwise
