"""Decides whether what a transcript grew by may leave the machine, by the folders that its session worked in. Unknown means private."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.cli.place import WorkPlace, read_place_or_private

REMEMBERED_SECONDS = 30.0
MAX_PLACES = 4096
UNKNOWN = "the session's working folder is unknown"


@dataclass(frozen=True, slots=True)
class CaptureVerdict:
    """`private`: why it stays here, or None; the project and repository of the first folder otherwise, and that folder.

    `directory`: where it is a worktree, the folder of its repository. `unsure`: it is private as no folder could be asked.
    """

    private: str | None
    project: str | None = None
    repository: str | None = None
    directory: str | None = None
    unsure: bool = False


class CaptureRules:
    """Reads each folder's rules, and remembers them for REMEMBERED_SECONDS."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, WorkPlace]] = {}

    def judge(self, directories: Sequence[str]) -> CaptureVerdict:
        """Judge by all the folders: one private folder keeps all of it here."""
        places = [self._place(each) for each in directories]
        if not places:
            return CaptureVerdict(UNKNOWN, unsure=True)
        for place in sorted(places, key=lambda each: each.gone):
            if place.private or not place.capture:
                return CaptureVerdict(place.private or f"capture is off in {place.directory}", unsure=place.gone)
        first = places[0]
        return CaptureVerdict(None, first.project, first.repository, str(first.main or first.directory))

    def _place(self, directory: str) -> WorkPlace:
        now = time.monotonic()
        until, place = self._known.get(directory, (0.0, None))
        if place is None or until < now:
            if len(self._known) >= MAX_PLACES:
                self._known.clear()
            place, _ = read_place_or_private(Path(directory))
            self._known[directory] = (now + REMEMBERED_SECONDS, place)
        return place
