"""Follows files: what changes now goes first, history behind it, newest first. One loop; changes come from a thread of watchfiles."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from app.cli.exits import ServerRefused, Unreachable
from app.cli.kept import is_kept, keep_file
from app.cli.pauses import read_pause, read_pauses
from app.cli.watch.capture import CaptureRules, CaptureVerdict
from app.cli.watch.contents import Contents, contents_of
from app.cli.watch.directories import directories_of
from app.cli.watch.files import FollowedFile
from app.cli.watch.lines_client import KnownFile, LinesClient
from app.cli.watch.places import WatchedPlace, files_in, is_inside

RESCAN_SECONDS = 60.0
"""All files are looked at this often: what a watch of the system missed, and files that have come to rest."""
BUSY_SECONDS = 0.5
"""Pause before a file that is being written whole is looked at again."""
MIN_BACKOFF, MAX_BACKOFF = 1.0, 60.0
MAX_RESTARTS = 3
TOO_LARGE = 413
MAX_PIECES_AT_ONCE = 64
"""Pieces of one file before others have their turn."""


class Watcher:
    """Follows the files of some places until it is stopped. `told` takes lines for the user, `progress` the bytes of history sent."""

    def __init__(
        self,
        places: Sequence[WatchedPlace],
        client: LinesClient,
        *,
        told: Callable[[str], None],
        progress: Callable[[int], None] = lambda _: None,
        polling: bool = False,
        history: bool = True,
    ) -> None:
        self.files: dict[str, FollowedFile] = {}
        self._places, self._client, self._told, self._progress = places, client, told, progress
        self._polling, self._history = polling, history
        self._known: dict[str, KnownFile] = {}
        self._left: dict[str, int] = {}
        self._rules = CaptureRules()
        self._changes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._due: dict[str, float] = {}
        self._backlog: list[str] = []
        self._away = 0.0
        self._scans = 0

    def stop(self) -> None:
        self._stop.set()
        self._changes.put("")

    def run(self) -> None:
        """Follow until `stop`. Raises ServerRefused where the key is refused."""
        thread = threading.Thread(target=self._listen, name="changes", daemon=True)
        thread.start()
        try:
            self._while_away(self._learn)
            self._scan(first=True)
            scanned = time.monotonic()
            while not self._stop.is_set():
                self._step(max(0.0, scanned + RESCAN_SECONDS - time.monotonic()))
                if time.monotonic() - scanned >= RESCAN_SECONDS:
                    self._scan()
                    scanned = time.monotonic()
        finally:
            self._stop.set()
            thread.join(timeout=5)

    def _step(self, longest: float) -> None:
        """Follow what changed; else send a piece of history; else wait for a change."""
        now = time.monotonic()
        idle = not self._backlog and not any(at <= now for at in self._due.values())
        wait = min([longest, *(at - now for at in self._due.values())]) if idle else 0.0
        self._due |= dict.fromkeys(self._changed(wait), now)
        for path in [path for path, at in self._due.items() if at <= now]:
            self._while_away(lambda path=path: self._follow(path))  # type: ignore[misc]
        if self._backlog and self._changes.empty():
            path = self._backlog[-1]
            sent = self._while_away(lambda: self._follow(path, pieces=1))
            if not sent and self._backlog:
                self._backlog.pop()

    def _changed(self, wait: float) -> list[str]:
        """Return the files that changed, waiting for the first so long."""
        found: dict[str, None] = {}
        try:
            while True:
                found[self._changes.get(timeout=wait) if wait > 0 else self._changes.get_nowait()] = None
                wait = 0.0
        except queue.Empty:
            return [path for path in found if path]

    def _listen(self) -> None:
        from watchfiles import watch

        for changes in watch(
            *dict.fromkeys(str(place.only or place.folder) for place in self._places),
            watch_filter=None,
            stop_event=self._stop,
            rust_timeout=5000,
            debounce=400,
            step=50,
            force_polling=self._polling or None,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            for _, path in changes:
                self._changes.put(path)

    def _learn(self) -> int:
        self._known = dict(self._client.known())
        return 0

    def _scan(self, *, first: bool = False) -> None:
        """Look at all files; what is to be sent is history at first, and a change later."""
        found: list[tuple[float, str]] = []
        self._scans += 1
        for place in self._places:
            for entry in files_in(place):
                file = self._file(entry.path, place)
                file.scan = self._scans
                try:
                    stat = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                new = file.size < 0
                if first and not self._history and file.offset == 0:
                    file.left = self._left[entry.path] = stat.st_size
                if file.look(stat, time.monotonic()):
                    found.append((stat.st_mtime, entry.path))
                if first and new:
                    file.changed = min(file.changed, time.monotonic() - (time.time() - stat.st_mtime))
        for gone in [path for path, file in self.files.items() if file.scan != self._scans]:
            del self.files[gone]
        self._known.clear()
        self._backlog = [path for _, path in sorted(found)]

    def _file(self, path: str, place: WatchedPlace) -> FollowedFile:
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = FollowedFile(path, place.format, left=self._left.get(path, -1))
            if (known := self._known.pop(file.source, None)) is not None:
                file.offset, file.tail, file.ended = known.offset, known.tail, known.ended
        return file

    def _follow(self, path: str, *, pieces: int = MAX_PIECES_AT_ONCE) -> int:
        """Send what a file has to send; return the number of pieces. Raises Unreachable, or ServerRefused for a refused key."""
        self._due.pop(path, None)
        place = self._place_of(path)
        if place is None:
            return 0
        file = self._file(path, place)
        sent = 0
        try:
            if not file.look(os.stat(path), time.monotonic()):  # noqa: PTH116
                return 0
            while sent < pieces and read_pause() is None and self._send_next(file):
                sent += 1
        except FileNotFoundError:
            self.files.pop(path, None)
        except OSError as error:
            file.stopped = f"it can't be read: {error.strerror}"
        if (
            sent == MAX_PIECES_AT_ONCE
            or read_pause() is not None
            or (not file.resumed and not file.ended and file.stopped is None and file.size > 0)
        ):
            self._due[path] = time.monotonic() + (0 if sent else BUSY_SECONDS)
        return sent

    def _place_of(self, path: str) -> WatchedPlace | None:
        """Return the place whose transcript a path is; None: it is none that is followed."""
        place = next((each for each in self._places if Path(path).is_relative_to(each.folder) and each.takes(path)), None)
        return place if place is not None and is_inside(path, place) else None

    def _send_next(self, file: FollowedFile) -> bool:
        piece = file.next_piece(time.monotonic(), time.time())
        if piece is None:
            return False
        if not file.directories:
            file.directories = tuple(map(sys.intern, directories_of(Path(file.path), file.format)))
        contents = Contents(file.directories) + file.ahead + contents_of(piece.data, file.format)
        verdict = self._rules.judge(contents.directories)
        if contents.paused or _changed_in_pause(piece.modified_at):
            self._keep(file.path)
        if is_kept(file.path, piece.data):
            verdict = CaptureVerdict("it was recorded during a pause or with CAIRN_PRIVATE")
        if verdict.private is not None:
            file.stopped = f"private: {verdict.private}"
            return False
        name = os.path.basename(file.path)  # noqa: PTH119
        try:
            offset, _ = self._client.send(file, piece, name=name, verdict=verdict)
        except ServerRefused as refused:
            if refused.status in {401, 403}:
                raise
            if refused.status >= 500:
                self._set_aside(file, refused.message)
            if refused.status == TOO_LARGE:
                self._told(f"{file.path} is not followed: {refused.message}")
            file.stopped = refused.message
            return False
        file.sent(piece, offset)
        if file.restarts > MAX_RESTARTS:
            self._set_aside(
                file, "the server reads it from the start each time: another process sends it too, or several servers answer in turn"
            )
            return False
        self._progress(len(piece.data) if file.restarts == 0 else 0)
        return True

    def _set_aside(self, file: FollowedFile, reason: str) -> None:
        if file.failures == 0:
            self._told(f"{file.path} is left for later: {reason}")
        self._due[file.path] = file.set_aside(reason, time.monotonic())

    def _while_away(self, work: Callable[[], int]) -> int:
        """Do the work, again while capture is paused or the server is away, with growing pauses."""
        while not self._stop.is_set():
            if read_pause() is not None:
                self._keep_changed()
                continue
            try:
                done = work()
            except Unreachable as error:
                if self._away == 0.0:
                    self._told(f"{error.message} Trying again.")
                self._away = min(MAX_BACKOFF, self._away * 2 or MIN_BACKOFF)
                self._stop.wait(self._away)
                continue
            if self._away:
                self._told("The server answers again.")
            self._away = 0.0
            return done
        return 0

    def _keep_changed(self) -> None:
        """Wait for a moment of a pause: the files that are written meanwhile stay here."""
        self._due |= dict.fromkeys(self._changed(BUSY_SECONDS * 4), time.monotonic())
        for path in list(self._due):
            with suppress(OSError):
                if _changed_in_pause(os.stat(path).st_mtime) and self._place_of(path) is not None:  # noqa: PTH116
                    self._keep(path)

    def _keep(self, path: str) -> None:
        if keep_file(path):
            self._told(f"{path} stays on this machine: it was recorded during a pause. `cairn ingest FILE` sends it anyway.")


def _changed_in_pause(moment: float) -> bool:
    return any(pause.held(moment) for pause in read_pauses())
