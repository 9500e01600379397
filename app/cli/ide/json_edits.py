"""Changes members of a JSON text and leaves every other character as it stands: order, indentation, comments. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from app.cli.ide.json_tree import InvalidJson, JsonMember, JsonPart, parse_json, skip_blank

Steps = Sequence[str | int]
DEFAULT_INDENT = "  "
_LINE_COMMENT = re.compile(r"[ \t]*(?:,[ \t]*)?(?://[^\n]*|/\*[^\n]*?\*/)[ \t]*(?=\r?\n)")


def read_at(text: str, path: Steps) -> Any:
    """Return the value at a path; None where there is none."""
    found = _find(parse_json(text), path)
    return None if found is None else found.plain()


def set_member(text: str, path: Sequence[str], value: Any) -> str:
    """Set an object's member, in its place or else as the last one; objects on the path that are absent are made."""
    *above, name = path
    parent = _find(parse_json(text), above)
    if parent is None:
        return set_member(text, above, {name: value})
    _expect(parent, "object", above)
    if (present := parent.member(name)) is not None:
        if present.part.plain() == value:
            return text
        return text[: present.part.start] + _written(text, parent, value) + text[present.end :]
    return _insert(text, parent, f"{json.dumps(name, ensure_ascii=False)}: {_written(text, parent, value)}")


def append_element(text: str, path: Sequence[str], value: Any) -> str:
    """Add an element to an array; an absent array is made."""
    array = _find(parse_json(text), path)
    if array is None:
        return set_member(text, path, [value])
    _expect(array, "array", path)
    return _insert(text, array, _written(text, array, value))


def remove_at(text: str, path: Steps) -> str:
    """Remove a member or an element, with its comma. What isn't there needs no removal."""
    *above, last = path
    parent = _find(parse_json(text), above)
    if parent is None:
        return text
    number = _number(parent, last)
    return text if number is None else _without(text, parent, number)


def _expect(part: JsonPart, kind: str, path: Steps) -> None:
    if part.kind != kind:
        raise InvalidJson(f"{'.'.join(map(str, path)) or 'the whole'} should be an {kind}")


def _find(part: JsonPart, path: Steps) -> JsonPart | None:
    for step in path:
        number = _number(part, step)
        if number is None:
            return None
        part = part.parts[number].part
    return part


def _number(part: JsonPart, step: str | int) -> int | None:
    if isinstance(step, int):
        return step if part.kind == "array" and 0 <= step < len(part.parts) else None
    found = part.member(step) if part.kind == "object" else None
    return None if found is None else part.parts.index(found)


def _insert(text: str, parent: JsonPart, written: str) -> str:
    """Put a member last into an object or array, in the way in which the others stand."""
    if not parent.parts:
        if not _in_lines(text, parent):
            return text[: parent.start + 1] + written + text[parent.end - 1 :]
        around, line_end = _indent_of(text, parent.start), _line_end(text)
        inner = text[parent.start + 1 : parent.end - 1].rstrip()  # a comment, at most
        made = f"{inner}{line_end}{around}{_unit(text)}{written}{line_end}{around}"
        return text[: parent.start + 1] + made + text[parent.end - 1 :]
    last = parent.parts[-1]
    if not _in_lines(text, parent):
        return f"{text[: last.end]}, {written}{text[last.end :]}"
    indent = _line_end(text) + _member_indent(text, parent)
    comment = _LINE_COMMENT.match(text, last.end)
    if _comma_after(text, last.end) is not None:
        at = comment.end() if comment is not None else (_comma_after(text, last.end) or 0) + 1
        return f"{text[:at]}{indent}{written},{text[at:]}"
    at = comment.end() if comment is not None else last.end
    return f"{text[: last.end]},{text[last.end : at]}{indent}{written}{text[at:]}"


def _without(text: str, parent: JsonPart, number: int) -> str:
    member = parent.parts[number]
    start = member.start - len(_blank_before(text, member))
    after = _comma_after(text, member.end)
    if len(parent.parts) == 1:
        rest = text[parent.start + 1 : start] + text[member.end if after is None else after + 1 : parent.end - 1]
        return text[: parent.start + 1] + (rest if rest.strip() else "") + text[parent.end - 1 :]
    if after is not None:
        return text[:start] + text[after + 1 :] if number else text[: member.start] + text[parent.parts[1].start :]
    comma = _comma_after(text, parent.parts[number - 1].end)
    assert comma is not None
    return text[:comma] + text[comma + 1 : start] + text[member.end :]


def _blank_before(text: str, member: JsonMember) -> str:
    before = text[: member.start]
    return before[len(before.rstrip()) :]


def _comma_after(text: str, at: int) -> int | None:
    at = skip_blank(text, at)
    return at if text[at : at + 1] == "," else None


def _in_lines(text: str, parent: JsonPart) -> bool:
    """Tell whether members stand on lines of their own: as the others of it do, or, in an empty one, as those of the whole text do."""
    if parent.parts:
        return "\n" in text[parent.start : parent.parts[0].start]
    whole = parse_json(text)
    return not whole.parts or "\n" in text[whole.start : whole.parts[0].start]


def _written(text: str, parent: JsonPart, value: Any) -> str:
    """Write a value as it should stand within a parent."""
    if not _in_lines(text, parent):
        return json.dumps(value, ensure_ascii=False)
    own = json.dumps(value, indent=_unit(text), ensure_ascii=False)
    return own.replace("\n", _line_end(text) + _member_indent(text, parent))


def _member_indent(text: str, parent: JsonPart) -> str:
    if parent.parts:
        blank = _blank_before(text, parent.parts[-1])
        if "\n" in blank:
            return blank.rpartition("\n")[2]
    return _indent_of(text, parent.start) + _unit(text)


def _indent_of(text: str, at: int) -> str:
    """Return the blanks with which a place's line begins."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    """Return the indentation of the text's first indented line."""
    found = re.search(r"\n([ \t]+)(?=[\"\[{])", text)
    return found[1] if found is not None else DEFAULT_INDENT


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
