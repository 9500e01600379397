"""Ends the server that a command started, so that one started by hand takes its place: waits a while for the commands that use it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Final

import psutil

from app.cli.announcement import USE_LOCK, Announcement, try_lock
from app.cli.exits import Unreachable
from app.cli.local_server import POLL_SECONDS, announcer, end_server, only_starter, running_server
from app.storage.folder import DataFolder

WAIT_SECONDS: Final = 60.0
"""The longest wait for commands that use the server: one that follows transcripts uses it for ever."""
UNSEEN: Final = "a command that can't be seen from here"


async def take_over(folder: DataFolder, told: Callable[[str], None], *, seconds: float = WAIT_SECONDS) -> IO[str]:
    """End the server that a command started, once no command uses it: a person starts one. Returns the lock that keeps others out.

    Raises Unreachable, which names the commands, where they use it for longer than `seconds`.
    """
    starting = await only_starter(folder)
    try:
        found = await running_server(folder)
        if found is None or found.warm_minutes is None:
            return starting
        lock = await _unused(folder, found, told, seconds)
        if lock is not None:
            try:
                told(f"cairn: stopping the background server (process {found.pid}): this server takes over.")
                await end_server(folder, found)
            finally:
                os.close(lock)
    except BaseException:
        starting.close()
        raise
    return starting


async def _unused(folder: DataFolder, found: Announcement, told: Callable[[str], None], seconds: float) -> int | None:
    """Wait until no command uses the server, and lock it against them; None: it has ended meanwhile."""
    lock = try_lock(folder.path)
    if lock is not None:
        return lock
    told(
        f"cairn: a background server is running (process {found.pid}): waiting up to {seconds:g} s for the commands that use it:"
        f" {await _named(folder, found)}; `cairn stop` ends it now."
    )
    until = time.monotonic() + seconds
    while lock is None and announcer(folder, found) is not None:
        if time.monotonic() > until:
            raise Unreachable(
                f"The background server (process {found.pid}) is still used after {seconds:g} s, by"
                f" {await _named(folder, found)}: end these commands, or that server (cairn stop). Then start this server again."
            )
        await asyncio.sleep(POLL_SECONDS)
        lock = try_lock(folder.path)
    return lock


async def _named(folder: DataFolder, found: Announcement) -> str:
    users = await asyncio.to_thread(lambda: list(_users(folder, found)))
    return ", ".join(users) or UNSEEN


def _users(folder: DataFolder, found: Announcement) -> Iterator[str]:
    """Name this user's other processes that have the lock of the server's use open: `cairn watch (process 123)`."""
    lock = str((folder.path / USE_LOCK).resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid in {os.getpid(), found.pid} or process.uids().real != os.getuid():
                continue
            if any(each.path == lock for each in process.open_files()):
                yield f"{_command(process.cmdline())} (process {process.pid})"


def _command(words: Sequence[str]) -> str:
    """Name a process by its command alone: what follows may be a question, or a secret."""
    for place, word in enumerate(words[:-1]):
        if word == "app.cli" or word.endswith(("/cairn", "/app/cli/__main__.py")) or word == "cairn":
            return f"cairn {words[place + 1]}"
    return "another program"
