"""The front matter of a Markdown file: reads and writes the part of YAML that items need. Any YAML reader reads what is written here.

Read are `key: value` with a plain or quoted value on one line, and lists of such values. What is nested below a key is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Scalar: TypeAlias = str | None
Value: TypeAlias = str | list[str] | None

FENCE: Final = "---"
_KEY: Final = re.compile(r"([A-Za-z_][\w-]*):(?:\s+(.*))?")
_ITEM: Final = re.compile(r"\s*-(?:\s+(.*))?")
_SINGLE: Final = re.compile(r"'((?:[^']|'')*)'\s*(?:#.*)?")
_DOUBLE: Final = re.compile(r'("(?:[^"\\]|\\.)*")\s*(?:#.*)?')
_PLAIN_IN_LIST: Final = re.compile(r"\s*('(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\"|[^,\"'\s][^,]*)\s*(?:,|$)")
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_RESERVED: Final = frozenset("&*!%@`[]{}")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


class BadFrontMatter(ValueError):
    """Front matter that can't be read; the message names the line and says what to do."""


def quoted(text: str) -> str:
    """Write a text as a double-quoted value, which JSON and YAML read alike."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def split(text: str) -> tuple[Sequence[str], str] | None:
    """Split a file into the lines of its front matter and its body; None: it has no front matter. Raises BadFrontMatter without an end."""
    head, _, rest = text.partition("\n")
    if head.rstrip() != FENCE:
        return None
    lines = rest.split("\n")
    for number, line in enumerate(lines):
        if line.rstrip() == FENCE:
            return lines[:number], "\n".join(lines[number + 1 :])
    raise BadFrontMatter("its front matter has no end: write a line --- below it")


def parse(lines: Sequence[str], keys: frozenset[str]) -> Mapping[str, Value]:
    """Read the values of these keys. Lines count from 2, the first below the opening ---."""
    found: dict[str, Value] = {}
    seen: set[str] = set()
    key: str | None = None
    for number, line in enumerate(lines, start=2):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" or _ITEM.fullmatch(line):
            if key is None:
                raise BadFrontMatter(f"line {number} belongs to no key: write it as `key: value`")
            if key in keys:
                items = _items_so_far(found[key], number)
                items.append(_list_item(line, number))
                found[key] = items
            continue
        matched = _KEY.fullmatch(line.rstrip())
        if matched is None:
            raise BadFrontMatter(f"line {number} is not `key: value`: {line[:40]!r}")
        key = matched[1]
        if key in seen:
            raise BadFrontMatter(f"line {number} names {key!r} again: keep one of them")
        seen.add(key)
        if key in keys:
            found[key] = _value(matched[2] or "", number)
    return found


def _items_so_far(value: Value, number: int) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        raise BadFrontMatter(f"line {number} goes on with the value of the line above: write the value in one line, in double quotes")
    return value


def _list_item(line: str, number: int) -> str:
    matched = _ITEM.fullmatch(line.rstrip())
    if matched is None:
        raise BadFrontMatter(f"line {number} is no item of a list: begin it with a dash, as in `  - value`")
    return _scalar(matched[1] or "", number) or ""


def _value(text: str, number: int) -> Value:
    text = text.strip()
    if text[:1] in {"|", ">"}:
        raise BadFrontMatter(f"line {number} begins a value of several lines: write it in one line, in double quotes")
    if text.startswith("["):
        return _flow_list(text, number)
    return _scalar(text, number)


def _flow_list(text: str, number: int) -> list[str]:
    inner, end, rest = text[1:].rpartition("]")
    if not end or (rest.strip() and not rest.lstrip().startswith("#")):
        raise BadFrontMatter(f"line {number} has a list without its end: close it with ] on the same line")
    inner = inner.rstrip()
    items: list[str] = []
    place = 0
    while place < len(inner):
        matched = _PLAIN_IN_LIST.match(inner, place)
        if matched is None:
            raise BadFrontMatter(f"line {number} has a list that can't be read: write each item in double quotes, with commas between them")
        items.append(_scalar(matched[1], number) or "")
        place = matched.end()
    return items


def _scalar(text: str, number: int) -> Scalar:
    text = text.strip()
    if text.startswith('"'):
        return _double(text, number)
    if text.startswith("'"):
        matched = _SINGLE.fullmatch(text)
        if matched is None:
            raise BadFrontMatter(f"line {number} has a single quote without its other one: write '' for a quote within")
        return matched[1].replace("''", "'")
    plain = _without_comment(text)
    if plain[:1] in _RESERVED:
        raise BadFrontMatter(f"line {number} begins with {plain[0]!r}, which means something else in YAML: put it into double quotes")
    return None if plain in _NULLS else plain


def _without_comment(text: str) -> str:
    """Leave out a comment: it begins with the first # that stands at the beginning or behind white space."""
    place = text.find("#")
    while place > 0 and not text[place - 1].isspace():
        place = text.find("#", place + 1)
    return text if place < 0 else text[:place].rstrip()


def _double(text: str, number: int) -> str:
    matched = _DOUBLE.fullmatch(text)
    try:
        if matched is None:
            raise ValueError(text)
        return str(json.loads(matched[1], strict=False))
    except ValueError:
        raise BadFrontMatter(
            f"line {number} has double quotes that don't match: write \\\" for a quote within, and \\\\ for a backslash"
        ) from None
