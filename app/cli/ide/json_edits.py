"""Changes members of a JSON text and leaves every other character as it stands: order, indentation, comments. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from app.cli.ide.json_tree import InvalidJson, JsonMember, JsonPart, parse_json, skip_blank

Steps = Sequence[str | int]
DEFAULT_INDENT = "  "
_LINE_COMMENT = re.compile(r"[ \t]*(?:,[ \t]*)?(?://[^\n]*|/\*(?:(?!\*/)[^\n])*\*/)[ \t]*(?=\r?\n)")

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//.*|/\*.*?\*/')
_LINE_ENDS = re.compile(r"[ \t]*\r?\n")


def read_at(text: str, path: Steps) -> Any:
    """Return the value at a path; None where there is none."""
    found = _find(parse_json(text), path)
    return None if found is None else found.plain()


def set_member(text: str, path: Sequence[str], value: Any) -> str:
    """Set an object's member, in its place or else as the last one; objects on the path that are absent are made."""
    *above, name = path
    whole = parse_json(text)
    parent = _find(whole, above)
    if parent is None:
        return set_member(text, above, {name: value})
    _expect(parent, "object", above)
    if (present := parent.member(name)) is None:
        edited = _insert(text, parent, f"{json.dumps(name, ensure_ascii=False)}: {_written(text, parent, value)}")
    elif present.part.plain() == value:
        return text
    else:
        edited = text[: present.part.start] + _written(text, parent, value) + text[present.end :]
    meant, changed = _plain_at(whole, above)
    changed[name] = value
    return _checked(edited, meant)


def append_element(text: str, path: Sequence[str], value: Any) -> str:
    """Add an element to an array; an absent array is made."""
    whole = parse_json(text)
    array = _find(whole, path)
    if array is None:
        return set_member(text, path, [value])
    _expect(array, "array", path)
    meant, changed = _plain_at(whole, path)
    changed.append(value)
    return _checked(_insert(text, array, _written(text, array, value)), meant)


def remove_at(text: str, path: Steps) -> str:
    """Remove a member or an element, with its comma. What isn't there needs no removal."""
    *above, last = path
    whole = parse_json(text)
    parent = _find(whole, above)
    number = None if parent is None else _number(parent, last)
    if parent is None or number is None:
        return text
    meant, changed = _plain_at(whole, above)
    del changed[last]
    return _checked(_without(text, parent, number), meant)


def _plain_at(whole: JsonPart, path: Steps) -> tuple[Any, Any]:
    """Return the value of a text, and the part of that value at a path, to be changed in it."""
    plain = found = whole.plain()
    for step in path:
        found = found[step]
    return plain, found


def _checked(edited: str, meant: Any) -> str:
    """Return a text that says what is meant. Raises InvalidJson for one that doesn't: better no change than a wrong one."""
    try:
        same = parse_json(edited).plain() == meant
    except InvalidJson:
        same = False
    if not same:
        raise InvalidJson("the change can't be made without changing other lines: look for a name that appears twice")
    return edited


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
    if (comma := _comma_after(text, last.end)) is not None:
        at = comment.end() if comment is not None and comment.end() > comma else comma + 1
        return f"{text[:at]}{indent}{written},{text[at:]}"
    at = comment.end() if comment is not None else last.end
    return f"{text[: last.end]},{text[last.end : at]}{indent}{written}{text[at:]}"


def _without(text: str, parent: JsonPart, number: int) -> str:
    """Take a member and its comma out; comments before and behind it stay."""
    member = parent.parts[number]
    blank = _blank_before(text, member)
    start = member.start - len(blank)
    after = _comma_after(text, member.end)
    if len(parent.parts) == 1:
        head, tail = text[parent.start + 1 : start], text[member.end if after is None else after + 1 : parent.end - 1]
        rest = _joined(head, blank, tail + text[parent.end - 1]) if (head + tail).strip() else text[parent.end - 1]
        return text[: parent.start + 1] + rest + text[parent.end :]
    if after is None:
        comma = _comma_after(text, parent.parts[number - 1].end)
        assert comma is not None
        return _joined(text[:comma] + text[comma + 1 : start], blank, text[member.end :])
    if number:
        return _joined(text[:start], blank, text[after + 1 :])
    return text[: member.start] + text[after + 1 :].lstrip()


def _joined(head: str, blank: str, tail: str) -> str:
    """Join what stood before a member and its blank, and behind it. A line comment that ends the head ends its line, too."""
    return head + (blank if _LINE_ENDS.match(tail) is None and _ends_in_comment(head) else "") + tail


def _ends_in_comment(text: str) -> bool:
    line = text[text.rfind("\n") + 1 :]
    return any(each.end() == len(line) and each[0].startswith("//") for each in _TOKEN.finditer(line))


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
