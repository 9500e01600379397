"""The eight intents of a prompt, and a prompt's reading. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

Intent = Literal["learning", "exploration", "debugging", "feature-dev", "refactoring", "testing", "optimization", "documentation"]
"""learning: wants an explanation or advice about a technology · exploration: wants facts about this code base, or weighs options ·
debugging: reports a symptom, follows its cause or fix · feature-dev: adds or changes behaviour, carries out a plan · refactoring: structure,
names, types, not behaviour · testing: writes, runs, plans checks · optimization: time, cost, size · documentation: docs, comments, reports."""
INTENTS: Final[tuple[Intent, ...]] = get_args(Intent)


@dataclass(frozen=True, slots=True)
class NearExample:
    """An example whose vector lies near a prompt's. `likeness`: cosine."""

    text: str
    intent: Intent
    likeness: float


@dataclass(frozen=True, slots=True)
class IntentReading:
    """A prompt's intent. `likeliest`: the two best with their calibrated confidence, the best first. `nearest`: examples like the prompt.
    `cues`: words of the prompt that speak for the best one.
    """

    likeliest: tuple[tuple[Intent, float], tuple[Intent, float]]
    nearest: tuple[NearExample, ...]
    cues: tuple[str, ...] = ()

    @property
    def intent(self) -> Intent:
        """Return the likeliest intent."""
        return self.likeliest[0][0]

    @property
    def confidence(self) -> float:
        """Return the calibrated probability that it is right, 0 to 1."""
        return self.likeliest[0][1]

    @property
    def because(self) -> str:
        """Return the reason in a sentence for a person."""
        cues = f"It says {' and '.join(f'“{cue}”' for cue in self.cues)}. " if self.cues else ""
        alike = [each for each in self.nearest if each.intent == self.intent] or list(self.nearest)
        return f"{cues}Nearest example: “{alike[0].text}” ({alike[0].intent})." if alike else cues.strip()


@dataclass(frozen=True, slots=True)
class PromptIntent:
    """A prompt's intent as it stands. `confidence`, `second`: of what the classifier told; a person's correction goes before that.

    `corrected_by`, `corrected_at`: of the correction that holds.
    """

    seq: int
    intent: Intent
    told: Intent | None
    confidence: float | None
    second: Intent | None
    second_confidence: float | None
    corrected_by: str | None = None
    corrected_at: datetime | None = None

    @property
    def certainty(self) -> float | None:
        """Return how probably the intent that holds is right; None: a person said it."""
        return None if self.corrected_by is not None else self.confidence


@dataclass(frozen=True, slots=True)
class IntentPosition:
    """A place among what was told of a session's prompts: the last prompt whose intent was told, and the last correction that was."""

    seq: int = 0
    correction: int = 0
