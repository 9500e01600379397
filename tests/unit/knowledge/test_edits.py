"""A field that can't be stored is named, and which of its entries."""

from __future__ import annotations

import pytest

from app.errors import InvalidInput
from app.knowledge.edits import MAX_PATH_CHARS, MAX_PATHS, ItemFields, check_fields


@pytest.mark.parametrize(
    ("title", "text", "paths", "param", "words"),
    [
        ("a\0b", "t", (), "title", "title contains a NUL character"),
        ("a", "t\0", (), "text", "text contains a NUL character"),
        ("a", "t", ("x", "y\0"), "paths", "paths contains a NUL character"),
        ("a", "t", ("x",) * (MAX_PATHS + 3), "paths", f"paths holds {MAX_PATHS + 3} paths; at most {MAX_PATHS} are allowed"),
        ("a", "t", ("x", " "), "paths", "paths[1] is empty"),
        ("a", "t", ("", "x"), "paths", "paths[0] is empty"),
        ("a", "t", ("x", "y", "z" * (MAX_PATH_CHARS + 1)), "paths", f"paths[2] is longer than {MAX_PATH_CHARS} characters"),
    ],
)
def test_a_field_that_cant_be_stored_is_named(title: str, text: str, paths: tuple[str, ...], param: str, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_fields(ItemFields("gotcha", title, text, paths))
    assert (raised.value.param, raised.value.message.startswith(words)) == (param, True), raised.value.message
