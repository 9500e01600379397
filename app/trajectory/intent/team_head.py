"""A team's own correction of the shipped classifier: fitted on what its members corrected, kept only where it is better on held-out. Pure.

The head is a matrix that is added to the shipped scores, held to zero by a ridge, and fitted beside the shipped examples, so that a few
corrections change little but what is like them. A member's corrections weigh together at most MAX_MEMBER_WEIGHT, and a head that does
worse on any member's corrections, or on the shipped examples, is not kept: one member alone can't turn the team's classifier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.trajectory.intent.classifier import Numbers, examples, log_softmax, scaled_vector, scores_of, shipped
from app.trajectory.intent.features import features_of
from app.trajectory.intent.kinds import INTENTS, Intent
from app.trajectory.intent.prose import PromptProse, prose_of

MIN_CORRECTIONS = 8
MAX_CORRECTIONS = 1_000
FOLDS = 5
CORRECTION_WEIGHT = 3.0
"""Weight of a correction; a shipped example has EXAMPLE_WEIGHT."""
EXAMPLE_WEIGHT = 0.5
MAX_MEMBER_WEIGHT = 60.0
RIDGE = 4.0
STEPS = 200
MIN_SIGMAS = 2.0
"""Standard deviations of chance by which the held-out corrections won must exceed those lost: four to nothing, at least."""
MAX_HARM = 0.01
"""Share of the shipped examples that a head may get wrong which were right without it."""


@dataclass(frozen=True, slots=True)
class CorrectedPrompt:
    """A prompt with the intent that a member says it has, and what the classifier reads of it. `member` None: the admin key."""

    prose: PromptProse
    vector: NDArray[np.floating] | None
    intent: Intent
    member: UUID | None


@dataclass(frozen=True, slots=True)
class HeadTrial:
    """A head that was tried. `before`, `after`: share of held-out corrections that were right without it, and with it.

    `harm`: share of the shipped examples that it gets wrong, and that were right. `kept`: it is used; `reason`: why, or why not.
    """

    head: Numbers | None
    corrections: int
    members: int
    before: float
    after: float
    harm: float
    reason: str

    @property
    def kept(self) -> bool:
        return self.head is not None


def head_row(prose: PromptProse, vector: NDArray[np.floating] | None) -> Numbers:
    """Return the numbers that a head is multiplied with: vector, features, and 1."""
    features = features_of(prose)
    given = np.zeros(shipped().vectors.shape[1]) if vector is None else np.asarray(vector, np.float64)
    made: Numbers = np.concatenate([scaled_vector(given, unspaced=features[-1] > 0), features, [1.0]])
    return made


def adjusted(scores: Numbers, row: Numbers, head: Numbers) -> Numbers:
    """Return the shipped scores as the team's head corrects them."""
    return log_softmax(scores + row @ head)


def try_head(corrected: Sequence[CorrectedPrompt]) -> HeadTrial:
    """Fit a head on a team's corrections, and tell whether it is to be kept. Takes seconds of CPU."""
    members = np.array([_MEMBERLESS if each.member is None else each.member.int % (1 << 62) for each in corrected])
    total, several = len(corrected), len(set(members.tolist()))
    if total < MIN_CORRECTIONS:
        return HeadTrial(None, total, several, 0.0, 0.0, 0.0, f"There are {total} corrections; a head needs {MIN_CORRECTIONS}.")
    rows = np.stack([head_row(each.prose, each.vector) for each in corrected])
    base = np.stack([scores_of(each.prose, each.vector) for each in corrected])
    wanted = np.array([INTENTS.index(each.intent) for each in corrected])
    weights = member_weights(members)
    folds = np.arange(total) % FOLDS
    after = np.zeros(total, bool)
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        head = _fit(rows[train], base[train], wanted[train], weights[train])
        after[test] = (base[test] + rows[test] @ head).argmax(axis=1) == wanted[test]
    before = base.argmax(axis=1) == wanted
    head = _fit(rows, base, wanted, weights)
    harm = _harm(head)
    reason = _objection(before, after, members, harm)
    kept = head if not reason else None
    return HeadTrial(
        kept,
        total,
        several,
        float(before.mean()),
        float(after.mean()),
        harm,
        reason or "More of the held-out corrections are right with it.",
    )


def member_weights(members: NDArray[np.int64]) -> Numbers:
    """Return each correction's weight: all of a member's together weigh at most MAX_MEMBER_WEIGHT."""
    counts = {member: int((members == member).sum()) for member in set(members.tolist())}
    return np.array([min(CORRECTION_WEIGHT, MAX_MEMBER_WEIGHT / counts[member]) for member in members.tolist()])


_MEMBERLESS = -1


def _objection(before: NDArray[np.bool_], after: NDArray[np.bool_], members: NDArray[np.int64], harm: float) -> str:
    if harm > MAX_HARM:
        return f"It gets {harm:.1%} of the shipped examples wrong that were right; at most {MAX_HARM:.0%} may be."
    won, lost = int((after & ~before).sum()), int((before & ~after).sum())
    if won - lost < MIN_SIGMAS * math.sqrt(won + lost) or not won:
        return f"Of the held-out corrections it wins {won} and loses {lost}: no more than chance may do."
    worse = sum(int(after[members == each].sum()) < int(before[members == each].sum()) for each in set(members.tolist()))
    return f"It does worse on the corrections of {worse} of the members." if worse else ""


@cache
def _shipped_rows() -> tuple[Numbers, Numbers, NDArray[np.int64]]:
    """Return the shipped examples' numbers, scores and intents."""
    parts = [prose_of(text) for text, _, _ in examples()]
    vectors = shipped().vectors
    rows = np.stack([head_row(prose, vector) for prose, vector in zip(parts, vectors, strict=True)])
    base = np.stack([scores_of(prose, vector) for prose, vector in zip(parts, vectors, strict=True)])
    return rows, base, np.array([INTENTS.index(intent) for _, intent, _ in examples()])


def _harm(head: Numbers) -> float:
    rows, base, wanted = _shipped_rows()
    was, now = base.argmax(axis=1) == wanted, (base + rows @ head).argmax(axis=1) == wanted
    return float((was & ~now).mean())


def _fit(rows: Numbers, base: Numbers, wanted: NDArray[np.int64], weights: Numbers) -> Numbers:
    """Minimise the weighted cross-entropy of base + rows @ head, with a ridge, by accelerated gradient descent with a safe step."""
    own_rows, own_base, own_wanted = _shipped_rows()
    rows, base = np.vstack([own_rows, rows]), np.vstack([own_base, base])
    weights = np.concatenate([np.full(len(own_rows), EXAMPLE_WEIGHT), weights])[:, None]
    truth = np.eye(len(INTENTS))[np.concatenate([own_wanted, wanted])]
    step = 1.0 / (0.5 * float(np.linalg.norm(rows * np.sqrt(weights), 2)) ** 2 + RIDGE)
    head = ahead = np.zeros((rows.shape[1], len(INTENTS)))
    for number in range(STEPS):
        slope = rows.T @ (weights * (np.exp(log_softmax(base + rows @ ahead)) - truth)) + RIDGE * ahead
        moved = ahead - step * slope
        ahead = moved + number / (number + 3) * (moved - head)
        head = moved
    return head
