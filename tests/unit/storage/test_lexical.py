"""What is a term: code as a whole and by its parts, words without their plural, pairs of Chinese characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage.vectors.lexical import AVERAGE_TERMS, MAX_CHARS, document, is_code, query, terms


@pytest.mark.parametrize(
    ("text", "whole", "parts"),
    [
        ("error[E0308]: mismatched types", "e0308", ["0308"]),
        ("connect ECONNREFUSED 127.0.0.1", "econnrefused", []),
        ("it answered HTTP 402.", "402", ["http"]),
        ("SQLSTATE 42P01", "42p01", ["42", "01"]),
        ("curl --no-verify-ssl x", "--no-verify-ssl", ["no-verify-ssl", "verify", "ssl"]),
        ("see `app/storage/vectors/store.py`", "app/storage/vectors/store.py", ["store.py", "app", "vector", "store", "py"]),
        ("C:\\Users\\me\\main.rs", "c:\\users\\me\\main.rs", ["main.rs", "user", "main"]),
        ("call parse_rollout_line()", "parse_rollout_line", ["parse", "rollout", "line"]),
        ("HTTPConnectionPool is full", "httpconnectionpool", ["http", "connection", "pool"]),
        ("from app.storage.child_process import x", "app.storage.child_process", ["child_process", "storage", "child"]),
        ("Foo::barBaz", "foo::barbaz", ["barbaz", "foo", "bar", "baz"]),
        ("since v1.2.3", "v1.2.3", ["1.2.3"]),
        ("torch==2.13.0", "2.13.0", ["torch", "13"]),
        ("set CAIRN_DATA_DIR=/tmp", "cairn_data_dir", ["cairn", "data", "dir"]),
        ("--max-old-space-size=4096", "--max-old-space-size", ["4096", "max", "space"]),
    ],
)
def test_code_is_found_as_a_whole_and_by_its_parts(text: str, whole: str, parts: list[str]) -> None:
    found = terms(text)
    assert whole in found
    assert set(parts) <= set(found)
    assert set(query(whole).indices) <= set(document(text).indices)


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("store.py", "in app/storage/vectors/store.py line 3"),
        ("parse_line", "app.formats.codex.parse_line raises"),
        ("no-verify", "git commit --no-verify"),
        ("2.13.0", "torch@v2.13.0"),
        ("Timeouts", "the timeout is 5 s"),
        ("queries", "one query"),
        ("branch caches", "branches and a cache"),
        ("STRASSE", "straße"),
        ("cafe\u0301", "the caf\u00e9"),
        ("超时", "使用asyncio超时设置"),
        ("\uff21\uff33\uff39\uff2e\uff23", "async def"),
    ],
)
def test_a_question_written_otherwise_meets_the_text(asked: str, written: str) -> None:
    assert terms(asked)
    assert set(query(asked).indices) <= set(document(written).indices)


@pytest.mark.parametrize("text", ["", "   ", "?! ... -- // ::", "the of and is", "e.g. and/or", "_ __", "x" * (MAX_CHARS + 1)])
def test_what_nobody_asks_for_is_no_term(text: str) -> None:
    assert terms(text) == []
    assert query(text).indices == []


def test_words_that_only_look_like_plurals_stay_whole() -> None:
    assert terms("status class is this analysis series bus") == ["status", "class", "analysis", "series", "bus"]


def test_letters_beyond_ascii_do_not_tear_a_word() -> None:
    assert terms("Überprüfung naïve") == ["überprüfung", "naïve"]


def test_exact_names_are_told_from_words() -> None:
    assert [term for term in terms("why does E0308 in store.py need --release with 402 errors") if is_code(term)] == [
        "e0308",
        "store.py",
        "--release",
    ]


def test_a_term_said_often_weighs_more_but_not_without_bound() -> None:
    def weight(times: int) -> float:
        (index,) = query("pool").indices
        found = document("pool " * times)
        return found.values[found.indices.index(index)]

    assert weight(1) < weight(3) < weight(30) < 2.2


def test_a_term_weighs_less_in_a_longer_text() -> None:
    (index,) = query("pool").indices
    short, long = document("pool"), document("pool " + "word " * int(3 * AVERAGE_TERMS))
    assert short.values[short.indices.index(index)] > long.values[long.indices.index(index)]


def test_weights_never_change() -> None:
    """An index made by an older Cairn is compared with today's questions: ids and weights are a format."""
    found = document("E0308 in store.py")
    assert found.indices == [455193, 497512375, 1195352721, 3065127461, 4283914359]
    assert found.values == pytest.approx([2.2 / (1 + 1.2 * (0.25 + 0.75 * 5 / 60))] * 5)


@given(st.text(max_size=300))
def test_any_text_gives_a_vector_that_the_engine_takes(text: str) -> None:
    found = document(text)
    assert found.indices == sorted(set(found.indices))
    assert all(0 <= index < 2**32 for index in found.indices)
    assert all(0 < value < 100 for value in found.values)
    assert found.indices == query(text).indices


@given(st.text(alphabet=st.sampled_from("abAB01_./:-@#\\ ")), st.text(alphabet=st.sampled_from("abAB01_./:-@#\\ ")))
def test_texts_side_by_side_have_the_terms_of_each(a: str, b: str) -> None:
    assert terms(f"{a} {b}") == terms(a) + terms(b)
