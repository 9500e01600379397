"""A picture's size is read from its first bytes, or not at all."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tokens.image_sizes import image_size, size_of_url


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"more"


def jpeg(width: int, height: int, *, before: bytes = b"", frame: int = 0xC0) -> bytes:
    app = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\x00" + b"\x01" * 9
    return b"\xff\xd8" + app + before + bytes([0xFF, frame]) + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\x00" * 9 + b"data"


def gif(width: int, height: int, *, frame: tuple[int, int, int, int] | None = None, colors: int = 0) -> bytes:
    left, top, wide, high = frame or (0, 0, width, height)
    table = bytes(3 * 2**colors) if colors else b""
    flags = 0x80 | (colors - 1) if colors else 0
    comment = b"\x21\xfe\x03abc\x00"
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0) + table + comment
        + b"\x2c" + struct.pack("<HHHHB", left, top, wide, high, 0) + b"data"
    )  # fmt: skip


def webp(kind: bytes, data: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + 8 + len(data)) + b"WEBP" + kind + struct.pack("<I", len(data)) + data


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(8))


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(8))


def extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def url_of(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


MADE = {"png": png, "jpeg": jpeg, "gif": gif, "lossy": lossy, "lossless": lossless, "extended": extended}


@given(st.sampled_from(list(MADE)), st.integers(1, 16_383), st.integers(1, 16_383))
def test_each_format_tells_its_size(made: str, width: int, height: int) -> None:
    assert image_size(MADE[made](width, height)) == (width, height)
    assert size_of_url(url_of(MADE[made](width, height), "image/other")) == (width, height)


@pytest.mark.parametrize("frame", [0xC0, 0xC1, 0xC2, 0xC9, 0xCF])
def test_a_jpegs_size_is_its_frames_however_much_stands_before(frame: int) -> None:
    thumbnail = b"\xff\xe1" + struct.pack(">H", 60_002) + (jpeg(160, 120) + bytes(60_000))[:60_000]
    table = b"\xff\xc4" + struct.pack(">H", 19) + bytes(17)
    picture = jpeg(4000, 3000, before=thumbnail * 5 + b"\xff\xff" + table, frame=frame)
    assert size_of_url(url_of(picture)) == (4000, 3000)


def test_a_picture_beyond_a_gifs_screen_counts() -> None:
    assert image_size(gif(10, 10, frame=(5, 0, 400, 300), colors=8)) == (405, 300)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<svg width='1'/>", id="a drawing"),
        pytest.param(b"\x00\x00\x00\x1cftypavif" + bytes(40), id="AVIF"),
        pytest.param(b"%PDF-1.4", id="a document"),
        pytest.param(png(0, 9), id="no width"),
        pytest.param(png(9, 9)[:20], id="a PNG that was cut"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(4) + b"CgBI" + bytes(20), id="a PNG that begins with something else"),
        pytest.param(jpeg(7, 0), id="a JPEG whose height stands at its end"),
        pytest.param(jpeg(9, 9)[:20], id="a JPEG that was cut"),
        pytest.param(b"\xff\xd8\xff\xe0\x00\x00" * 9, id="a JPEG whose segments have no length"),
        pytest.param(b"\xff\xd8\xff\xe0\x00\x02nothing", id="a JPEG without markers"),
        pytest.param(gif(9, 9)[:14], id="a GIF that was cut"),
        pytest.param(webp(b"VP8 ", bytes(20)), id="a WebP without its mark"),
        pytest.param(webp(b"ALPH", bytes(20)), id="a WebP of another kind"),
    ],
)
def test_what_cant_be_read_has_no_size(data: bytes) -> None:
    assert image_size(data) is None
    assert size_of_url(url_of(data)) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/a.png",
        "data:image/png," + base64.b64encode(png(9, 9)).decode(),
        "data:image/png;base64," + base64.b64encode(png(9, 9)).decode()[:9] + "\n" + base64.b64encode(png(9, 9)).decode()[9:],
        "data:image/png;base64,*" + base64.b64encode(png(9, 9)).decode(),
        "data:image/png;base64,",
        "data:" + "x" * 999,
    ],
)
def test_a_url_that_may_be_read_in_two_ways_has_no_size(url: str) -> None:
    assert size_of_url(url) is None


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBPVP8X"]))
def test_no_bytes_break_the_reader(data: bytes, magic: bytes) -> None:
    found = image_size(magic + data)
    assert found is None or min(found) > 0
