"""What people's part in an item weighs: that somebody wrote it, and how they judged it. Pure arithmetic, every factor bounded.

A factor multiplies an item's rank (`ranking`), and `explain` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, get_args

from app.knowledge.item import Freshness

Verdict = Literal["helpful", "wrong", "stale"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

WRITTEN = 1.10
"""What a person recorded or corrected is worth beside what was extracted: it wins between near equals, not against a better answer."""
OPEN_FILE = 1.05
"""What an item is worth more where a person said that it speaks of a file that is open in the IDE."""
HELPFUL, MAX_HELPFUL = 0.03, 0.09
STALE, MAX_STALE = 0.12, 0.24
WRONG = 0.15
"""One person's; the second one hides the item."""
MIN_FACTOR, MAX_FACTOR = 0.65, 1.0 + MAX_HELPFUL
HIDING_VERDICTS = 2


class Judged(Protocol):
    """How many people judged an item so."""

    @property
    def helpful(self) -> int: ...
    @property
    def wrong(self) -> int: ...
    @property
    def stale(self) -> int: ...


def feedback_factor(judged: Judged) -> float:
    """What the verdicts leave of a rank: MIN_FACTOR to MAX_FACTOR, however many there are."""
    gain = min(MAX_HELPFUL, HELPFUL * judged.helpful)
    loss = min(MAX_STALE, STALE * judged.stale) + min(WRONG, WRONG * judged.wrong)
    return min(MAX_FACTOR, max(MIN_FACTOR, 1.0 + gain - loss))


def speaks_of(paths: Sequence[str], files: Sequence[str]) -> bool:
    """Tell whether one of an item's paths is one of the open files: the same, or one the end of the other."""
    ours, open_files = [_parts(each) for each in paths], [_parts(each) for each in files]
    return any(one[-len(other) :] == other or other[-len(one) :] == one for one in ours for other in open_files if one and other)


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def shown_freshness(by_age: Freshness, judged: Judged) -> Freshness:
    """An item's freshness as it is told: stale where more people say so than find it helpful, whatever its age."""
    return "stale" if judged.stale > judged.helpful else by_age


def hides(*, wrong: int, by_author: bool) -> bool:
    """Tell whether an item is hidden: two people judged it wrong, or its author did."""
    return by_author or wrong >= HIDING_VERDICTS
