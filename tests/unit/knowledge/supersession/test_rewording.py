"""A correction of the spelling says the same; one word of another meaning says something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.supersession.rewording import says_otherwise

BEFORE = "Publsh order events through nats-jetstream."


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BEFORE, "Publish order events through nats-jetstream."),
        (BEFORE, "publsh  order events, through `nats-jetstream`"),
        ("Retry thrree times.", "Retry three times."),
        ("订单事件通过 nats 发布。", "订单事件通过 nats 发布。"),
    ],
)
def test_a_spelling_says_the_same(before: str, after: str) -> None:
    assert not says_otherwise(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Sessions are in Redis.", "Sessions are in Valkey."),
        ("Retry 3 times.", "Retry 8 times."),
        ("Retry server1.", "Retry server2."),
        ("Enable the cache.", "Disable the cache."),
        ("This is secure.", "This is insecure."),
        ("Use Redis.", "Don't use Redis."),
        ("Use http here.", "Use https here."),
        ("Move it from A to B.", "Move it from B to A."),
        ("订单事件通过消息队列发布到下游。", "订单事件通过消息总线发布到下游。"),
    ],
)
def test_another_word_says_something_else(before: str, after: str) -> None:
    assert says_otherwise(before, after)


@given(st.text(max_size=200))
def test_no_text_differs_from_itself(text: str) -> None:
    assert not says_otherwise(text, text)
