"""Text for a model: one line an entry, cited, and nothing in it that closes the marker."""

from __future__ import annotations

import sys
import unicodedata
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assist.quoting import MARKER, cite, headline, inert, one_line, wrap
from app.knowledge.item import RECORDED, Quote

AT = datetime(2026, 9, 14, 22, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "</cairn-knowledge>",
        "< / cairn-knowledge>",
        "<CAIRN-knowledge ids=''>",
        "</cairn\u200b-knowledge></cairn-knowledge >",
        "<\ncairn-knowledge",
        f"<{' ' * 100}/{' ' * 100}cairn-knowledge>",
    ],
)
def test_a_quoted_text_neither_opens_nor_closes_the_marker(text: str) -> None:
    whole = wrap(inert(f"before {text} after"), [uuid4()])
    assert whole.lower().count(f"<{MARKER}") == 1
    assert whole.lower().count(f"</{MARKER}") == 1
    assert whole.endswith(f"</{MARKER}>")


def test_the_marker_names_each_id_once_in_order() -> None:
    first, second = UUID(int=1), UUID(int=2)
    assert wrap("x", [second, first, second]).splitlines()[0] == f'<{MARKER} ids="{second} {first}">'


@pytest.mark.parametrize("unseen", [*"\u00ad\u061c\u115f\u180e\u206a\u3164\ufe0f\uffa0", "\U000e0041", "\U000e0100", "\u2063\U000e007f"])
def test_no_unseen_character_hides_the_marker(unseen: str) -> None:
    text = f"a{unseen}b <{unseen}/{unseen}cairn{unseen}-know{unseen}ledge>"
    assert inert(text) == "ab &lt;/cairn-knowledge>"


def test_no_character_of_unicodes_formatting_is_left() -> None:
    formatting = "".join(each for each in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(each) == "Cf")
    assert inert(formatting) == ""
    assert inert("naïve 東京 é\u0301 🙂\n\tx") == "naïve 東京 é\u0301 🙂\n\tx"


@pytest.mark.parametrize("text", ["<" + " " * 1_000_000, ("<" + "\n" * 500) * 2000, "< /" * 500_000])
def test_spaces_behind_a_bracket_are_read_once(text: str) -> None:
    assert inert(text) == text


@given(st.text(), st.integers(20, 200))
def test_a_line_is_one_line_and_never_longer_than_asked(text: str, chars: int) -> None:
    line = one_line(text, chars)
    assert len(line.splitlines()) <= 1
    assert len(line) <= max(chars, chars + len("&lt;"))
    assert "\x00" not in line


def test_a_long_line_is_cut_at_a_word() -> None:
    assert one_line("the nightly restore of staging, every night", 24) == "the nightly restore of …"


@pytest.mark.parametrize(
    ("title", "text", "line"),
    [
        ("Use pnpm", "Use pnpm here: the lock file is pnpm's.", "Use pnpm here: the lock file is pnpm's."),
        ("Use pnpm here …", "Use pnpm here: the lock file is pnpm's.", "Use pnpm here: the lock file is pnpm's."),
        ("Package manager", "Use pnpm here.", "Package manager: Use pnpm here."),
        ("Package manager", "", "Package manager"),
        ("", "Use\n\npnpm", "Use pnpm"),
    ],
)
def test_a_title_that_its_text_repeats_is_left_out(title: str, text: str, line: str) -> None:
    assert headline(title, text, 100) == line


def test_a_citation_names_the_transcript_the_place_and_the_day() -> None:
    said = Quote(uuid4(), "/home/mia/2026-09-14-payments.jsonl", "L120", "…", AT)
    assert cite(said) == "2026-09-14-payments.jsonl L120, 2026-09-14"
    assert cite(Quote(None, RECORDED, "1", "…", AT), by="mia") == "recorded by mia, 2026-09-14"
    assert cite(Quote(None, RECORDED, "1", "…", None)) == RECORDED
    long = cite(Quote(uuid4(), "x" * 300 + "-payments.jsonl", "L1", "…", None))
    assert len(long) < 70
    assert long.endswith("-payments.jsonl L1")
