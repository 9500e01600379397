"""A person's next turn is read as a verdict on what was done before it."""

from __future__ import annotations

import pytest

from app.trajectory.turns import ending

ACCEPTED = (
    "Thanks, that did the trick",
    "perfect",
    "Great, now let's move to the parser",
    "yes please",
    "Yep, go on with the second one",
    "go ahead and implement it",
    "LGTM, push it",
    "That works! Next, the retry policy",
    "looks good to me",
    "sure, do it",
    "It works now",
    "awesome. can you also write a changelog entry?",
    "option B sounds best, proceed",
    "much better",
    "ok great, commit this",
    "All green, nice work",
    "I tested it by hand and it's working",
    "danke, passt",
    "完美，继续",
    "merci, c'est parfait",
)
CORRECTED = (
    "no, I meant the other table",
    "that's wrong, the port is 5433",
    "still failing with the same error",
    "it doesn't compile anymore",
    "why did you delete the fixtures?",
    "undo that",
    "don't touch the migration files",
    "I didn't ask for a new class",
    "wait, this breaks the api",
    "Hmm, the button is gone now",
    "nothing happens when I click it",
    "AttributeError: 'NoneType' object has no attribute 'split'",
    'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: bad row',
    "you forgot the index",
    "nice, but the totals are still wrong",
    "please stop adding comments everywhere",
    "use a set, not a list",
    "actually, keep the old name",
    "the tests fail on CI",
    "I don't see any difference",
    "not what I wanted",
    "revert the last change please",
    "that isn't idiomatic Go",
    "There is no such flag in that tool",
    "nein, das ist falsch",
    "还是不行",
    "нет, это неправильно",
)
NEITHER = (
    "now add pagination to the list endpoint",
    "what does this function do?",
    "can you explain the difference between the two caches?",
    "add a test for the empty case",
    "where is the rate limit configured?",
    "run the linter",
    "next write the docs for the command",
    "how would you structure the module?",
    "rename the package to billing",
    "let me know which files you touched",
    "is there a way to do this without a lock?",
    "create a branch for this",
    "update the dependencies",
    "summarize the changes",
    "which of these is used in production?",
    "schreib bitte einen Test dafür",
    "把这个函数移到 utils 里",
)


@pytest.mark.parametrize("turn", ACCEPTED)
def test_approval_and_taking_up_an_offer_is_acceptance(turn: str) -> None:
    assert ending(turn) == "accepted"


@pytest.mark.parametrize("turn", CORRECTED)
def test_an_objection_or_a_reported_failure_is_a_correction(turn: str) -> None:
    assert ending(turn) == "corrected"


@pytest.mark.parametrize("turn", NEITHER)
def test_a_new_request_or_a_question_is_no_verdict(turn: str) -> None:
    assert ending(turn) == "open"
