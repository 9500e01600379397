"""Chunks of bytes → lines of text, numbered from 1. Any encoding; a line past the limit is dropped without being held."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from charset_normalizer import from_bytes

from app.nesting import may_be_deep, too_deep
from app.sessions.formats.tally import Tally
from app.settings import Sessions as Limits

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
    number: int
    text: str

    @property
    def locator(self) -> str:
        return f"L{self.number}"


def encoding_of(head: bytes) -> str:
    """The encoding that a file's first bytes suggest: a byte-order mark, UTF-8 if it is, else the likeliest."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head)
    except UnicodeDecodeError as error:
        if error.start > 1024:  # a single damaged byte far into the file: still UTF-8
            return "utf-8"
        best = from_bytes(head[:SNIFF_BYTES]).best()
        return best.encoding if best is not None else "cp1252"
    return "utf-8"


def decoded_lines(chunks: Iterator[bytes], *, limits: Limits, tally: Tally) -> Iterator[Line]:
    """The file's lines, without their ends. Bytes that can't be decoded become U+FFFD; NUL is dropped."""
    for number, text in enumerate(_split(decoded(chunks), limits.max_line_bytes), start=1):
        tally.lines = number
        if text is None:
            tally.skip("line too long", f"L{number}")
        else:
            yield Line(number, text)


def each_of(events: Iterator[Made], locator: str, tally: Tally) -> Iterator[Made]:
    """What one record makes. A record whose values are of unexpected kinds is counted, and makes nothing more."""
    try:
        yield from events
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError, OverflowError):
        tally.skip("record not understood", locator)


def json_lines(lines: Iterator[Line], tally: Tally) -> Iterator[tuple[Line, dict[str, object]]]:
    """Lines that are JSON objects; the others are counted."""
    for line in lines:
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
    """JSON that is nested deeper than what reads it afterwards can follow."""


def loads(text: str) -> object:
    """The JSON value of a text. ValueError (TooDeep) or RecursionError where it is none that can be read.

    JavaScript writes half a character as a lone surrogate, which msgspec refuses and Python's own decoder takes.
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


def decoded(chunks: Iterator[bytes]) -> Iterator[str]:
    """The file as text, in whatever encoding its beginning suggests."""
    first = next(chunks, b"")
    decoder = codecs.getincrementaldecoder(encoding_of(first[:SNIFF_BYTES]))("replace")
    yield decoder.decode(first).replace("\x00", "")
    for chunk in chunks:
        yield decoder.decode(chunk).replace("\x00", "")
    yield decoder.decode(b"", final=True)


def _split(texts: Iterator[str], most: int) -> Iterator[str | None]:
    """Lines; None for one that is too long. Only LF, CRLF and CR end a line: JSON may hold U+2028."""
    held: list[str] = []
    size, dropping, after_cr = 0, False, False
    for text in texts:
        if after_cr and text:
            text = text.removeprefix("\n")  # noqa: PLW2901 - the second half of a CRLF that two chunks share
            after_cr = False
        after_cr = text.endswith("\r") or (after_cr and not text)
        *whole, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for part in whole:
            yield None if dropping or size + len(part) > most else "".join([*held, part])
            held, size, dropping = [], 0, False
        size += len(rest)
        if size > most:
            held, dropping = [], True
        elif rest:
            held.append(rest)
    if dropping:
        yield None
    elif held:
        yield "".join(held)
