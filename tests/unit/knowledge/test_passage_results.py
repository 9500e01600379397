"""What is shown of a passage: a title of one line, an excerpt that is verbatim and short."""

from __future__ import annotations

import pytest

from app.knowledge.passage_results import EXCERPT_CHARS, TITLE_CHARS, beginning, one_line


@pytest.mark.parametrize("text", ["", "short", "two\nlines\tand  more", "word " * 100, "连接池" * 100, "x" * 500])
def test_a_title_is_one_line_of_bounded_length(text: str) -> None:
    title = one_line(text)
    assert len(title) <= TITLE_CHARS
    assert title == " ".join(title.split())
    assert " ".join(text.split()).startswith(title.rstrip("…"))


@pytest.mark.parametrize("text", ["", "short", "word " * 100, "two\nlines " * 60, "连接池" * 300, "x" * 900])
def test_an_excerpt_is_verbatim_and_ends_between_two_words_where_it_can(text: str) -> None:
    excerpt = beginning(text)
    assert text.startswith(excerpt)
    assert len(excerpt) <= EXCERPT_CHARS
    if len(text) > EXCERPT_CHARS and " " in text:
        assert not text[len(excerpt)].isalnum()
