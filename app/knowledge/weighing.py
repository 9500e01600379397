"""Ranking factors of an item: who wrote it, how people judged it, what became of its code. Pure arithmetic, every factor bounded.

A factor multiplies an item's rank (see `ranking`); `explain` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.freshness.verdicts import CodeVerdict
from app.knowledge.item import Freshness, Standing

WRITTEN = 1.10
"""Factor of what a person recorded or corrected: it decides between near equals, not against a better answer."""
OPEN_FILE = 1.05
"""Factor of an item whose `paths`, given by a person, include a file that is open in the IDE."""
HELPFUL, MAX_HELPFUL = 0.03, 0.09
"""Gain of each verdict, and of all together."""
STALE, MAX_STALE = 0.12, 0.24
"""Loss by each verdict, and by all together."""
WRONG = 0.15
"""Loss by the first verdict; the second one hides the item."""
MIN_FACTOR, MAX_FACTOR = 0.65, 1.0 + MAX_HELPFUL
HIDING_VERDICTS = 2
USED, MAX_USED = 0.01, 0.03
"""Gain of each session that used it and whose person accepted that, and of all together: no more than one person's word."""
REFUSED, MAX_REFUSED = 0.01, 0.03
"""Loss by each session whose person took it back, and by all together. Never hides an item."""
STANDING: Mapping[Standing, float] = {"portable": 0.02, "team_practice": 0.02}
"""Gain of an item that holds in two projects, and of one that two people stand by: together less than one of HELPFUL's maximum."""

CODE: Mapping[CodeVerdict, float] = {"fresh": 1.0, "changed": 0.97, "gone": 0.88, "unverifiable": 1.0}
"""Factor by what became of the code that an item speaks of. A change is no proof that the item is wrong: it decides between near equals.
What is gone weighs as one person's `stale`. Never hides an item."""


class Judged(Protocol):
    """The numbers of people who gave an item each verdict."""

    @property
    def helpful(self) -> int: ...
    @property
    def wrong(self) -> int: ...
    @property
    def stale(self) -> int: ...


class Checked(Judged, Protocol):
    """Also what became of the code that the item speaks of; None: nobody checked."""

    @property
    def code_verdict(self) -> CodeVerdict | None: ...


class JudgedAndUsed(Judged, Protocol):
    """Also the numbers of sessions that used it, accepted and refused (`use_counts`)."""

    @property
    def used(self) -> int: ...
    @property
    def refused(self) -> int: ...


def feedback_factor(judged: JudgedAndUsed) -> float:
    """Return the factor of verdicts and uses, MIN_FACTOR to MAX_FACTOR however many there are.

    Use is no gain against a person's word: where somebody finds it wrong or stale, only people can raise it.
    """
    gain = HELPFUL * judged.helpful
    if not judged.wrong and not judged.stale:
        gain += min(MAX_USED, USED * judged.used)
    loss = min(MAX_STALE, STALE * judged.stale) + min(WRONG, WRONG * judged.wrong) + min(MAX_REFUSED, REFUSED * judged.refused)
    return min(MAX_FACTOR, max(MIN_FACTOR, 1.0 + min(MAX_HELPFUL, gain) - loss))


def standing_factor(item: Judged, standing: Sequence[Standing]) -> float:
    """Return the factor of an item's standing. None is gained against a person's word that it is wrong or stale."""
    return 1.0 if item.wrong or item.stale else 1.0 + sum(STANDING[each] for each in standing)


def names_open_file(paths: Sequence[str], files: Sequence[str]) -> bool:
    """Tell whether one of an item's paths is an open file: equal, or one of the two is a suffix of the other, by whole components."""
    ours, open_files = [_parts(each) for each in paths], [_parts(each) for each in files]
    return any(one[-len(other) :] == other or other[-len(one) :] == one for one in ours for other in open_files if one and other)


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def freshness(item: Checked) -> Freshness:
    """Return stale if more people say so than find it helpful, else what the code says, else fresh: whatever its age."""
    return "stale" if item.stale > item.helpful else (item.code_verdict or "fresh")


def code_factor(item: Checked) -> float:
    """Return the factor of a rank by what became of the code that an item speaks of."""
    return 1.0 if item.code_verdict is None else CODE[item.code_verdict]


def should_hide(*, wrong: int, by_author: bool) -> bool:
    """Tell whether an item is hidden: two people judged it wrong, or its author did."""
    return by_author or wrong >= HIDING_VERDICTS
