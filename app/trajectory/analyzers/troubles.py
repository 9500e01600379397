"""Reads single steps as signs of trouble: a refusal, an obstacle outside, an undone step, words that take something back. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from app.trajectory.analyzers.cues import in_english
from app.trajectory.events.failures import is_outside
from app.trajectory.events.shell import commands_of
from app.trajectory.events.steps import SessionStep
from app.trajectory.events.turns import ending

SignKind = Literal["corrected", "undone", "interrupted", "refused", "refuted", "reverted", "outage", "outside", "helpless"]
MAX_READ_CHARS = 600
_UNDO = re.compile(r"^\s*/(?:undo|rewind|revert|rollback)\b", re.MULTILINE)
_INTERRUPTED = re.compile(
    r"\[Request interrupted by user|<turn_aborted>|Interrupted by user|The user (?:interrupted|cancelled|canceled|aborted)|User aborted",
    re.IGNORECASE,
)
_REFUTED = re.compile(
    r"\b(?:i (?:misread|misunderstood|misinterpreted|overlooked|was wrong|was mistaken|made (?:a|an) (?:mistake|error)|incorrectly|mistakenly|should(?:n't| not) have|jumped the gun|forgot to)|my (?:mistake|bad|error|assumption was)|my apologies|i apologi[sz]e"
    r"|you(?:'re| are) (?:absolutely |completely |quite )?right|(?:that|this|it) (?:was|is) (?:actually )?(?:wrong|incorrect|a mistake|not (?:correct|right))|wrong (?:assumption|approach|place|file|branch)|let me back (?:that|this) out)",
    re.IGNORECASE,
)
_HELPLESS = re.compile(
    r"\b(?:i (?:can't|cannot|can not|am unable to|'m unable to|am not able to|do(?:n't| not) have (?:access|permission|the (?:permission|ability|tool|credentials)))|unable to (?:proceed|continue|connect|authenticate)|you(?:'ll| will)? need to (?:log ?in|sign in|run|install|enable|grant|authenticate|provide|start|approve)"
    r"|could you (?:run|install|grant|provide|approve|log|start)|please (?:run|install|grant|log ?in|sign in|approve|provide)|(?:is|are)(?:n't| not) (?:available|supported|exposed|accessible|installed|configured)|does(?:n't| not) (?:support|expose|provide|allow)|there(?:'s| is) no (?:tool|way|api|option|access)|gap in the)",
    re.IGNORECASE,
)
# Words without which neither pattern matches: most texts have none, and looking for words is far cheaper than for a pattern.
_REFUTING = (
    "mis",
    "apolog",
    "wrong",
    "incorrect",
    "overlooked",
    "should",
    "jumped the gun",
    "forgot",
    "my bad",
    "my error",
    "right",
    "revert",
    "undo",
    "back ",
    "correct",
)
_LACKING = (
    "can't",
    "cannot",
    "can not",
    "unable",
    "not able",
    "not have",
    "n't have",
    "need to",
    "could you",
    "please",
    "n't ",
    " not ",
    "no tool",
    "no way",
    "no api",
    "no option",
    "no access",
    "gap in",
)
_REVERTING = re.compile(
    r"\s*git\s+(?:-C\s+\S+\s+)?(?:revert\b|reset\s+(?:--hard|--soft|HEAD)|restore\b|checkout\s+(?:--\s|HEAD\s)|merge\s+--abort|rebase\s+--abort|stash\s+drop)|\s*(?:rm|git\s+rm)\s+(?!-rf?\s+(?:\S*/)?(?:tmp|node_modules|dist|build|target|\.cache))"
)


@dataclass(frozen=True, slots=True)
class TroubleSign:
    """Something in one step that tells of trouble. `what`: the words for a person."""

    kind: SignKind
    seq: int
    what: str


def sign_of(step: SessionStep) -> TroubleSign | None:
    """Read a step as a sign of trouble; None where it is none."""
    match step.kind:
        case "prompt":
            return _of_prompt(step)
        case "notice":
            return _of_notice(step)
        case "reply" | "thinking":
            return _of_words(step)
        case _:
            return _of_call(step)


def _of_prompt(step: SessionStep) -> TroubleSign | None:
    if _INTERRUPTED.match(step.text):
        return TroubleSign("interrupted", step.seq, "A person interrupted the agent")
    if not step.sidechain and ending(step.text) == "corrected":
        return TroubleSign("corrected", step.seq, f"A person corrected it: “{_short(step.text)}”")
    return None


def _of_notice(step: SessionStep) -> TroubleSign | None:
    if _UNDO.search(step.text[:MAX_READ_CHARS]):
        return TroubleSign("undone", step.seq, "A person undid the last change")
    if _INTERRUPTED.search(step.text[:MAX_READ_CHARS]):
        return TroubleSign("interrupted", step.seq, "A person interrupted the agent")
    return None


def _of_words(step: SessionStep) -> TroubleSign | None:
    head = in_english(step.text[:MAX_READ_CHARS])
    folded = head.casefold()
    if _any_of(_REFUTING, folded) and _REFUTED.search(head):
        return TroubleSign("refuted", step.seq, f"The agent took something back: “{_short(step.text)}”")
    if step.kind == "reply" and _any_of(_LACKING, folded) and _HELPLESS.search(head):
        return TroubleSign("helpless", step.seq, f"The agent says that it can't go on: “{_short(step.text)}”")
    return None


def _of_call(step: SessionStep) -> TroubleSign | None:
    match step.result:
        case "rejected":
            return TroubleSign("refused", step.seq, f"A person refused the call of {step.tool}")
        case "unavailable":
            return TroubleSign("outage", step.seq, f"A service didn't answer: {_short(step.error)}")
        case "failed" if is_outside(step.error):
            return TroubleSign("outside", step.seq, f"Something from outside is missing: {_short(step.error)}")
        case "ok" if step.phase in {"run", "commit", "explore"} and _reverts(step.text):
            return TroubleSign("reverted", step.seq, f"A change was taken back: {_short(step.text)}")
        case _:
            return None


def _reverts(line: str) -> bool:
    return _any_of(("git", "rm"), line) and any(map(_REVERTING.match, commands_of(line)))


def _any_of(words: tuple[str, ...], folded: str) -> bool:
    return any(word in folded for word in words)


def _short(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")  # a sentence goes on, or ends, behind it
    return line if len(line) <= 100 else f"{line[:99]}…"
