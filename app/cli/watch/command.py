"""`cairn watch`: sends transcripts while they are written."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.exits import USAGE, Unreachable
from app.cli.machine import read_client_settings, state_folder
from app.errors import InvalidInput

if TYPE_CHECKING:
    from app.cli.watch.places import WatchedPlace

NO_LASTING_SERVER = (
    "No permanent server is known: set CAIRN_URL and CAIRN_KEY, or start one with `cairn serve`. A server that a command started stops"
    " when it is idle, and has another address the next time."
)


def watch(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH", help="Folders to follow. Default: where agents keep their transcripts.", exists=True, file_okay=False
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before reading the folders.")] = False,
    history: Annotated[bool, typer.Option(help="Also send the transcripts that exist already, newest first.")] = True,
    polling: Annotated[
        bool, typer.Option("--polling", help="Check the folders periodically, for network file systems that don't report changes.")
    ] = False,
) -> None:
    """Send transcripts while agents write them. Sessions of private folders and projects stay on this machine."""
    from app.cli.server_address import find_server
    from app.cli.watch.lines_client import LinesClient
    from app.cli.watch.lock import only_one
    from app.cli.watch.places import WatchedPlace, known_places
    from app.cli.watch.watcher import Watcher

    known, left = known_places(Path.home(), Path.cwd()) if not paths else ([], [])
    places = [WatchedPlace("", path.absolute()) for path in paths] if paths else known
    for each in left:
        _tell(f"{each.agent}: {each.folder} is not followed ({each.reason}): `cairn ingest` reads it.")
    if not places:
        raise InvalidInput("No agent's usual transcript folder exists here. Name folders: cairn watch PATH…", param="path")
    size = _confirm(places, yes=yes, history=history)
    server = find_server(read_client_settings(), lasting=True)
    if server is None:
        raise Unreachable(NO_LASTING_SERVER)
    with only_one(state_folder()):
        client = LinesClient(server)
        watcher = Watcher(places, client, told=_tell, progress=_bar(size), polling=polling or _on_network(places), history=history)
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, lambda *_: watcher.stop())
        _tell(f"Following {len(places)} folders. End with Ctrl-C.")
        try:
            watcher.run()
        finally:
            client.close()


def _confirm(places: Sequence[WatchedPlace], *, yes: bool, history: bool) -> int:
    """Say what would be read, and ask. Return the bytes that are there."""
    from app.cli.watch.places import files_in

    total = 0
    for place in places:
        sizes = [entry.stat(follow_symlinks=False).st_size for entry in files_in(place)]
        total += sum(sizes)
        _tell(f"{place.agent + ': ' if place.agent else ''}{len(sizes)} files, {sum(sizes) / 2**20:.1f} MB in {place.folder}")
    if not yes:
        if not sys.stdin.isatty():
            _tell("cairn: can't ask for confirmation without a terminal: add --yes to follow these folders.")
            raise typer.Exit(USAGE)
        what = "Read and follow" if history else "Follow"
        typer.confirm(f"{what} them? (secrets are redacted before anything is stored)", abort=True, err=True)
    return total if history else 0


def _bar(size: int) -> Callable[[int], None]:
    """Return what shows the history's progress, where there is a terminal."""
    if not size or not sys.stderr.isatty():
        return lambda _: None
    sent = 0

    def show(more: int) -> None:
        nonlocal sent
        if sent >= size:
            return
        sent += more
        share = min(1.0, sent / size)
        sys.stderr.write(f"\r[{'#' * int(30 * share):<30}] {share:4.0%} of {size / 2**20:.1f} MB" + ("\n" if share == 1.0 else ""))
        sys.stderr.flush()

    return show


def _on_network(places: Sequence[WatchedPlace]) -> bool:
    """Tell whether a folder lies on a network file system, whose changes elsewhere the system doesn't tell. Linux only."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return False
    for place in places:
        real = os.path.realpath(place.folder)
        holding = [mount for mount in mounts if real == mount[1] or real.startswith(mount[1].rstrip("/") + "/")]
        if holding and max(holding, key=lambda mount: len(mount[1]))[2] in NETWORK_FILE_SYSTEMS:
            return True
    return False


NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "virtiofs", "afs", "ceph"})


def _tell(line: str) -> None:
    typer.echo(line, err=True)
