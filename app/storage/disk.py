"""Watches the free space of the disk that holds the data folder: for `/readyz`, `cairn doctor` and the log. Frees nothing by itself."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from app.part import OK, Condition, Loop
from app.settings import DiskSettings

log = structlog.get_logger()

WATCH_SECONDS = 30.0

DiskState = Literal["ok", "low", "full"]


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """Free space of a disk, of what this user may fill, in bytes, and what that means. `embedded`: it holds the database, too."""

    free: int
    state: DiskState
    embedded: bool = True

    @property
    def words(self) -> str:
        """Return what is left and what to do, in a sentence for whoever runs the server. Names no path: strangers read it."""
        left = f"{self.free / 2**30:.1f} GB" if self.free >= 2**30 else f"{self.free // 2**20} MB"
        match self.state:
            case "ok":
                return f"{left} free"
            case "low":
                return f"The disk of the data folder is nearly full: {left} left. Make room, or move CAIRN_DATA_DIR to a larger disk."
            case "full":
                where = "" if self.embedded else " there; the database is elsewhere"
                return (
                    f"The disk of the data folder is full: {left} left, and soon nothing can be stored{where}."
                    " Make room now, or move CAIRN_DATA_DIR to a larger disk."
                )


def free_space(folder: Path, options: DiskSettings, *, embedded: bool = True) -> FreeSpace:
    """Measure the disk of a folder. `embedded`: the database is in it. Raises OSError if that can't be told."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    return FreeSpace(free, "full" if free < options.full_bytes else "low" if free < options.low_bytes else "ok", embedded)


class DiskWatch:
    """Tells whether the disk of the data folder is full, and logs when that changes."""

    def __init__(self, folder: Path, options: DiskSettings, *, embedded: bool = True) -> None:
        self._folder = folder
        self._options = options
        self._embedded = embedded
        self._logged: DiskState = "ok"

    async def condition(self) -> Condition:
        """Return degraded where the disk is low or full: what is stored can still be read, so the server is not down."""
        found = await self._measure()
        return OK if found.state == "ok" else Condition("degraded", found.words)

    def loops(self) -> tuple[Loop, ...]:
        """Return the loop that logs a change, even if nobody asks `/readyz`."""
        return (Loop(name="storage.disk", step=self.watch, pause=WATCH_SECONDS, meanwhile="A full disk is not logged."),)

    async def watch(self) -> None:
        """Log whether the disk became low or full, or has room again; nothing while its state stays."""
        found = await self._measure()
        if found.state == self._logged:
            return
        self._logged = found.state
        say = {"ok": log.info, "low": log.warning, "full": log.error}[found.state]
        say(f"disk.{found.state}", free_bytes=found.free, reason=found.words)

    async def _measure(self) -> FreeSpace:
        return await asyncio.to_thread(
            free_space, self._folder, self._options, embedded=self._embedded
        )  # a network file system may take its time
