"""Keeps, per IDE, what became of its last hook and when one last reached the server, for `cairn doctor`. Standard library only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from app.cli.machine import state_folder, write_private
from app.errors import ConfigurationError

HookOutcome = Literal["sent", "private", "paused", "off", "no_server", "away", "refused", "unreadable", "failed"]
IDES = ("claude-code", "codex", "cursor")
MAX_DETAIL = 500
AWAY_FILE, AWAY_SECONDS = "server-away", 10
"""A server that let a hook wait in vain is left alone by the next hooks for this long."""


@dataclass(frozen=True, slots=True)
class HookStamp:
    """The outcome of one hook. `at`: seconds since the epoch."""

    ide: str
    event: str
    outcome: HookOutcome
    detail: str
    at: float


def write_stamp(ide: str, event: str, outcome: HookOutcome, detail: str = "") -> None:
    """Note a hook's outcome. Where that can't be done, whatever the reason, nothing is noted: a hook never fails its IDE."""
    with suppress(Exception):
        stamp = HookStamp(ide, event, outcome, detail[:MAX_DETAIL], time.time())
        text = json.dumps(asdict(stamp))
        write_private(_folder() / f"{ide}.json", text)
        if outcome == "sent":
            write_private(_folder() / f"{ide}.sent.json", text)


def read_stamps() -> Iterator[tuple[HookStamp, HookStamp | None]]:
    """Yield the last hook of each IDE that has had one, and the last that was sent."""
    for ide in IDES:
        if (last := _read(f"{ide}.json")) is not None:
            yield last, _read(f"{ide}.sent.json")


def note_away() -> None:
    """Note that the server let a hook wait in vain, where that can be noted."""
    with suppress(OSError, ConfigurationError):
        write_private(_folder() / AWAY_FILE, "")


def recently_away() -> bool:
    """Tell whether the server didn't answer a hook in time a moment ago."""
    try:
        return 0 <= time.time() - (_folder() / AWAY_FILE).stat().st_mtime < AWAY_SECONDS
    except (OSError, ConfigurationError):
        return False


def _read(name: str) -> HookStamp | None:
    try:
        return HookStamp(**json.loads((_folder() / name).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _folder() -> Path:
    return state_folder() / "hooks"
