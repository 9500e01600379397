"""What the demo counts: answers that have the words that answer, and refusals where nobody said any."""

from __future__ import annotations

import pytest

from app.cli import demo

SAID = {"text": "We chose NATS because two people\nhave to operate it.", "abstained": False}
NOTHING = {"text": "", "abstained": True}


def test_an_answer_is_right_where_the_words_stand_in_it_across_lines() -> None:
    assert demo._is_right("two people have to operate it", SAID)
    assert not demo._is_right("every retry sent a new key", SAID)


def test_only_a_refusal_is_right_where_nobody_answered() -> None:
    assert demo._is_right(None, NOTHING)
    assert not demo._is_right(None, SAID)


def test_what_was_not_answered_is_counted_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = demo.QUESTIONS
    nobody = next(question for question, proof in demo.QUESTIONS.items() if proof is None)
    demo._print_counts([(first, SAID), (second, NOTHING), (nobody, NOTHING)])
    words = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 answers contain the answer to the question; of 1 without an answer, 1 was refused." in words
    assert f"not: {second}" in words
    assert f"not: {first}" not in words
