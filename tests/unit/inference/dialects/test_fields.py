"""A wrong field of a request is named by its path, with what it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import InvalidInput
from app.inference.dialects.fields import Fields


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda f: f.text("number"), "a[0].number must be a string, not a number."),
        (lambda f: f.text("word", max_chars=2), "a[0].word has 4 characters: at most 2 are taken."),
        (lambda f: f.needed_text("none"), "a[0].none is missing: give a string that is not empty."),
        (lambda f: f.needed_text("empty"), "a[0].empty is missing: give a string that is not empty."),
        (lambda f: f.flag("word"), "a[0].word must be true or false, not a string."),
        (lambda f: f.integer("flag", minimum=0, maximum=9), "a[0].flag must be a whole number from 0 to 9."),
        (lambda f: f.integer("number", minimum=0, maximum=1), "a[0].number must be a whole number from 0 to 1."),
        (lambda f: f.number("flag", minimum=0, maximum=2), "a[0].flag must be a number from 0 to 2."),
        (lambda f: f.number("infinite", minimum=0, maximum=2), "a[0].infinite must be a number from 0 to 2."),
        (lambda f: f.choice("word", {"b", "a"}), "a[0].word must be one of a, b."),
        (lambda f: f.choice("list", {"a"}), "a[0].list must be one of a."),
        (lambda f: f.items("object", maximum=1), "a[0].object must be a list, not an object."),
        (lambda f: f.items("list", maximum=1), "a[0].list has 2 elements: at most 1 are taken."),
        (lambda f: list(f.objects("list", maximum=9)), "a[0].list[0] must be an object, not true or false."),
        (lambda f: f.object("list"), "a[0].list must be an object, not a list."),
        (lambda f: f.needed_object("none"), "a[0].none is missing: give an object."),
        (lambda f: f.mapping("word"), "a[0].word must be an object, not a string."),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(read: Callable[[Fields], Any], message: str) -> None:
    data = {"number": 3.5, "word": "four", "empty": "", "flag": True, "infinite": float("inf"), "list": [True, None], "object": {}}
    with pytest.raises(InvalidInput) as raised:
        read(Fields({**data, "none": None}, "a[0]"))
    assert raised.value.message == message
    assert raised.value.param == message.split(maxsplit=1)[0]


def test_the_rest_is_what_was_not_read_and_not_null() -> None:
    fields = Fields({"a": 1, "b": None, "c": {"d": 2}, "e": False})
    assert fields.value("a") == 1
    assert fields.rest() == {"c": {"d": 2}, "e": False}
    assert fields.at("c") == "c"


def test_a_request_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidInput, match="The request must be an object, not a list"):
        Fields([])
