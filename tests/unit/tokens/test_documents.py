"""Pages and characters of a PDF are bounded from its bytes; what can't be read counts as the largest document."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tokens import ImageTokens, MediaTokens, count_media, count_messages
from app.tokens.documents import ANY_PDF, MAX_PAGES, PAGE_TEXT_TOKENS, PdfExtent, extent_of_url, pdf_extent

PAGE = b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>"


def stream(data: bytes, *, packed: bool = True, more: bytes = b"") -> bytes:
    body = zlib.compress(data) if packed else data
    named = b"/Filter/FlateDecode" if packed else b""
    return b"<<" + more + named + b"/Length %d>>\nstream\n" % len(body) + body + b"\nendstream"


def pdf(objects: Sequence[bytes], *, trailer: bytes = b"<</Root 1 0 R>>") -> bytes:
    made = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, each) for number, each in enumerate(objects, 1))
    return b"%PDF-1.7\n%\xe2\xe3\n" + made + b"trailer\n" + trailer + b"\n%%EOF"


def document(pages: int, shown: bytes = b"(Hello) Tj", *, packed: bool = True) -> bytes:
    return pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count %d>>" % pages,
            stream(b"BT " + shown + b" ET", packed=packed),
            *[PAGE] * pages,
        ]
    )


def url_of(data: bytes) -> str:
    return "data:application/pdf;base64," + base64.b64encode(data).decode()


def asked(file: dict[str, str], **more: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": [{"type": "file", "file": file, **more}]}]


@given(st.integers(1, MAX_PAGES), st.booleans())
def test_pages_are_counted(pages: int, packed: bool) -> None:
    assert pdf_extent(document(pages, packed=packed)).pages == pages


def test_pages_within_packed_objects_are_counted_and_lists_of_pages_are_none() -> None:
    packed = stream(
        b"5 0 6 40 " + b" ".join([PAGE, b"<< /Type\n/Page >>", b"<</Type /Pages>>", b"<</Type/Pagesque>>"]),
        more=b"/Type/ObjStm/N 2/First 9",
    )
    assert pdf_extent(pdf([PAGE, packed])).pages == 3


@pytest.mark.parametrize("name", [b"/Type/P#61ge", b"/#54#79#70#65 /#50age", b"/Type/Pag#65"])
def test_a_page_whose_name_is_written_in_numbers_is_one(name: bytes) -> None:
    assert pdf_extent(pdf([PAGE, b"<<" + name + b">>"])).pages == 2


@pytest.mark.parametrize(
    ("shown", "characters"),
    [
        (b"(Hello) Tj", 7),
        (b"[(H)-20(ello)] TJ", 9),
        (rb"(a\)b\\) Tj", 8),
        (b"<48656C6C6F> Tj", 6),
        (b"<0048 0065> Tj", 5),
        (b"() Tj", 2),
        (b"1 0 0 1 72 720 cm", 0),
    ],
)
def test_the_characters_of_a_pages_strings_are_counted(shown: bytes, characters: int) -> None:
    assert pdf_extent(document(1, shown)).characters == characters


@pytest.mark.parametrize("shown", [b"(a(b)c) Tj", b"(never ends Tj", b"((((((((("])
def test_strings_within_strings_count_as_the_whole_stream(shown: bytes) -> None:
    assert pdf_extent(document(1, shown)).characters == len(b"BT " + shown + b" ET")


def test_pictures_fonts_and_the_files_own_tables_hold_no_characters() -> None:
    text = b"BT (" + b"x" * 500 + b") Tj ET"
    kinds = (
        b"/Type/XObject/Subtype/Image/Filter/DCTDecode",
        b"/Length1 9",
        b"/Subtype/Type1C",
        b"/Type/Metadata/Subtype/XML",
        b"/Type/XRef",
    )
    assert pdf_extent(pdf([b"<</Type/Page>>", *(stream(text, more=kind) for kind in kinds)])) == PdfExtent(1, 0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x03\x04", id="another format"),
        pytest.param(pdf([b"<</Type/Catalog>>"]), id="no page"),
        pytest.param(document(MAX_PAGES + 1), id="more pages than any vendor takes"),
        pytest.param(pdf([PAGE], trailer=b"<</Encrypt 9 0 R>>"), id="encrypted"),
        pytest.param(pdf([PAGE, b"<</Filter/FlateDecode>>\nstream\nnot packed\nendstream"]), id="a stream that can't be unpacked"),
        pytest.param(pdf([PAGE, stream(b"BT (a) Tj ET")[:-20] + b"\nendstream"]), id="a stream that was cut"),
        pytest.param(pdf([PAGE, stream(b"x", packed=False, more=b"/Filter/LZWDecode")]), id="another packing"),
        pytest.param(pdf([PAGE, stream(b"x", packed=False, more=b"/Filter[/ASCII85Decode/FlateDecode]")]), id="packed twice"),
        pytest.param(pdf([PAGE, stream(b"x", packed=False, more=b"/Filter 7 0 R")]), id="a packing that is told elsewhere"),
        pytest.param(pdf([PAGE, stream(PAGE, more=b"/Type/ObjStm/DecodeParms<</Predictor 12>>")]), id="packed objects, differently"),
        pytest.param(pdf([PAGE, b"<<>>\nstream\nno end"]), id="a stream without an end"),
        pytest.param(pdf([PAGE, stream(bytes(9 * 2**20))]), id="a stream too large to read"),
    ],
)
def test_what_cant_be_read_counts_as_the_largest_document(data: bytes) -> None:
    assert pdf_extent(data) == ANY_PDF == extent_of_url(url_of(data))


def tree(pages: bytes, *more: bytes, typed: bytes = b"/Type/Page") -> bytes:
    """A file whose object 2 is the root of its pages, and 3 a page."""
    return pdf([b"<</Type/Catalog/Pages 2 0 R>>", pages, b"<<" + typed + b"/Contents 4 0 R>>", stream(b"BT (Hello) Tj ET"), *more])


TWICE = b"<</Type/Pages/Count 2/Kids[5 0 R 5 0 R]>>"


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        pytest.param(tree(b"<</Kids[3 0 R]/Count 1>>"), 1, id="an honest one"),
        pytest.param(tree(b"<</Kids[3 0 R]/Count 40>>"), 40, id="a count above the objects"),
        pytest.param(tree(b"<</Kids[3 0 R 3 0 R 3 0 R]/Count 1>>"), 3, id="a page listed three times"),
        pytest.param(tree(b"<</K#69ds%more\n[" + b"3 0 R " * 7 + b"]>>"), 7, id="a name in numbers, a comment"),
        pytest.param(tree(TWICE, b"<</Kids[6 0 R 6 0 R]>>", b"<</Kids[3 0 R 3 0 R]>>"), 8, id="nodes listed twice, on three levels"),
        pytest.param(tree(b"<</Kids[3 0 R 3 0 R]>>", typed=b"/Rotate 0"), 2, id="pages without a type"),
        pytest.param(tree(b"<</Kids[3 0 R]>>") + b"\n2 0 obj\n<</Kids[3 0 R 5 0 R 6 0 R]>>\nendobj", 3, id="a later version with more"),
        pytest.param(b"%PDF-1.7\n2 0 obj\n<</Kids[" + b"3 0 R " * 5 + b"]>>\nendobj\n" + tree(b"<</Kids[3 0 R]>>"), 5, id="an earlier one"),
        pytest.param(
            pdf([b"<</Pages 7 0 R>>", stream(b"7 0 9 24 <</Kids[9 0 R 9 0 R]>>  <</Type/Page>>", more=b"/Type/ObjStm/N 2/First 9")]),
            2,
            id="a tree in packed objects",
        ),
    ],
)
def test_the_largest_reading_of_the_pages_counts(data: bytes, pages: int) -> None:
    assert pdf_extent(data).pages == pages


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tree(b"<</Kids[3 0 R]/Count 1001>>"), id="a count above any vendor's"),
        pytest.param(tree(b"<</Kids[3 0 R]/Count 4 0 R>>"), id="a count that is told elsewhere"),
        pytest.param(tree(b"<</Kids 4 0 R>>"), id="children that are told elsewhere"),
        pytest.param(tree(b"<</Kids[3 0 R>>"), id="a list without an end"),
        pytest.param(tree(b"<</Kids[2 0 R]>>"), id="a circle"),
        pytest.param(
            tree(TWICE, *(b"<</Kids[%d 0 R %d 0 R]>>" % (each, each) for each in range(6, 40)), b"<</Kids[3 0 R]>>"), id="doubled often"
        ),
        pytest.param(tree(TWICE, *(b"<</Kids[%d 0 R]>>" % each for each in range(6, 200))), id="too many levels"),
        pytest.param(tree(b"<<%5 0 obj\n/Kids[3 0 R 3 0 R]>>"), id="an object's beginning in a comment"),
        pytest.param(pdf([PAGE, stream(b"7 x " + PAGE, more=b"/Type/ObjStm/N 1/First 4")]), id="packed objects without places"),
        pytest.param(pdf([PAGE, stream(b"7 0 " + PAGE, more=b"/Type/ObjStm/N 1")]), id="packed objects without a beginning"),
    ],
)
def test_pages_that_cant_be_told_count_as_the_most(data: bytes) -> None:
    assert pdf_extent(data) == ANY_PDF


def test_a_text_that_calls_itself_a_picture_is_read_where_a_page_shows_it() -> None:
    disguised = stream(b"BT (" + b"x" * 90 + b") Tj ET", more=b"/Subtype/Image")
    assert pdf_extent(pdf([b"<</Type/Page/Contents 2 0 R>>", disguised])).characters == 90 + 2
    assert pdf_extent(pdf([b"<</Type/Page/Contents 3 0 R>>", disguised, b"[2 0 R 2 0 R]"])).characters == 2 * 92
    assert pdf_extent(pdf([b"<</Type/Page/Contents 3 0 R>>", disguised])).characters == 0


@pytest.mark.parametrize("contents", [b"2 0 R", b"[2 0 R]"])
def test_a_text_that_three_pages_show_counts_three_times(contents: bytes) -> None:
    page = b"<</Type/Page/Contents " + contents + b">>"
    assert pdf_extent(pdf([page, stream(b"BT (12345) Tj ET"), page, page])).characters == 3 * 7


def test_a_page_that_is_listed_often_shows_its_text_as_often() -> None:
    assert pdf_extent(tree(b"<</Kids[3 0 R 3 0 R 3 0 R 3 0 R]>>")).characters == 4 * 7


@pytest.mark.parametrize("url", [None, "", "data:application/pdf,x", "data:application/pdf;base64,%%%", "https://x.example/a.pdf"])
def test_a_document_that_isnt_here_counts_as_the_largest(url: str | None) -> None:
    assert extent_of_url(url) == ANY_PDF


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for each in (b"%PDF-" + data, document(2) + data, document(2)[: len(data)]):
        found = pdf_extent(each)
        assert 0 < found.pages <= MAX_PAGES


@pytest.mark.parametrize(
    ("pages", "characters", "page", "tokens"),
    [
        (1, 10, 1640, PAGE_TEXT_TOKENS + 1640),
        (3, 9001, 258, 9001 + 3 * 258),  # more characters than a page's text has by the vendor's word
        (100, 0, 4784, 100 * (PAGE_TEXT_TOKENS + 4784)),
    ],
)
def test_a_document_is_each_pages_text_and_picture(pages: int, characters: int, page: int, tokens: int) -> None:
    assert PdfExtent(pages, characters).tokens(page) == tokens


def test_a_document_in_a_prompt_is_counted_by_its_pages_and_not_by_its_letters() -> None:
    data, media = url_of(document(4)), MediaTokens(ImageTokens(1640))
    given = asked({"file_data": data, "filename": "report.pdf"}, cache_control={"type": "ephemeral"})
    assert count_media(given, media) == 4 * (PAGE_TEXT_TOKENS + 1640)
    assert count_media(given, MediaTokens(ImageTokens(1640), page=258)) == 4 * (PAGE_TEXT_TOKENS + 258)
    assert 10 < count_messages(given) < 60


@pytest.mark.parametrize("file", [{"file_id": "file_1"}, {"file_url": "https://x.example/a.pdf"}, {"file_data": "data:application/pdf,x"}])
def test_a_document_elsewhere_is_counted_as_the_largest(file: dict[str, str]) -> None:
    assert count_media(asked(file), MediaTokens(ImageTokens(1000))) == MAX_PAGES * (PAGE_TEXT_TOKENS + 1000)


def test_a_file_that_is_no_document_is_counted_as_its_letters() -> None:
    given = asked({"file_data": "data:audio/wav;base64," + "AB1x" * 9_999})
    assert count_media(given) == 0
    assert count_messages(given) > 9_999
