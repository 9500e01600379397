"""Finds the cues of intents in a text, those of all languages in one pass. The table is cues.toml; pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ahocorasick

CUES = Path(__file__).with_name("cues.toml")
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""A character of a script in which a word isn't set off by spaces, or carries its endings."""


@dataclass(frozen=True, slots=True)
class _CueForm:
    """A form of a cue. `bound_left`, `bound_right`: a word must begin or end there."""

    cue: str
    text: str
    bound_left: bool
    bound_right: bool


@cache
def cue_names() -> tuple[str, ...]:
    """Return the names of the cues, in the order of the table."""
    return tuple(tomllib.loads(CUES.read_text("utf-8")))


def cues_in(text: str) -> dict[str, str]:
    """Return the cues that a text has, each with the longest of its forms that occurs."""
    folded = text.casefold()
    found: dict[str, str] = {}
    for end, forms in _automaton().iter(folded):
        for form in forms:
            if len(form.text) > len(found.get(form.cue, "")) and _stands(folded, end, form):
                found[form.cue] = form.text
    return found


def _stands(text: str, end: int, form: _CueForm) -> bool:
    before, after = end - len(form.text), end + 1
    if form.bound_left and before >= 0 and _is_word(text[before]):
        return False
    return not (form.bound_right and after < len(text) and _is_word(text[after]))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@cache
def _automaton() -> ahocorasick.Automaton:
    forms: dict[str, list[_CueForm]] = {}
    for cue, table in tomllib.loads(CUES.read_text("utf-8")).items():
        for written in dict.fromkeys(table.casefold().split("|")):
            text = written.strip("*")
            spaced = UNSPACED.search(text) is None
            forms.setdefault(text, []).append(
                _CueForm(cue, text, bound_left=spaced and written[0] != "*", bound_right=spaced and written[-1] != "*")
            )
    made = ahocorasick.Automaton()
    for text, own in forms.items():
        made.add_word(text, tuple(own))
    made.make_automaton()
    return made
