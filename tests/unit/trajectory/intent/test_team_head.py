"""A team's head: kept where it is better on corrections it hasn't seen; a member alone can't turn it."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np

from app.trajectory.intent.classifier import examples, scores_of, shipped
from app.trajectory.intent.kinds import INTENTS, Intent
from app.trajectory.intent.prose import prose_of
from app.trajectory.intent.team_head import (
    CORRECTION_WEIGHT,
    MAX_HARM,
    MAX_MEMBER_WEIGHT,
    MIN_CORRECTIONS,
    CorrectedPrompt,
    adjusted,
    head_row,
    member_weights,
    try_head,
)

ADA, BOB = uuid4(), uuid4()
THINGS = ("ledger", "parser", "importer", "scheduler", "gateway", "mailer", "renderer", "archive", "router", "index", "queue", "crawler")


def corrected(text: str, intent: Intent, member: UUID | None = ADA, vector: int = 0) -> CorrectedPrompt:
    return CorrectedPrompt(prose_of(text), shipped().vectors[vector], intent, member)


def house_rule(member: UUID | None = ADA) -> list[CorrectedPrompt]:
    """A team whose word `kaizen` means refactoring; the shipped classifier doesn't know it."""
    place = next(number for number, (_, intent, _) in enumerate(examples()) if intent == "feature-dev")
    return [corrected(f"do the kaizen of the {thing} now!", "refactoring", member, place) for thing in THINGS]


def test_a_rule_that_the_corrections_share_is_learnt_and_kept() -> None:
    trial = try_head(house_rule())
    assert trial.kept
    assert trial.after > trial.before
    assert trial.harm <= MAX_HARM
    assert trial.head is not None
    new = corrected(
        "do the kaizen of the billing now!", "refactoring", vector=next(n for n, (_, i, _) in enumerate(examples()) if i == "feature-dev")
    )
    scores = adjusted(scores_of(new.prose, new.vector), head_row(new.prose, new.vector), trial.head)
    assert INTENTS[int(scores.argmax())] == "refactoring"


def test_few_corrections_make_no_head() -> None:
    trial = try_head(house_rule()[: MIN_CORRECTIONS - 1])
    assert not trial.kept
    assert "needs" in trial.reason


def test_corrections_that_agree_with_the_classifier_change_nothing() -> None:
    agreeing = [
        CorrectedPrompt(prose_of(text), shipped().vectors[place], intent, ADA)
        for place, (text, intent, _) in enumerate(examples()[:400:20])
    ]
    assert not try_head(agreeing).kept


def test_a_member_who_calls_everything_one_thing_is_not_followed() -> None:
    poisoned = [
        CorrectedPrompt(prose_of(text), shipped().vectors[place], "learning", BOB)
        for place, (text, _, _) in enumerate(examples())
        if place % 3 == 0
    ]
    trial = try_head(poisoned)
    assert not trial.kept


def test_a_head_that_does_worse_for_another_member_is_not_kept() -> None:
    right = [CorrectedPrompt(each.prose, each.vector, "feature-dev", BOB) for each in house_rule()]
    flood = [CorrectedPrompt(each.prose, each.vector, "learning", ADA) for each in house_rule() for _ in range(4)]
    trial = try_head([*right, *flood])
    assert not trial.kept
    assert "of 1 of the members" in trial.reason


def test_all_of_a_members_corrections_weigh_no_more_than_the_bound() -> None:
    members = np.array([1] * 500 + [2] * 5)
    weights = member_weights(members)
    assert weights[members == 1].sum() <= MAX_MEMBER_WEIGHT + 1e-9
    assert weights[members == 2].tolist() == [CORRECTION_WEIGHT] * 5
