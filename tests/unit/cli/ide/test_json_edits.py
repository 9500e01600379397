"""A JSON text is changed in one place, and every other character of it stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.ide.json_edits import append_element, read_at, remove_at, set_member
from app.cli.ide.json_tree import InvalidJson, parse_json

VALUE = {"command": "cairn", "args": ["mcp"]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "new": 1\n}'),
        ("{}\n", '{\n  "new": 1\n}\n'),
        ('{"a": 1}', '{"a": 1, "new": 1}'),
        ('{\n    "a": 1\n}\n', '{\n    "a": 1,\n    "new": 1\n}\n'),
        ('{\r\n\t"a": 1\r\n}', '{\r\n\t"a": 1,\r\n\t"new": 1\r\n}'),
        ('{\n  // why\n  "a": 1 // one\n}', '{\n  // why\n  "a": 1, // one\n  "new": 1\n}'),
        ('{\n  "a": 1, // one\n}', '{\n  "a": 1, // one\n  "new": 1,\n}'),
        ('{\n  "a": {"b": [1, 2]},\n  "c": "}"\n}', '{\n  "a": {"b": [1, 2]},\n  "c": "}",\n  "new": 1\n}'),
    ],
)
def test_a_member_is_added_as_the_others_stand(before: str, after: str) -> None:
    assert set_member(before, ["new"], 1) == after
    assert json.loads(json.dumps(parse_json(after).plain()))["new"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a": 1}',
        '{\n  "a": 1\n}\n',
        '{\n\t"a": {\n\t\t"b": 2 /* two */\n\t}, // c\n\t"d": []\n}',
        '{\r\n  "a": "ü",\r\n  "mcpServers": {"x": {"command": "y"}}\r\n}\r\n',
        '// head\n{\n  "a": 1, // last\n}\n// tail\n',
        '{\n  "mcpServers": {\n    "x": 1,\n  },\n}',
    ],
)
def test_what_was_added_is_removed_without_a_trace(text: str) -> None:
    added = set_member(text, ["mcpServers", "cairn"], VALUE)
    assert read_at(added, ["mcpServers", "cairn"]) == VALUE
    removed = remove_at(added, ["mcpServers", "cairn"])
    if "mcpServers" not in text:
        removed = remove_at(removed, ["mcpServers"])
    assert removed == text


def test_a_member_in_the_middle_leaves_its_neighbours_and_their_comments() -> None:
    text = '{\n  // one\n  "a": 1, // 1\n  "b": 2,\n  // three\n  "c": 3\n}'
    assert remove_at(text, ["b"]) == '{\n  // one\n  "a": 1, // 1\n  // three\n  "c": 3\n}'
    assert remove_at('{"a": 1, "b": 2}', ["a"]) == '{"b": 2}'


@pytest.mark.parametrize(
    ("text", "path", "left"),
    [
        ('{ "a": 1, // one\n  "b": 2 }', ["b"], '{ "a": 1 // one\n   }'),
        ('{ "a": 1, // one\n  "b": 2, "c": 3 }', ["b"], '{ "a": 1, // one\n   "c": 3 }'),
        ('{ // one\n  "a": 1 }', ["a"], "{ // one\n   }"),
        ('{"h": [1, // one\n2]}', ["h", 1], '{"h": [1 // one\n]}'),
        ('{\n  "a": 1, // one\n  // two\n  "b": 2\n}', ["a"], '{\n  // one\n  // two\n  "b": 2\n}'),
        ('{"a": 1, /* two */ "b": 2}', ["a"], '{/* two */ "b": 2}'),
        ('{"u": "http://x", "b": 2 }', ["b"], '{"u": "http://x" }'),
    ],
)
def test_comments_beside_what_is_removed_stay_and_swallow_nothing(text: str, path: list[str | int], left: str) -> None:
    assert remove_at(text, path) == left
    assert read_at(left, path) is None


def test_a_comma_that_stands_on_a_later_line_is_one_comma() -> None:
    text = '{\n  "a": 1 // one, two\n  ,\n}'
    assert parse_json(set_member(text, ["new"], 2)).plain() == {"a": 1, "new": 2}


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": {}, "b": 1, "a": {"x": 1}}'])
def test_a_name_that_stands_twice_is_not_removed_by_half(text: str) -> None:
    with pytest.raises(InvalidJson, match="appears twice"):
        remove_at(text, ["a"])


def test_a_comment_ends_where_it_ends() -> None:
    assert set_member('{\n  "a": 0 /* one */}/* two */\n', ["b"], 7) == '{\n  "a": 0,\n  "b": 7 /* one */}/* two */\n'


blanks = st.lists(st.sampled_from(["", " ", "\n", "// x, y\n", "/* { */", "\r\n  ", '// "z\n']), max_size=3).map("".join)


@given(st.data(), st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), max_size=4), st.sampled_from("abcdef"), st.booleans())
def test_a_change_among_any_comments_gives_what_it_means(data: st.DataObject, members: dict[str, int], name: str, comma: bool) -> None:
    def blank() -> str:
        return data.draw(blanks)

    inner = ",".join(f'{blank()}"{each}"{blank()}:{blank()}{value}{blank()}' for each, value in members.items())
    text = blank() + "{" + inner + ("," if members and comma else "") + blank() + "}" + blank()
    assert read_at(set_member(text, [name], 7), []) == members | {name: 7}
    assert read_at(remove_at(text, [name]), []) == {each: members[each] for each in members if each != name}


def test_a_value_is_replaced_in_its_place() -> None:
    text = '{\n  "a": {"b": 1}, // kept\n  "c": 3\n}'
    assert set_member(text, ["a", "b"], 2) == '{\n  "a": {"b": 2}, // kept\n  "c": 3\n}'
    assert set_member(text, ["a", "b"], 1) == text


def test_of_two_members_of_one_name_the_last_counts() -> None:
    assert read_at('{"a": 1, "a": {"b": 2}}', ["a", "b"]) == 2


def test_an_element_is_added_to_an_array() -> None:
    assert append_element('{"h": {"E": [1]}}', ["h", "E"], 2) == '{"h": {"E": [1, 2]}}'
    assert read_at(append_element("{}", ["h", "E"], VALUE), ["h", "E", 0]) == VALUE


@pytest.mark.parametrize(
    "text", ["", "{", '{"a"}', '{"a": }', "{'a': 1}", "[1 2]", '{"a": 1} x', "{,}", '{"a": 01}', "[" * 500, '{"a": "\n"}', "/* {}"]
)
def test_what_is_no_json_is_told_with_its_place(text: str) -> None:
    with pytest.raises(InvalidJson, match=r"line \d+, column \d+"):
        parse_json(text)


names = st.text(min_size=1, max_size=5)
trees: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(names, trees, max_size=4), names, trees, st.sampled_from([None, 1, 2, "\t"]))
def test_any_change_gives_the_json_that_it_means(tree: dict[str, Any], name: str, value: Any, indent: int | str | None) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    changed = set_member(text, [name], value)
    assert json.loads(changed) == tree | {name: value}
    assert json.loads(remove_at(changed, [name])) == {each: tree[each] for each in tree if each != name}
    if name not in tree:
        assert remove_at(changed, [name]) == text or not tree
