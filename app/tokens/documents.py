"""Bounds the tokens of a PDF: vendors bill each page's text and its picture. Decodes no picture, draws no page.

A file that can't be read for sure counts as one of `MAX_PAGES`: a provider's context window then is the bound.
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAX_PAGES = 1000
"""Pages of a document at any vendor: Anthropic takes 100 or 600, Google 1,000."""
PAGE_TEXT_TOKENS = 3000
"""Tokens of a page's text, by Anthropic's page at most: a page with more characters than that counts by them."""
MAX_INFLATED, MAX_STREAM_INFLATED = 32 * 2**20, 8 * 2**20
"""Bytes of unpacked streams that are read, in all and of one."""
_NAMED = {letter: rb"(?:%c|#%02x)" % (letter, letter) for letter in b"TypePage"}
PAGE = re.compile(
    b"/" + b"".join(_NAMED[each] for each in b"Type") + rb"\s*/" + b"".join(_NAMED[each] for each in b"Page") + rb"(?![A-Za-z0-9#.])",
    re.IGNORECASE,
)
"""The type of a page's object; a letter of a PDF's name may be written as its number."""
SKIPPED = re.compile(rb"/Subtype\s*/(?:Image|XML|Type1C|CIDFontType0C|OpenType)\b|/Type\s*/(?:XRef|Metadata)\b|/Length1\b")
"""Streams that hold no text of a page: pictures, fonts, the table of contents of the file itself."""
PACKED = re.compile(rb"/Filter\s*\[?\s*/Fl(?:ateDecode)?\s*\]?\s*(?:/|>>|\Z)")
"""The one packing that is read. Text in another one counts as unreadable."""
SHOWS_TEXT = re.compile(rb"\bT[jJ]\b|\bBT\b")
LITERAL = re.compile(rb"\((?:[^()\\]++|\\.)*+(\)?)", re.DOTALL)
HEX = re.compile(rb"<[0-9A-Fa-f\s]++>")


@dataclass(frozen=True, slots=True)
class PdfExtent:
    """Upper bounds of a PDF's pages and of the characters that they show."""

    pages: int
    characters: int

    def tokens(self, page_tokens: int) -> int:
        """Return the most tokens. `page_tokens`: of the picture of one page."""
        return max(self.pages * PAGE_TEXT_TOKENS, self.characters) + self.pages * page_tokens


ANY_PDF = PdfExtent(MAX_PAGES, 0)
"""Bound for a document that isn't here, or can't be read."""


def extent_of_url(url: str | None) -> PdfExtent:
    """Bound the PDF that a data URL holds in base64; None: a document that the provider fetches."""
    head, comma, data = ("", "", "") if url is None else url.partition(",")
    if not comma or not head.endswith(";base64"):
        return ANY_PDF
    try:
        return pdf_extent(binascii.a2b_base64(data))
    except (binascii.Error, ValueError):
        return ANY_PDF


def pdf_extent(data: bytes) -> PdfExtent:
    """Bound a PDF's pages and characters."""
    if b"%PDF-" not in data[:1024]:
        return ANY_PDF
    pages = characters = inflated = 0
    for head, body in _objects(data):
        if b"/Encrypt" in head:
            return ANY_PDF
        pages += len(PAGE.findall(head))
        content = _content(head, body)
        if content is None:
            return ANY_PDF
        inflated += len(content)
        if inflated > MAX_INFLATED:
            return ANY_PDF
        pages += len(PAGE.findall(content)) if b"/ObjStm" in head else 0
        characters += _shown(content)
    return PdfExtent(pages, characters) if 0 < pages <= MAX_PAGES else ANY_PDF


def _objects(data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield what stands before each stream, and the stream; at last what stands behind all. None: a stream without an end."""
    at = 0
    while (found := data.find(b"stream", at)) >= 0:
        end = data.find(b"endstream", found)
        if end < 0:
            yield data[at:], None
            return
        yield data[at:found], data[found + len(b"stream") : end].lstrip(b"\r\n")
        at = end + len(b"endstream")
    yield data[at:], b""


def _content(head: bytes, body: bytes | None) -> bytes | None:
    """Return what may hold a page's text, unpacked: nothing of a picture; None if it can't be read."""
    described = head[max(0, head.rfind(b"obj")) :]
    if body is None or (b"/ObjStm" in described and b"/DecodeParms" in described):
        return None
    if not body or SKIPPED.search(described):
        return b""
    if b"/Filter" not in described:
        return body
    if not PACKED.search(described):
        return None
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(body, MAX_STREAM_INFLATED)
    except zlib.error:
        return None
    return content if unpacker.eof else None


def _shown(content: bytes) -> int:
    """Return the most characters that a stream shows: the bytes of its strings. No token is smaller."""
    if not SHOWS_TEXT.search(content):
        return 0
    if not all(LITERAL.findall(content)):  # a string within a string, or one without an end
        return len(content)
    rest = LITERAL.sub(b"", content)
    return len(content) - len(rest) + sum(len(each) for each in HEX.findall(rest)) // 2
