"""Prompts by meaning: which may share an answer, in whose partition, for how long, and how many are remembered."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import Unavailable
from app.inference.request import CallContext, ChatRequest
from app.inference.semantic import MAX_SEEN_CHARS, CacheQuestion, Semantic, objections, question_of
from app.settings import SemanticCacheSettings
from tests.fakes.embedder import WordsEmbedder

TEAM = UUID(int=1)
SAME = [
    ("How do I reset my password?", "How can I reset the password?"),
    ("How to remove a tick on a dog?", "how can we remove the tick on my dog"),
    ("It's not a good idea.", "It is not a good idea."),
    ("Why doesn't it stop?", "why does not it stop"),
    ("Restart a worker", '"Restart the worker."'),
]
NEAR_MISSES = [
    ("Explain HTTP 404 errors", "Explain HTTP 403 errors"),
    ("How do I retry 3 times?", "How do I retry 5 times?"),
    ("Should I use eval?", "Should I not use eval?"),
    ("Why is the cache enabled?", "Why is the cache disabled?"),
    ("Move files from a to b", "Move files from b to a"),
    (
        "Is a Master's in Mathematics after a Bachelor's in Economics possible?",
        "Is a Master's in Economics after a Bachelor's in Mathematics possible?",
    ),
    ("How do I sort a list in Python?", "How do I sort a list in Rust?"),
    ("How do I sort a list?", "How do I sort a list in Rust?"),
    ("What does a < b do?", "What does a > b do?"),
    ("Rename getUser to fetchUser", "Rename fetchUser to getUser"),
    ("什么是猫", "什么是狗"),
    ("Translate 猫", "Translate 狗"),
    ("What is C?", "What is C++?"),
    ("What is 5 - 3?", "What is 5 + 3?"),
    ("Delete config/app.toml", "Delete config/dev.toml"),
    ("pip install --user numpy", "pip install --target numpy"),
    ("Do this with the lock", "Do this without the lock"),
    ("Use A and B", "Use A or B"),
    ("What does plan A cover?", "What does plan cover?"),
    ("How do I convert to JSON?", "How do I convert JSON?"),
    ("Can I help you?", "Can you help?"),
    ("How do you work?", "How to work?"),
    ("What is HTTP?", "What is HTTPS?"),
    ("What is new?", "What is news?"),
    ("What is IT?", "What is it?"),
    ("Is it at 9 am?", "Is it at 9?"),
    ("Delete the file", "Delete the files"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_another_wording_may_share_an_answer(one: str, other: str) -> None:
    assert objections(one, other) == objections(other, one) == ()


@pytest.mark.parametrize(("one", "other"), NEAR_MISSES)
def test_what_differs_in_anything_exact_may_not_however_alike_it_is(one: str, other: str) -> None:
    assert objections(one, other)
    assert objections(other, one)


TEXT = st.lists(st.sampled_from(["port", "8080", "not", "--flag", "a/b.py", "`x.y`", "enable", "GitHub", "猫", "+", "the", "?"]) | st.text(string.printable, max_size=8), max_size=12).map(" ".join)  # fmt: skip


@given(TEXT)
def test_a_text_may_share_its_own_answer(text: str) -> None:
    assert objections(text, text) == ()


@given(TEXT, st.integers(0, 10**6), st.sampled_from(["not", "never", "only", "4", "猫", "+", "without", "Rust", "a", "the", "to", "I"]))
def test_one_more_word_that_says_something_is_always_seen(text: str, place: int, word: str) -> None:
    words = text.split()
    changed = [*words[: place % (len(words) + 1)], word, *words[place % (len(words) + 1) :]]
    assert objections(" ".join(words), " ".join(changed))


def asker(team: UUID = TEAM) -> CallContext:
    return CallContext(uuid4(), team, uuid4().hex)


def asking(text: Any, *before: dict[str, Any], team: UUID = TEAM, **fields: Any) -> CacheQuestion | None:
    messages = [*before, {"role": "user", "content": text}]
    return question_of(
        ChatRequest("auto", messages, parameters={**fields, "messages": messages}, max_tokens=fields.get("max_tokens")), asker(team)
    )


def test_only_the_last_words_of_the_user_may_differ() -> None:
    one, other = asking("a question"), asking("another one")
    assert one is not None
    assert other is not None
    assert one.partition == other.partition
    system, earlier = {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Yes?"}
    others = [
        asking("a question", system),
        asking("a question", earlier),
        asking("a question", system, earlier),
        asking("a question", team=UUID(int=2)),
        asking("a question", seed=1),
        asking("a question", max_tokens=5),
        asking("a question", response_format={"type": "json_object"}),
    ]
    assert len({one.partition, *(each.partition for each in others if each)}) == len(others) + 1


@pytest.mark.parametrize("text", ["", "  ", None, [{"type": "text", "text": "a question"}], "x" * (MAX_SEEN_CHARS + 1), " " * 600 + "x"])
def test_what_has_no_short_text_at_its_end_is_not_looked_up(text: Any) -> None:
    assert asking(text) is None
    assert question_of(ChatRequest("auto", [{"role": "assistant", "content": "so far"}]), asker()) is None


class Slow(WordsEmbedder):
    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        await asyncio.Event().wait()
        raise AssertionError


class Away(WordsEmbedder):
    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise Unavailable("away")


def opened(embedder: WordsEmbedder | None = None, **options: Any) -> Semantic:
    settings = SemanticCacheSettings(**{"enabled": True, "threshold": 0.9, "timeout_seconds": 1, **options})
    return Semantic(embedder or WordsEmbedder(), settings, now=lambda: CLOCK[0])


CLOCK = [0.0]
HERE, THERE = b"here", b"there"


async def test_the_most_alike_that_nothing_speaks_against_is_found_in_its_own_partition() -> None:
    semantic = opened()
    await semantic.remember(CacheQuestion("restart the worker", HERE), b"1", 60)
    await semantic.remember(CacheQuestion("restart the worker 2", HERE), b"2", 60)
    await semantic.remember(CacheQuestion("something else entirely", HERE), b"3", 60)
    ((key, cosine),) = await semantic.near(CacheQuestion("Restart the worker", HERE))
    assert (key, cosine) == (b"1", pytest.approx(1, abs=1e-5))
    assert await semantic.near(CacheQuestion("Restart the worker", THERE)) == []
    assert await semantic.near(CacheQuestion("Restart a server", HERE)) == []


async def test_where_nothing_is_remembered_nothing_is_embedded() -> None:
    embedder = WordsEmbedder()
    semantic = opened(embedder)
    assert await semantic.near(CacheQuestion("restart the worker", HERE)) == []
    assert embedder.embedded == []


@pytest.mark.parametrize("embedder", [Slow(), Away()])
async def test_an_embedder_that_is_slow_or_away_is_a_miss(embedder: WordsEmbedder) -> None:
    semantic = opened(timeout_seconds=0.01)
    await semantic.remember(CacheQuestion("restart the worker", HERE), b"1", 60)
    semantic._embedder = embedder
    assert await semantic.near(CacheQuestion("restart the worker", HERE)) == []
    assert semantic.counts.errors == 1


async def test_it_ends_with_its_answer_and_never_holds_more_than_it_may() -> None:
    semantic = opened(entries=3)
    for number in range(5):
        await semantic.remember(CacheQuestion(f"word{number}", HERE), bytes([number]), 60)
    assert (len(semantic), semantic.counts.evictions) == (3, 2)
    assert await semantic.near(CacheQuestion("word0", HERE)) == []
    assert [key for key, _ in await semantic.near(CacheQuestion("word4", HERE))] == [bytes([4])]
    CLOCK[0] += 61
    assert await semantic.near(CacheQuestion("word4", HERE)) == []
    assert len(semantic) == 2


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([HERE, THERE]), st.booleans()), max_size=60))
def test_its_books_are_right_whatever_is_remembered_and_forgotten(steps: list[tuple[int, bytes, bool]]) -> None:
    async def play() -> None:
        semantic, kept = opened(entries=4), {}
        for key, partition, forgets in steps:
            if forgets:
                semantic.forget(bytes([key]))
                kept.pop(key, None)
            else:
                await semantic.remember(CacheQuestion(f"word{key}", partition), bytes([key]), 60)
                kept[key] = partition
            assert len(semantic) <= 4
            assert len(semantic) + len(semantic._free) == 4
            assert sum(map(len, semantic._partitions.values())) == len(semantic)
            for entry in semantic._entries.values():
                assert kept[entry.key[0]] == entry.question.partition

    asyncio.run(play())
