"""Bounds the tokens of a PDF: vendors bill each page's text and its picture. Decodes no picture, draws no page.

A file that can't be read for sure counts as one of `MAX_PAGES`: a provider's context window then is the bound.
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from app.tokens.page_tree import GAP, PageTree, UnreadablePageTree

MAX_PAGES = 1000
"""Pages of a document at any vendor: Anthropic takes 100 or 600, Google 1,000."""
PAGE_TEXT_TOKENS = 3000
"""Tokens of a page's text, by Anthropic's page at most: a page with more characters than that counts by them."""
MAX_INFLATED, MAX_STREAM_INFLATED = 32 * 2**20, 8 * 2**20
"""Bytes of unpacked streams that are read, in all and of one."""
PAGE = re.compile(rb"/Type" + GAP + rb"/Page(?![A-Za-z0-9#.])", re.IGNORECASE)
"""The type of a page's object."""
NUMBERED = re.compile(rb"#(3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])")
"""A letter or digit of a name, written as its number."""
OBJECT = re.compile(rb"(\d{1,10})" + GAP + rb"(?<!\d)\d{1,5}" + GAP + rb"obj\b")
FIRST = re.compile(rb"/First" + GAP + rb"(\d{1,10})")
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
    try:
        return _extent(data)
    except UnreadablePageTree:
        return ANY_PDF


def _extent(data: bytes) -> PdfExtent:
    """Take the largest of three readings of the pages: objects of type Page, what the tree lists, what it says it has."""
    tree, typed, inflated = PageTree(MAX_PAGES), 0, 0
    streams: list[tuple[int, bytes, bytes | None]] = []
    for raw, body in _objects(data):
        head = _spelt(raw)
        if b"/Encrypt" in head:
            return ANY_PDF
        typed += len(PAGE.findall(head))
        number, described = _read_head(tree, head)
        streams.append((number, described, body))
    for _, described, body in streams:
        if b"/ObjStm" in described:
            content = _content(described, body)
            typed += _read_packed(tree, described, content)
    uses = tree.uses()
    characters = 0
    for number, described, body in streams:
        content = _content(described, body, shown=number in uses)
        if content is None or (inflated := inflated + len(content)) > MAX_INFLATED:
            return ANY_PDF
        characters += _shown(content) * max(1, uses[number])
    pages = max(typed, listed := tree.pages())
    if not 0 < pages <= MAX_PAGES:
        return ANY_PDF
    return PdfExtent(pages, characters * (pages if listed > typed else 1))


def _spelt(data: bytes) -> bytes:
    """Return the bytes with the letters of names that are written as numbers."""
    return NUMBERED.sub(lambda found: bytes([int(found[1], 16)]), data) if b"#" in data else data


def _read_head(tree: PageTree, head: bytes) -> tuple[int, bytes]:
    """Read the objects before a stream, and return the number and the description of the last: the stream's own."""
    begins = list(OBJECT.finditer(head))
    ends = [*(each.start() for each in begins[1:]), len(head)]
    for found, end in zip(begins, ends, strict=False):
        tree.add(int(found[1]), head[found.end() : end])
    return (int(begins[-1][1]), head[begins[-1].end() :]) if begins else (0, head)


def _read_packed(tree: PageTree, described: bytes, content: bytes | None) -> int:
    """Read the objects that a stream packs, and return how many of them call themselves pages. Raises `UnreadablePageTree`."""
    told = FIRST.search(described)
    if content is None or told is None:
        raise UnreadablePageTree
    first, text = int(told[1]), content
    try:
        words = [int(each) for each in text[:first].split()]
    except ValueError:
        raise UnreadablePageTree from None
    places = sorted(zip(words[1::2], words[::2], strict=False))
    for (begin, number), end in zip(places, [*(place for place, _ in places[1:]), len(text)], strict=True):
        tree.add(number, _spelt(text[first + begin : first + end]))
    return len(PAGE.findall(_spelt(text)))


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


def _content(described: bytes, body: bytes | None, *, shown: bool = False) -> bytes | None:
    """Return what may hold a page's text, unpacked; None if it can't be read. `shown`: a page's content, whatever it calls itself."""
    if body is None or (b"/ObjStm" in described and b"/DecodeParms" in described):
        return None
    if not body or (SKIPPED.search(described) and not shown):
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
