"""Of many values, those that stand in a text are found by its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.supersession.statements import read
from app.knowledge.supersession.values import by_first_word, values_in

VALUES = by_first_word(["redis", "nats-jetstream", "30 seconds", ".env", "c++", "消息队列"])


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Sessions are in `Redis`.", {"redis"}),
        ("Publish through nats-jetstream within 30   seconds.", {"nats-jetstream", "30 seconds"}),
        ("Read .env first; it is C++.", {".env", "c++"}),
        ("订单写入消息队列", {"消息队列"}),
        ("Predisposed for 130 secondsmore", set()),
        ("", set()),
    ],
)
def test_the_values_of_a_text_are_found(text: str, held: set[str]) -> None:
    assert values_in(read(text), VALUES) == held


@given(st.lists(st.from_regex(r"\A[a-z0-9]{1,3}( [a-z]{1,2})?\Z"), max_size=5), st.text("ab01 -.", max_size=40))
def test_none_that_stands_by_itself_is_missed(values: list[str], text: str) -> None:
    for value in values:
        assert value in values_in(read(f"{text} {value}, {text}"), by_first_word(values))
