"""What may be kept: a secret is found wherever it stands in a long answer, and others have their turn meanwhile."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.cacheability import MAX_CHECKED_CHARS, REACH_CHARS, STEP_CHARS, holds_secret, keepable
from app.inference.cached_answer import CachedAnswer, whole

KEY = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEpAIBAAKCAQEA7bq2kfX9yJ0zqLw8vN3tR5uYxC1mD4oP6sQeFhGjKlZi\n" * 200
    + "-----END RSA PRIVATE KEY-----"
)
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ" * 100
    + ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
PROSE = "The tide comes in twice a day and the boats lie on the sand until then. "


def answer(text: str, finish: str = "stop") -> CachedAnswer:
    return CachedAnswer(whole({"id": "1"}, text, finish, {}), "one", "model", 1)


@given(st.integers(0, MAX_CHECKED_CHARS), st.sampled_from([KEY, PEM, JWT]))
def test_a_secret_is_found_wherever_it_stands(at: int, secret: str) -> None:
    prose = PROSE * (MAX_CHECKED_CHARS // len(PROSE) + 1)
    assert asyncio.run(holds_secret(f"{prose[:at]} {secret} {prose[at:]}"))


async def test_clean_text_of_any_length_holds_none() -> None:
    for length in (0, 1, STEP_CHARS, STEP_CHARS + REACH_CHARS + 1, MAX_CHECKED_CHARS):
        assert not await holds_secret((PROSE * 1000)[:length])


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (answer("Fine."), True),
        (answer("Fine, so far", "length"), True),
        (answer("No.", "content_filter"), False),
        (answer(""), False),
        (answer(f"Use {KEY}."), False),
        (answer("x" * (MAX_CHECKED_CHARS + 1)), False),
        (CachedAnswer(msgspec.json.encode({"choices": []}), "one", "model", 1), False),
    ],
)
async def test_only_whole_clean_answers_are_kept(found: CachedAnswer, kept: bool) -> None:
    assert await keepable(found) is kept


async def test_a_long_answer_lets_others_have_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await keepable(answer((PROSE * 1000)[:MAX_CHECKED_CHARS]))
    task.cancel()
    assert turns >= (MAX_CHECKED_CHARS - REACH_CHARS) // STEP_CHARS - 1
