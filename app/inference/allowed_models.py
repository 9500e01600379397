"""Tells which models a key may ask for: a list of names and of patterns with `*`. Pure.

An entry is the name of a chain ("auto"), which may then be asked as it is; or a name of providers' models, in whatever spelling a request
may use ("claude-x", "anthropic", "anthropic/claude-x", "anthropic/*"): these may be asked, and stay in every chain. Case doesn't matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from app.errors import InvalidInput, NotPermitted
from app.inference.chain import ChainProvider
from app.redaction.labels import check_label

AllowedModels: TypeAlias = Sequence[str] | None
"""The entries of a key's list. None: it may ask for every model."""
MAX_ENTRIES: Final = 50
MAX_ENTRY_CHARS: Final = 200
_ENTRY = re.compile(r"[\w.:/@+*-]+", re.ASCII)


def spellings(candidate: ChainProvider) -> tuple[str, str, str]:
    """Return the names by which a request may ask for a provider's model."""
    return candidate.model, candidate.name, f"{candidate.name}/{candidate.model}"


def permits(allowed: Sequence[str], candidate: ChainProvider) -> bool:
    """Tell whether an entry of the list means this provider's model."""
    return matches_any(allowed, spellings(candidate))


def matches_any(allowed: Sequence[str], names: Collection[str]) -> bool:
    return any(fnmatchcase(name.lower(), entry.lower()) for entry in allowed for name in names)


def names_chain(allowed: Sequence[str], chain: str) -> bool:
    """Tell whether an entry of the list is this chain's name. No pattern means a chain: it would let in all of its providers."""
    return any(entry.lower() == chain.lower() for entry in allowed)


def not_allowed(model: str, allowed: Sequence[str]) -> NotPermitted:
    """Return the error of a key that asks for a model that isn't in its list."""
    return NotPermitted(
        f"This key may not use {model!r}, only: {', '.join(allowed)}. Name one of these as the model, or ask an admin to change the key"
        " (`cairn keys models`) or to make another.",
        code="model_not_allowed",
        param="model",
    )


def checked(given: Sequence[str], models: Collection[str], chains: Collection[str]) -> tuple[str, ...]:
    """Return a list of models as it is stored: each entry once. InvalidInput for an entry that means no model and no chain."""
    if not 1 <= len(given) <= MAX_ENTRIES:
        raise InvalidInput(f"models needs 1 to {MAX_ENTRIES} names or patterns, such as anthropic/*. Null: every model.", param="models")
    for entry in given:
        if len(entry) > MAX_ENTRY_CHARS or not _ENTRY.fullmatch(entry):
            raise InvalidInput(
                f"models has an entry that is no name: one is up to {MAX_ENTRY_CHARS} letters, digits or . _ - : / @ + with * for any.",
                param="models",
            )
        check_label(entry, param="models")
        if not matches_any([entry], models) and not any(names_chain([entry], each) for each in chains):
            raise InvalidInput(f"models: there is no model {entry!r} here. {_nearest(entry, {*models, *chains})}", param="models")
    return tuple(dict.fromkeys(given))


def _nearest(entry: str, known: Collection[str]) -> str:
    by_lower = {name.lower(): name for name in sorted(known)}
    near = get_close_matches(entry.replace("*", "").lower(), by_lower, n=1, cutoff=0.4)
    return f"Did you mean {by_lower[near[0]]}?" if near else f"There are: {', '.join(sorted(known))}."
