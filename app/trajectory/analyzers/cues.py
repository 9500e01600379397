"""The words that tell what somebody is doing, each with the activities that it speaks for; of other languages through their glosses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, get_args

from app.likeness.gloss import gloss

Activity = Literal["exploring", "planning", "implementing", "debugging", "testing", "documenting", "refactoring", "reviewing"]
ACTIVITIES: tuple[Activity, ...] = get_args(Activity)
_CUES: Mapping[Activity, str] = {
    "exploring": "explore|exploring|look at|look into|look for|looking at|looking into|looking for|look through|find out|find where|where is|where are|where do|where does|search|searching|understand|how does|how do|how is|"
    "show me|what is|what are|what does|what's|explain|which|list",
    "planning": "plan|planning|plans|planned|design|approach|approaches|proposal|propose|options|option|roadmap|strategy|strategies|architecture|step|steps|should we|trade-off|trade-offs|brainstorm",
    "implementing": "implement|implements|implemented|implementing|implementation|add|adds|added|adding|create|creates|created|creating|build|support|feature|features|introduce|make it|make the|change|write a|write the",
    "debugging": "bug|bugs|debug|debugging|error|errors|fail|fails|failed|failing|failure|failures|fix|fixes|fixed|fixing|broken|crash|crashes|crashed|traceback|exception|root cause|doesn't work|not work|not working|why is|"
    "why does|why did|why are|issue|issues|wrong|unexpected|warning|warnings|investigate|problem|problems|reproduce",
    "testing": "test|tests|testing|tested|spec|specs|coverage|pytest|e2e|assert|asserts|assertion|assertions|mock|mocks|mocked|verify|lint|linter|linting|run it|run the",
    "documenting": "document|documents|documented|documentation|documenting|docs|doc|readme|changelog|comment|comments|docstring|docstrings|diagram|write-up|guide|tutorial|notes",
    "refactoring": "refactor|refactors|refactored|refactoring|rename|renames|renamed|renaming|extract|extracts|extracted|extracting|simplify|simplified|simplifies|clean up|cleanup|cleaning up|dedupe|deduplicate|duplicate|"
    "duplicated|duplication|consolidate|consolidated|restructure|reorganize|reorganise|split|move|moves|moved|moving|inline|unused|dead code|reuse",
    "reviewing": "review|reviews|reviewed|reviewing|pull request|pr|prs|feedback|findings|nitpick|approve|approved|lgtm|code quality|concern|concerns|audit|critique|compare",
}
_BY_CUE: Mapping[str, frozenset[Activity]] = {
    cue: frozenset(activity for activity, cues in _CUES.items() if cue in cues.split("|"))
    for cue in {each for cues in _CUES.values() for each in cues.split("|")}
}
_CUE_WORDS = frozenset(_BY_CUE)
_FIRST_OF_TWO = frozenset(cue.split(" ")[0] for cue in _BY_CUE if " " in cue)
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_ENGLISH = re.compile(r"\b(?:the|this|and|that|is|it|to|I)\b[^.?!\n]{0,80}\b(?:the|this|and|that|is|it|to|I|of|in|for|a)\b")


def in_english(text: str) -> str:
    """Return a text with its cues in English. One in plain English is returned at once: its language need not be looked for."""
    return text if text.isascii() and _ENGLISH.search(text) is not None else gloss(text)


def _words(text: str) -> list[str]:
    if text.isascii():  # its words are the same before and after
        return _WORD.findall(text.casefold())
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def activities_in(text: str) -> set[Activity]:
    """Return the activities that a text's words speak for."""
    words = _words(in_english(text))
    cues = _CUE_WORDS.intersection(words)
    if not _FIRST_OF_TWO.isdisjoint(words):
        pairs = (f"{word} {after}" for word, after in pairwise(words) if word in _FIRST_OF_TWO)
        cues = cues.union(pair for pair in pairs if pair in _BY_CUE)
    return set().union(*map(_BY_CUE.__getitem__, cues))
