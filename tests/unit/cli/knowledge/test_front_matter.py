"""Front matter: what is written is YAML, what people write by hand is read, and what isn't says its line."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.cli.knowledge.front_matter import BadFrontMatter, Value, parse, quoted, split

KEYS = frozenset({"title", "paths", "type"})


@given(st.text())
def test_a_quoted_text_is_the_same_for_us_and_for_yaml(text: str) -> None:
    line = f"title: {quoted(text)}"
    assert "\n" not in line
    assert parse([line], KEYS) == {"title": text}
    if text.isprintable():
        assert yaml.safe_load(line) == {"title": text}


@pytest.mark.parametrize("text", ["\x7f", "\x85", "\u2028", "\ufeff", "😀", "\t", "\x1b[31m"])
def test_odd_characters_are_written_as_yaml_allows_them(text: str) -> None:
    assert yaml.safe_load(f"title: {quoted(text)}") == {"title": text}


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["title: plain words"], {"title": "plain words"}),
        (["title: Postgres: one word more"], {"title": "Postgres: one word more"}),
        (["title: 'it''s'  # said"], {"title": "it's"}),
        (['title: "a \\"b\\"" # said'], {"title": 'a "b"'}),
        (["title: words # said"], {"title": "words"}),
        (["title: C#"], {"title": "C#"}),
        (["title:"], {"title": None}),
        (["title: ~"], {"title": None}),
        (["title: 2026-11-28"], {"title": "2026-11-28"}),
        (["title: yes"], {"title": "yes"}),
        (["paths: [a.py, 'b, c.py', \"d.py\"]"], {"paths": ["a.py", "b, c.py", "d.py"]}),
        (["paths: []"], {"paths": []}),
        (["paths:", "  - a.py", '- "b.py"', "", "# more", "  - 'c.py'"], {"paths": ["a.py", "b.py", "c.py"]}),
        (["paths: one.py"], {"paths": "one.py"}),
        (["tags: &anchor {x: 1}", "type: gotcha"], {"type": "gotcha"}),
        (["sources:", "  - session: 1", "    at: 2", "type: gotcha\r"], {"type": "gotcha"}),
        (["aliases: |", "  what a wiki keeps", "type: gotcha"], {"type": "gotcha"}),
    ],
)
def test_what_people_and_editors_write_is_read(lines: list[str], wanted: dict[str, Value]) -> None:
    assert parse(lines, KEYS) == wanted


MANY = 300_000
"""So many that work which grows with their square wouldn't end."""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (f"title: a{' ' * MANY}b", {"title": f"a{' ' * MANY}b"}),
        (f"title: a{' ' * MANY}# b", {"title": "a"}),
        (f"title: {'a#' * MANY}", {"title": "a#" * MANY}),
        (f"paths: [{'a, ' * MANY}]", {"paths": ["a"] * MANY}),
        (f"paths: [a{' ' * MANY}]", {"paths": ["a"]}),
    ],
    ids=["blanks", "comment", "hashes", "items", "blanks in a list"],
)
def test_a_line_of_a_megabyte_is_read_in_one_pass(line: str, wanted: dict[str, Value]) -> None:
    assert parse([line], KEYS) == wanted


def test_a_list_of_very_many_lines_is_read_in_one_pass() -> None:
    assert parse(["paths:", *["- a"] * MANY], KEYS) == {"paths": ["a"] * MANY}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["no key"], "line 2 is not `key: value`"),
        (["title: a", "title: b"], "line 3 names 'title' again"),
        (["type: gotcha", 'title: "open'], "line 3 has double quotes that don't match"),
        (["title: 'open"], "line 2 has a single quote without its other one"),
        (["title: >-", "  folded"], "line 2 begins a value of several lines"),
        (["title: words", "  that go on"], "line 3 goes on"),
        (["title: words", "  - that go on"], "line 3 goes on"),
        (["title: *alias"], "line 2 begins with '\\*'"),
        (["title: {a: b}"], "line 2 begins with '{'"),
        (["paths: [a.py"], "line 2 has a list without its end"),
        (['paths: [a.py, "b]'], "line 2 has a list that can't be read"),
        (["paths:", "  a.py"], "line 3 is no item of a list"),
        (["  - a.py"], "line 2 belongs to no key"),
    ],
)
def test_what_can_not_be_read_is_named_with_its_line(lines: list[str], says: str) -> None:
    with pytest.raises(BadFrontMatter, match=says):
        parse(lines, KEYS)


@pytest.mark.parametrize("text", ["", "words", "# A heading\n\n---\n", " ---\n"])
def test_a_file_that_does_not_begin_with_the_fence_has_no_front_matter(text: str) -> None:
    assert split(text) is None


def test_the_body_begins_below_the_first_closing_fence() -> None:
    assert split("---\na: b\n--- \nbody\n---\nmore\n") == (["a: b"], "body\n---\nmore\n")
    with pytest.raises(BadFrontMatter, match="no end"):
        split("---\na: b\n")
