"""Decides whether what a transcript grew by may leave the machine, by the folders that its session worked in. Unknown means private."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.cli.place import WorkPlace, read_place_or_private

REMEMBERED_SECONDS = 30.0
MAX_PLACES = 4096
UNKNOWN = "the folder that its session worked in can't be told"


@dataclass(frozen=True, slots=True)
class CaptureVerdict:
    """`private`: why it stays here, or None; the project and repository of the first folder otherwise."""

    private: str | None
    project: str | None = None
    repository: str | None = None


class CaptureRules:
    """Reads each folder's rules, and remembers them for REMEMBERED_SECONDS."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, WorkPlace]] = {}

    def judge(self, directories: Sequence[str]) -> CaptureVerdict:
        """Judge by all the folders: one private folder keeps all of it here."""
        places = [self._place(each) for each in directories]
        if not places:
            return CaptureVerdict(UNKNOWN)
        for place in places:
            if place.private or not place.capture:
                return CaptureVerdict(place.private or f"capture is off in {place.directory}")
        return CaptureVerdict(None, places[0].project, places[0].repository)

    def _place(self, directory: str) -> WorkPlace:
        now = time.monotonic()
        until, place = self._known.get(directory, (0.0, None))
        if place is None or until < now:
            if len(self._known) >= MAX_PLACES:
                self._known.clear()
            place, _ = read_place_or_private(Path(directory))
            self._known[directory] = (now + REMEMBERED_SECONDS, place)
        return place
