"""Decodes chunks of bytes, in any encoding, into lines numbered from 1. A line over the limit is dropped without buffering it."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from app.nesting import may_be_deep, too_deep
from app.sessions.formats.tally import ParseTally
from app.settings import SessionsSettings

Made = TypeVar("Made")

SNIFF_BYTES = 64 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript with its number, counted from 1. `pause`: no line, but the end of what a growing file has so far."""

    number: int
    text: str
    pause: bool = False

    @property
    def locator(self) -> str:
        return f"L{self.number}"


def encoding_of(head: bytes) -> str:
    """Detect a file's encoding from its first bytes: byte-order mark, UTF-8 if valid, else the likeliest."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head)
    except UnicodeDecodeError as error:
        if error.start > 1024:  # a single damaged byte far into the file: still UTF-8
            return "utf-8"
        from charset_normalizer import from_bytes  # 2 MB, of which a server of UTF-8 needs nothing

        best = from_bytes(head[:SNIFF_BYTES]).best()
        return best.encoding if best is not None else "cp1252"
    return "utf-8"


class Paused:
    """Stands in a growing transcript's events where the file ends so far."""


PAUSED = Paused()


def decoded_lines(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally, growing: bool = False) -> Iterator[Line]:
    """Yield the file's lines without their line ends. Undecodable bytes become U+FFFD; NUL is dropped.

    `growing`: an empty chunk is passed on as a pause.
    """
    number = 0
    for text in _split(decoded(chunks), limits.max_line_bytes):
        if isinstance(text, Paused):
            if growing:
                yield Line(number, "", pause=True)
            continue
        tally.lines = number = number + 1
        if text is None:
            tally.skip("line too long", f"L{number}")
        else:
            yield Line(number, text)


def each_of(events: Iterator[Made], locator: str, tally: ParseTally) -> Iterator[Made]:
    """Yield what one record makes. A record with values of unexpected types is counted as skipped, and yields nothing more."""
    try:
        yield from events
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError, OverflowError):
        tally.skip("record not understood", locator)


def json_lines(lines: Iterator[Line], tally: ParseTally) -> Iterator[tuple[Line, dict[str, object]]]:
    """Yield the lines that are JSON objects; others are counted as skipped. A pause comes with an empty record."""
    for line in lines:
        if line.pause:
            yield line, {}
            continue
        if not line.text or line.text.isspace():
            continue
        try:
            record = loads(line.text)
        except TooDeep:
            tally.skip("nested too deeply", line.locator)
            continue
        except (ValueError, RecursionError):
            tally.skip("not JSON", line.locator)
            continue
        if isinstance(record, dict):
            yield line, record
        else:
            tally.skip("not a JSON object", line.locator)


class TooDeep(ValueError):
    """JSON nested deeper than its readers can recurse."""


def loads(text: str) -> object:
    """Parse JSON. Raises ValueError (TooDeep if nested too deeply) or RecursionError.

    JavaScript may write a lone surrogate (half a character), which msgspec refuses and Python's own decoder accepts.
    """
    try:
        found = msgspec.json.decode(text.encode("utf-8", "replace"))
    except RecursionError:
        raise TooDeep from None
    except msgspec.DecodeError:
        if "\\ud" not in text.casefold():
            raise
        found = json.loads(text)
    if may_be_deep(text) and too_deep(found):
        raise TooDeep
    return found


def json_object(text: str) -> dict[str, object]:
    """Return the JSON object that a text is; an empty one if it is none."""
    try:
        found = loads(text) if text[:1] == "{" else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def decoded(chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield the file's text, decoded with the encoding that its beginning suggests."""
    first = next(chunks, b"")
    decoder = codecs.getincrementaldecoder(encoding_of(first[:SNIFF_BYTES]))("replace")
    yield decoder.decode(first).replace("\x00", "")
    for chunk in chunks:
        yield decoder.decode(chunk).replace("\x00", "")
    yield decoder.decode(b"", final=True)


def _split(texts: Iterator[str], max_chars: int) -> Iterator[str | Paused | None]:
    """Yield lines; None for one over `max_chars`; PAUSED for an empty text. Only LF, CRLF and CR end a line: JSON may hold U+2028."""
    held: list[str] = []
    size, dropping, after_cr = 0, False, False
    for text in texts:
        if not text:
            yield PAUSED
            continue
        if after_cr:
            text = text.removeprefix("\n")  # noqa: PLW2901 - the second half of a CRLF that two chunks share
            after_cr = False
        after_cr = text.endswith("\r")
        *whole, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for part in whole:
            yield None if dropping or size + len(part) > max_chars else "".join([*held, part])
            held, size, dropping = [], 0, False
        size += len(rest)
        if size > max_chars:
            held, dropping = [], True
        elif rest:
            held.append(rest)
    if dropping:
        yield None
    elif held:
        yield "".join(held)
