"""Plain words for what an analysis finds: the state that a session is in, and what shows it."""

from __future__ import annotations

from typing import Final

from app.trajectory.analysis import FindingKind

LOOP_WORDS: Final = {
    "exact": "the same call, the same result",
    "error": "the same error again",
    "period": "the same steps in turn",
    "stagnation": "other words, the same result",
    "histogram": "one call again and again",
    "drift": "calls that bring nothing new",
    "monologue": "the same words again",
}
"""Rung of the ladder of loops → what repeats."""
HEALTH_WORDS: Final = {
    "off_track": "corrected, interrupted or undone",
    "stuck": "corrected or failed, again and again",
    "blocked": "something outside is missing, or refused",
}
"""State → what shows it, where no loop does."""


def state_of_finding(kind: str, name: str) -> str:
    """Return the state that a finding of trouble tells of: who goes in circles is stuck."""
    return "stuck" if kind == "loop" else name.replace("_", " ")


def what_shows(kind: str, name: str) -> str:
    """Say what shows trouble."""
    return LOOP_WORDS.get(name, name) if kind == "loop" else HEALTH_WORDS.get(name, name.replace("_", " "))


def finding_label(kind: FindingKind, name: str) -> str:
    """Name a finding in a word or a few. Of a policy it is told that it was broken: its own words say what it demands."""
    if kind == "policy":
        return f"broken: {name}"
    return LOOP_WORDS.get(name, name) if kind == "loop" else name.replace("_", " ")
