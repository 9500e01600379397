"""Value readers shared by the formats: times, ids, texts of content blocks. Malformed values become None, 0 or ""."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta

from app import clock
from app.sessions.formats.images import IMAGE_TYPES, image_in, plain_images
from app.sessions.formats.tally import ParseTally

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
TOLERANCE = timedelta(days=1)
"""Allowed clock skew: a time further in the future is discarded."""
MAX_COUNT, MAX_USD = 2**31, 1_000_000
_MILLISECONDS_FROM = 10_000_000_000


class Occurrences:
    """Ids for events that have none: a hash of the content, and the number of its occurrence.

    A turn thus keeps its id in another export, under another name, and after the file has grown.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def id(self, *parts: str) -> str:
        digest = digest_of(*parts)
        self._seen[digest] += 1
        return digest if self._seen[digest] == 1 else f"{digest}-{self._seen[digest]}"

    def again(self, name: str) -> str:
        """Return a given id, numbered if it has occurred before."""
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}-{self._seen[name]}"


def content_id(*parts: str) -> str:
    """Return the id of a session whose transcript names none: a hash of its beginning."""
    return f"content-{digest_of(*parts)}"


def digest_of(*parts: str) -> str:
    """Return a hash of texts. How an image in them is described is left out of it, so that it stays."""
    return hashlib.blake2b(plain_images("\x1f".join(parts)).encode("utf-8", "replace"), digest_size=12).hexdigest()


def time_of(value: object, tally: ParseTally) -> datetime | None:
    """Parse ISO 8601 (UTC if without a zone), or seconds or milliseconds since 1970. None, and counted, if implausible."""
    if value is None or value == "":
        return None
    at = _parsed(value)
    if at is None:
        tally.skip("time unreadable")
    elif plausible_time(at) is None:
        tally.skip("time not believed")
        at = None
    return at


def plausible_time(at: datetime | None) -> datetime | None:
    """Convert to UTC (assumed if there is no zone); None for a time in the future or before 2015, when no such tools existed."""
    try:
        aware = at and (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC))
    except OverflowError:
        return None
    return aware if aware and EARLIEST <= aware <= clock.now() + TOLERANCE else None


def text_of(content: object) -> str:
    """Return the text of a content value: a string, a block or a list of blocks. An image becomes its description."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return _block_text(content)
    if isinstance(content, list):
        return "\n".join(text for block in content if (text := text_of(block)))
    return ""


def string(value: object) -> str | None:
    """Return the value if it is a non-empty string, else None."""
    return value if isinstance(value, str) and value else None


def whole(value: object) -> int:
    """Return the value if it is a count that can be stored, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_COUNT else 0


def total(*counts: int) -> int:
    """Add counts; a sum that can't be stored becomes the largest that can."""
    return min(sum(counts), MAX_COUNT - 1)


def nanousd(value: object) -> int | None:
    """Convert a price in dollars to nano-dollars; None if it is no valid price."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_USD:
        return None
    return round(value * 1_000_000_000)


def mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def records_in(value: object) -> list[dict[str, object]]:
    """Return the objects of a list; nothing if it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _block_text(block: dict[str, object]) -> str:
    if string(block.get("type")) in IMAGE_TYPES:
        return image_in(block)
    for key in ("text", "content", "output"):
        if key in block:
            return text_of(block[key])
    return ""


def _parsed(value: object) -> datetime | None:
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) > _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, str):
            text = value.strip()
            if text.replace(".", "", 1).isdigit():
                return _parsed(float(text))
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
