"""A text is taken apart where sentences end, in any language, and never within a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.answering.sentences import MAX_CHARS, pieces


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We keep v1. It stays until March!", ["We keep v1.", "It stays until March!"]),
        ("Version 3.11 of `app.main` is used (e.g. here). Fine.", ["Version 3.11 of `app.main` is used (e.g. here).", "Fine."]),
        ("用 pnpm 安装。不要用 npm！为什么？", ["用 pnpm 安装。", "不要用 npm！", "为什么？"]),
        ("## Ports\n\n- 8443 in staging\n- 443 in production", ["## Ports", "- 8443 in staging", "- 443 in production"]),
        ("Run it:\n```sh\nmake a. b. c.\n\n  cd x && make\n```\nDone now.", ["Run it:", "make a. b. c.", "  cd x && make", "Done now."]),
        ("ok\n---\n1.\n\n", []),
        ("", []),
    ],
)
def test_sentences_lines_and_fences(text: str, found: list[str]) -> None:
    assert [piece.text for piece in pieces(text)] == found


@given(st.text(alphabet=st.sampled_from("ab.!?。 \n`\t#-’”\U0001f98a\u05d0"), max_size=300))
def test_every_piece_stands_where_it_says_and_none_overlaps_another(text: str) -> None:
    end = 0
    for piece in pieces(text):
        assert text[piece.start : piece.start + len(piece.text)] == piece.text
        assert piece.start >= end
        end = piece.start + len(piece.text)


def test_a_line_without_an_end_is_cut_between_two_words() -> None:
    (piece,) = pieces("word " * 500)
    assert len(piece.text) <= MAX_CHARS
    assert set(piece.text.split()) == {"word"}
