"""Runs the `git` command, within bounds of time and output, and in an environment that no hook or setting of a user bends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Timer
from typing import IO

from app.errors import DeadlineExceeded, NotFound, TooLarge, Unavailable

GIT_SECONDS = 120
MAX_OUTPUT_BYTES = 128 * 2**20
"""The most that a command prints: the history of some hundred thousand changed files."""
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
_SETTINGS = ("core.quotepath=false", "log.showSignature=false", "core.fsmonitor=false", "diff.external=", "diff.relative=false")


def run_git(folder: Path, *arguments: str, otherwise: str | None = None) -> str:
    """Run a command of git and return what it prints, names that are no UTF-8 with surrogates.

    NotFound where it fails: `otherwise` says what that means. DeadlineExceeded after GIT_SECONDS, TooLarge past MAX_OUTPUT_BYTES,
    Unavailable without git.
    """
    expired = Event()
    with TemporaryFile() as complaints, start_git(folder, *arguments, complaints=complaints) as process:

        def stop() -> None:
            expired.set()
            process.kill()

        timer = Timer(GIT_SECONDS, stop)
        timer.start()
        try:
            assert process.stdout is not None
            printed: bytes = process.stdout.read(MAX_OUTPUT_BYTES + 1)
            if len(printed) > MAX_OUTPUT_BYTES:
                process.kill()
            failed = process.wait() != 0
        finally:
            timer.cancel()
        if len(printed) > MAX_OUTPUT_BYTES:
            raise TooLarge(f"git {arguments[0]} in {folder} prints more than {MAX_OUTPUT_BYTES // 2**20} MiB: check a smaller repository.")
        if expired.is_set():
            words = f"git {arguments[0]} in {folder} took longer than {GIT_SECONDS} seconds"
            raise DeadlineExceeded(f"{words}. Run `git gc` there, then check again.")
        if failed:
            complaints.seek(0)
            said = complaints.read(10_000).decode("utf-8", "replace").strip().partition("\n")[0]
            raise NotFound(f"{otherwise or f'git {arguments[0]} failed in {folder}'}{f': {said}' if said else '.'}")
    return printed.decode("utf-8", "surrogateescape")


def start_git(folder: Path, *arguments: str, complaints: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a command of git, whose end is the caller's to await. Unavailable without git."""
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    try:
        return subprocess.Popen(  # noqa: S603 - no shell, and nothing that knowledge says gets here
            ["git", *settings, "-C", str(folder), *arguments],  # noqa: S607 - the one on the path, as its user has it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise Unavailable(
            "The git command isn't on this machine, and repositories are read with it. Install the package `git` (`apt-get install git`, "
            "`brew install git`), then try again."
        ) from error


def _environment() -> dict[str, str]:
    """Return the environment without what would point git at another repository, as in a hook of git's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name == "GIT_EXEC_PATH"}
    return {**inherited, **_ENVIRONMENT}
