"""Completes names in the shell: projects, developers, teams and keys, as the running server knows them.

Starts no server, and waits for one only a moment: where none answers, nothing is offered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

VARIABLE = "_CAIRN_COMPLETE"
ANSWER_SECONDS = 0.3
SOURCES: Mapping[str, tuple[str, str]] = {
    "project": ("/v1/projects?limit=1000", "projects"),
    "into": ("/v1/projects?limit=1000", "projects"),
    "developer": ("/v1/developers?limit=1000", "developers"),
    "team": ("/v1/teams?limit=1000", "teams"),
    "which": ("/v1/keys?limit=1000", "keys"),
}
"""Parameters whose values the server knows: its route, and the list in its answer."""
PLACE = "_custom_shell_complete"


def completes() -> bool:
    """Tell whether the shell asks for completions."""
    return VARIABLE in os.environ


def called_name() -> str | None:
    """Return the command whose words are being completed, as the shell passes them; None while its name is typed."""
    words = (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()
    return words[1] if len(words) > 1 else None


def offer_names(command: Any) -> None:
    """Let the parameters of a command, and of all below it, be completed with names."""
    for parameter in getattr(command, "params", ()):
        if parameter.name in SOURCES and hasattr(parameter, PLACE):
            setattr(parameter, PLACE, _completer(*SOURCES[parameter.name]))
    for below in getattr(command, "commands", {}).values():
        offer_names(below)


def _completer(route: str, name: str) -> Callable[[Any, Any, str], list[str]]:
    def complete(_ctx: Any, _parameter: Any, incomplete: str) -> list[str]:
        return [each for each in names(route, name) if each.startswith(incomplete)]

    return complete


def names(route: str, name: str) -> list[str]:
    """Ask the running server for names; [] where none answers in time, or answers something else."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    from app.cli.machine import read_client_settings
    from app.cli.server_address import find_server
    from app.errors import CairnError

    try:
        server = find_server(read_client_settings())
        if server is None or server.key is None:
            return []
        parts = urlsplit(server.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        with closing(kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)) as connection:
            connection.request("GET", parts.path.rstrip("/") + route, headers={"authorization": f"Bearer {server.key}"})
            found = json.loads(connection.getresponse().read())
        return sorted({str(each["name"]) for each in found[name] if each.get("name")})
    except (CairnError, OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError):
        return []
