"""Reads a picture's width and height from its first bytes, whatever media type was declared. Decodes no picture.

A size that can't be read for sure is None: then the model's maximum counts.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping

Size = tuple[int, int]
"""Width and height in pixels."""
READ_CHARS = 128, 2**16, 2**20
"""Base64 characters that are read: first of any picture, then of those whose size stands further on (JPEG, GIF)."""
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segments that hold a JPEG's size."""
JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""


def size_of_url(url: str) -> Size | None:
    """Return the size of a picture that a data URL holds in base64; None if it can't be read, or isn't there."""
    head, comma, _ = url[:256].partition(",")
    if not comma or not head.endswith(";base64"):
        return None
    start = len(head) + 1
    for chars in READ_CHARS:
        data = _decoded(url[start : start + chars])
        if data is None:
            return None
        if (found := image_size(data)) is not None or not data.startswith((b"\xff\xd8", b"GIF8")):
            return found
    return None


def image_size(data: bytes) -> Size | None:
    """Return the size of the picture that begins with these bytes: PNG, JPEG, GIF or WebP."""
    for magic, read in READERS.items():
        if data.startswith(magic):
            found = read(data)
            return None if found is None or 0 in found else found
    return None


def _decoded(text: str) -> bytes | None:
    """Decode base64 that may have been cut; None for anything that another decoder may read otherwise."""
    whole = text[: len(text) // 4 * 4]
    try:
        return binascii.a2b_base64(whole, strict_mode=True) if whole else None
    except (binascii.Error, ValueError):
        return None


def _png(data: bytes) -> Size | None:
    if data[12:16] != b"IHDR" or len(data) < 24:
        return None
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _gif(data: bytes) -> Size | None:
    """Return the larger of the screen and the first picture on it: decoders differ in which counts."""
    if len(data) < 13:
        return None
    screen = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    at = 13 + _table_bytes(data[10])
    while at + 9 < len(data):
        if data[at] == 0x2C:
            left, top, width, height = (int.from_bytes(data[at + i : at + i + 2], "little") for i in (1, 3, 5, 7))
            return max(screen[0], left + width), max(screen[1], top + height)
        if data[at] != 0x21:
            return None
        at += 2
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
    return None


def _table_bytes(flags: int) -> int:
    """Return the bytes of a GIF's color table."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _jpeg(data: bytes) -> Size | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in JPEG_BARE:
            at += 2
        elif marker in JPEG_FRAMES:
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
    return None


def _webp(data: bytes) -> Size | None:
    if data[8:12] != b"WEBP" or len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case b"VP8L" if data[20] == 0x2F:
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


READERS: Mapping[bytes, Callable[[bytes], Size | None]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"RIFF": _webp,
}
