"""Judges whether a later statement replaces an earlier one. Precision before recall: a wrong link ranks a valid rule behind another.

It does only where the later one says explicitly that a value is given up (`statements`), this value stands literally in a sentence of the
earlier one, and both sentences are about the same matter: in the same scope, with nothing important that only one of them names.
"""

from __future__ import annotations

from app.knowledge.supersession.statements import Change, ItemWords
from app.knowledge.supersession.words import content_words, has_value, is_agent, is_denied, is_doubted, narrows, scopes, shared

MIN_SHARED = 1.0
"""Share of the matter's words that the earlier sentence holds."""
MIN_SHARED_CJK = 0.5
"""The same for Chinese pairs of characters, a third of which straddle two words."""


def replaced_by(older: ItemWords, newer: ItemWords) -> str | None:
    """Return the sentence of `newer`, said later, that replaces what `older` says; None if none does."""
    return next((each.sentence for each in newer.changes if _is_replaced(older, each)), None)


def _is_replaced(older: ItemWords, change: Change) -> bool:
    old = change.old.casefold()
    if old in older.gives_up or change.refused or is_doubted(change.sentence):
        return False
    brought = {each.sentence: each for each in older.changes if each.new.casefold() == old}
    return any(_asserts(sentence, change, brought.get(sentence)) for sentence in older.sentences)


def _asserts(sentence: str, change: Change, brought: Change | None) -> bool:
    """Tell whether a sentence of the earlier statement asserts the value that is given up, of the same matter.

    `brought`: the change by which that sentence brought this value, if it did: then it also names what came before.
    """
    if not has_value(sentence, change.old) or (change.new and has_value(sentence, change.new)):
        return False
    if (brought is None and is_denied(sentence)) or is_doubted(sentence) or scopes(sentence) != scopes(change.sentence):
        return False
    if is_agent(sentence, change.old):
        return False
    values = {*content_words(change.old), *content_words(change.new), *content_words(brought.old if brought else "")}
    said = [word for word in content_words(sentence) if word not in values]
    if not change.matter:  # it says nothing of what it is about: only a sentence that doesn't either is of the same matter
        return not said
    least = MIN_SHARED_CJK if any("\u3400" <= word[0] <= "\u9fff" for word in change.matter) else MIN_SHARED
    return shared(change.matter, said) >= least and not narrows(sentence, known={*change.matter, *values})
