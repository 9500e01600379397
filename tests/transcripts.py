"""Real transcripts as extraction reads them: session by session, each event once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.errors import CairnError
from app.sessions.event import Event
from app.sessions.formats import HEAD_BYTES, ParseTally, detect, parse
from app.settings import SessionsSettings


def transcripts_in(folder: Path) -> list[Path]:
    """Find the files below a folder that may be transcripts, in order."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix in {".jsonl", ".md"} and not path.name.startswith(("README", "LICENSE"))
    )


def sessions_of(file: Path) -> Iterator[list[Event]]:
    """Read each session's events; none where the file is no transcript."""
    with file.open("rb") as opened:
        try:
            format_ = detect(opened.read(HEAD_BYTES))
        except CairnError:
            return
        opened.seek(0)
        found: dict[str, dict[str, Event]] = {}
        current: dict[str, Event] = {}
        for each in parse(iter(lambda: opened.read(65536), b""), format=format_, limits=SessionsSettings(), tally=ParseTally()):
            if isinstance(each, Event):
                current[each.id] = each
            else:
                current = found.setdefault(each.external_id, {})
    yield from (list(events.values()) for events in found.values())
