"""Recognizes what a person settles in passing: through which service something goes, where it is stored, from what to what it moves.

Such an order is no errand: it holds until it is replaced. Knows names by their form and products by their list; other languages by their gloss.
"""

from __future__ import annotations

import re

from app.knowledge.extraction.gloss import gloss, is_foreign
from app.knowledge.subjects.products import PRODUCTS
from app.knowledge.supersession.statements import read

MAX_CHARS = 300
"""Characters of a statement that is read: a longer one tells a story."""
_LEAD = re.compile(
    r"(?:(?:please|also|and|so|ok(?:ay)?|yes|right|then|now|just|from now on|from here on|going forward|henceforth|in (?:the )?future|by the way|btw|"
    r"remember|note|decision|decided|agreed|let['’]?s|let us|we(?:['’]ll| will| want to| have to| need to| decided to| agreed to)?(?: now| always)?)[,:]? +)*",
    re.IGNORECASE,
)
_ONE_PRODUCT = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+|[A-Z][a-z]+[A-Za-z0-9]*(?: [A-Z][A-Za-z0-9]+){0,2}|`[A-Za-z][\w-]{1,40}`"
_ENDS = r"(?=[.,;!]|$| (?:instead|not|rather|because|since|so|from now on|from|and|now|please|as|when|for|in|on|at|here|everywhere|only|by default|with)\b)"
_VERB = (
    r"(?:publish|send|route|emit|stream|produce|deliver|dispatch|forward|relay|store|keep|save|persist|cache|archive|queue|enqueue|host|"
    r"authenticate|authorize|encrypt|index|schedule|render|monitor|trace|log|back up|deploy|serve|expose|ingest|replicate|mirror|process|cut over|"
    r"switch|migrate|move)"
)
_OTHER_WORD = r"(?:it|this|that|these|those|them|me|us|him|her|my|your|a copy)\b"
_FLOWS = re.compile(
    rf"{_VERB} (?!{_OTHER_WORD})[^.;:?!]{{3,80}}? (?:through|via) (?!the |a |an |my |your )(?:\S+ )?(?P<name>[\w`][\w`-]+){_ENDS}",
    re.IGNORECASE,
)
"""Behind `through` and `via` a word without an article is a name, whatever its form."""
_STANDS = re.compile(
    rf"(?i:{_VERB}) (?!{_OTHER_WORD})[^.;:?!]{{3,80}}? (?:with|using|over|by|in|into|on|onto|to) (?P<name>{_ONE_PRODUCT}|[a-z][a-z0-9]+){_ENDS}"
)
_STORED = re.compile(
    rf"(?i:store|keep|save|persist|cache|archive|host|index) (?!{_OTHER_WORD})[^.;:?!]{{3,60}}? (?:in|on|with|using) (?P<name>[a-z][a-z0-9]{{3,}})(?=[.,;!]|$| (?:not|instead|from now on)\b)"
)
"""A word without an article, at the end, is where something is stored."""
_NAME = re.compile(rf"(?<![\w./@`-])(?:{_ONE_PRODUCT}|[A-Za-z][A-Za-z0-9]+)(?![\w/@-]|\.\w)", re.ASCII)
_FORMED = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+|`[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*`", re.ASCII)
_SETTLES = re.compile(r"\b(?:send|deploy|store|move|use|we decided|instead of|no longer)\b")
_PLAIN_WORDS = """
    left right top bottom up down hand read write only first last second third side end start header footer front back to in out on off line row
    column page old new real time day week month year pre post non half full long short high low big small one two three memory disk place mind sync git
    order parallel batch batches production staging english general detail summary utils helpers client server frontend backend src lib app main
    master draft public private open closed true false red green blue black white name title text html here there code view tests test json yaml
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
"""Words, and parts of hyphenated ones, that name no service: `top-left`, `read-only`, `real-time`."""
_WORKPIECE = re.compile(
    r"\b(?:buttons?|functions?|class(?:es)?|methods?|files?|folders?|tests?|logic|code|modules?|components?|helpers?|fields?|columns?|imports?|constants?|types?|"
    r"variables?|sections?|paragraphs?|pages?|lines?|blocks?|labels?|icons?|colou?rs?|margins?|links?|menus?|dialogs?|names?|titles?|texts?|values?)\b",
    re.IGNORECASE,
)
"""Objects of an errand: a place in the code or on a page, not data that a service holds or carries."""


def choice_of(text: str) -> str:
    """Return a statement that settles which service or tool something is done with, without its opening; "" if it is none."""
    if len(text) > MAX_CHARS or text.rstrip().endswith(("?", "？", ":", "：")):
        return ""
    said = text if is_foreign(text) else _LEAD.sub("", text, count=1)
    return said if _names_change(said) or (_is_foreign_choice(said) if is_foreign(said) else _is_choice(said)) else ""


def _names_change(text: str) -> bool:
    """Tell whether a text gives up one named service or tool for another one: `from nats-jetstream to redpanda`."""
    changes = [each for each in read(text).changes if each.new and not each.refused and _is_name(each.old) and _is_name(each.new)]
    return any(
        _is_named(each.old) or _is_named(each.new) or bool(each.matter and _moves_data(text, each.old, each.new)) for each in changes
    )


def _moves_data(text: str, old: str, new: str) -> bool:
    """Tell whether two plain words may be services because of what moves between them: data, no piece of code."""
    return old.islower() and new.islower() and _PLAIN.isdisjoint((old, new)) and not _WORKPIECE.search(text)


def _is_choice(text: str) -> bool:
    if (flows := _FLOWS.match(text)) is not None:
        return flows["name"].casefold() not in _PLAIN
    if (stored := _STORED.match(text)) is not None and stored["name"] not in _PLAIN and not _WORKPIECE.search(text):
        return True
    stands = _STANDS.match(text)
    return stands is not None and _is_named(stands["name"])


def _is_foreign_choice(text: str) -> bool:
    return bool(_SETTLES.search(gloss(text))) and any(_is_named(found[0], alone=False) for found in _NAME.finditer(text))


def _is_name(value: str) -> bool:
    return bool(_NAME.fullmatch(value)) and not value.isdigit()


def _is_named(name: str, *, alone: bool = True) -> bool:
    """Tell whether a word is a service's or a tool's name, by its form or as a known product. `alone`: also by its capital."""
    if name.casefold().strip("`") in PRODUCTS:
        return True
    if alone and name[0].isupper() and " " not in name:
        return True
    return bool(_FORMED.fullmatch(name)) and not _PLAIN.issuperset(name.split("-"))
