"""The plan of `cairn connect`: what is to be written into an IDE's files, and what its user must still do."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.cli.ide.config_file import ConfigChange
from app.cli.server_address import ServerAddress

HOOK_SECONDS = 10
"""Seconds after which an IDE gives up a hook. Ours ends by itself long before."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """The wish of the user. `program`: the words that run `cairn`; `home`: the user's folder; `directory`: where the command runs."""

    program: tuple[str, ...]
    home: Path
    directory: Path
    server: ServerAddress | None = None
    remove: bool = False
    models: bool = False
    http: bool = False

    @property
    def mcp(self) -> dict[str, Any]:
        """The server of MCP over stdio, as all four IDEs write it."""
        return {"command": self.program[0], "args": [*self.program[1:], "mcp"]}

    def hook(self, event: str, ide: str) -> list[str]:
        return [*self.program, "hook", event, *(() if ide == "claude-code" else ("--ide", ide))]


@dataclass(frozen=True, slots=True)
class IdePlan:
    """The changes of files, and what the user must still do, a sentence each."""

    changes: tuple[ConfigChange, ...]
    todo: tuple[str, ...] = field(default=())


def shell_line(words: Sequence[str], platform: str = sys.platform) -> str:
    """Write a command as a shell reads it."""
    return subprocess.list2cmdline(words) if platform == "win32" else shlex.join(words)


def own_program() -> tuple[str, ...]:
    """Return the words that run this `cairn` wherever an IDE starts it: the path by which it is called, which an update keeps."""
    own = Path(sys.argv[0])
    found = shutil.which("cairn")
    if found is not None and (own.name not in {"cairn", "cairn.exe"} or Path(found).resolve() == own.resolve()):
        return (os.path.abspath(found),)  # noqa: PTH100 - a link to it outlives what it leads to
    if own.name in {"cairn", "cairn.exe"} and own.exists():
        return (os.path.abspath(own),)  # noqa: PTH100
    return (sys.executable, "-P", "-m", "app.cli")  # -P: no module of the folder that an IDE works in
