"""Recognizes what a person settles in passing: through which service something goes, where it is stored, from what to what it moves.

Such an order is no errand: it holds until it is replaced. Knows names by their form and products by their list; other languages by their gloss.
"""

from __future__ import annotations

import re

from app.knowledge.item import SubjectKind
from app.knowledge.subjects.products import PRODUCTS
from app.knowledge.supersession.statements import Change, read
from app.likeness.gloss import gloss, is_foreign

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
    rf"{_VERB} (?!{_OTHER_WORD})(?P<object>[^.;:?!]{{3,80}}?) (?:through|via) (?!the |a |an |my |your )(?:\S+ )?(?P<name>[\w`][\w`-]+){_ENDS}",
    re.IGNORECASE,
)
"""Behind `through` and `via` a word without an article is a name, whatever its form."""
_STANDS = re.compile(
    rf"(?i:{_VERB}) (?!{_OTHER_WORD})(?P<object>[^.;:?!]{{3,80}}?) (?:with|using|over|by|in|into|on|onto|to) (?P<name>{_ONE_PRODUCT}|[a-z][a-z0-9]+){_ENDS}"
)
_STORED = re.compile(
    rf"(?i:store|keep|save|persist|cache|archive|host|index) (?!{_OTHER_WORD})(?P<object>[^.;:?!]{{3,60}}?) (?:in|on|with|using) (?P<name>[a-z][a-z0-9]{{3,}})(?=[.,;!]|$| (?:not|instead|from now on)\b)"
)
"""A word without an article, at the end, is where something is stored."""
_NAME = re.compile(rf"(?<![\w./@`-])(?:{_ONE_PRODUCT}|[A-Za-z][A-Za-z0-9]+)(?![\w/@-]|\.\w)", re.ASCII)
_COMPOUND = re.compile(r"[a-z][a-z0-9]+(?:-[a-z0-9]+)+", re.ASCII)
_PLAIN_WORDS = """
    left right top bottom up down hand read write only first last second third side end start front header footer back to in out on off line row
    column page old new real time day week month year pre post non half full long short high low big small one two three memory disk place mind sync git
    order parallel batch batches production staging english general detail summary utils helpers client server frontend backend src lib app main
    master draft public private open closed true false red green blue black white name title text html here there code view tests test json yaml
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december
    dark light settings documents downloads config german french spanish utf iso ascii kebab snake camel case lower upper pop drop tool tip bar nav tab
    sign check set log mode
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
"""Words, and parts of hyphenated ones, that name no service: `top-left`, `read-only`, `real-time`, `Friday`."""
_PREFIX_WORDS = "auto anti ex inter mini multi over pseudo re self semi sotto sous sub sur ultra under vice"
_PREFIXES = frozenset(_PREFIX_WORDS.split())
"""First parts of hyphenated words that name no service: `sub-folder`, `sous-menu`."""
_PRONOUN_WORDS = "moi toi le la les lui leur nous vous en me te se lhe lhes os as nos vos lo los las ne mi ti ci vi"
_PRONOUNS = frozenset(_PRONOUN_WORDS.split())
"""Last parts of verbs with a pronoun: `envoie-le`, `guarde-os`."""
_WORKPIECE = re.compile(
    r"\b(?:buttons?|functions?|class(?:es)?|methods?|files?|folders?|tests?|logic|code|modules?|components?|helpers?|fields?|columns?|imports?|constants?|types?|"
    r"variables?|sections?|paragraphs?|pages?|lines?|blocks?|labels?|icons?|colou?rs?|margins?|links?|menus?|dialogs?|names?|titles?|texts?|values?)\b",
    re.IGNORECASE,
)
"""Objects of an errand: a place in the code or on a page, not data that a service holds or carries."""
_ONE = re.compile(r"\b(?:the|this|that|an?|my|your|our)\b", re.IGNORECASE)
_MANY = re.compile(
    r"\b\w{2,}(?<![suai])s\b|\b(?:all|each|every|data|traffic|mail|telemetry|trail|history|media|content|output|search|storage)\b",
    re.IGNORECASE,
)
"""Objects that are more than one thing: an order about one invoice is an errand, one about invoices is how it is done."""
_DONE_WITH = r"send|deploy|store|move|use"
_DECIDES = re.compile(r"\b(?:we decided|instead of|no longer)\b")
_ORDERS = re.compile(rf"^\W*(?:\S+\s+){{0,2}}(?:{_DONE_WITH})\b|\b(?:{_DONE_WITH})(?:\s+\S+){{0,2}}\W*$")
"""A verb among the first or the last three words, as orders have it in most languages."""
_SUBJECTS = re.compile(
    r"\W*(?:der|die|das|diese[rs]?|eine?|beim?|nach|wenn|als|le|les|une?|ce|cette|quand|lorsque|si|el|los|una|este|esta|cuando|il|gli|questo|quando|os?|uma?|"
    r"het|een|deze|wanneer|den|det|ett|när|når|gdy|kiedy|jeśli|když|pokud|когда|если|при|после|коли|якщо|після)\b",
    re.IGNORECASE,
)
"""Words with which a statement about something begins, or a condition: neither is an order."""
_ARTICLE = re.compile(
    r"\b(?:der|die|das|den|dem|eine?|einen|einem|im|le|la|les|une?|el|los|las|una|il|lo|gli|het|een|ett|det|um|uma)\s+$", re.IGNORECASE
)
"""Articles that stand before a common word; those that are prepositions in another language are left out."""
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_DONE_UNSPACED = re.compile(
    rf"\b(?:{_DONE_WITH})\b(?![^，。、;]{{0,30}}(?:时|失败|报错|出错|問題|问题))(?!\s*(?:に失敗|すると|したら|しても|する(?:時|とき|際)|中に|時に|でき|され|하면|하다가|할 때|하는데|에 실패|되지|이 안))"
)
"""A verb of a Chinese, Japanese or Korean text that neither fails nor is a condition."""


def choice_of(text: str) -> str:
    """Return a statement that settles which service or tool something is done with, without its opening; "" if it is none."""
    if len(text) > MAX_CHARS or text.rstrip().endswith(("?", "？", ":", "：")):
        return ""
    if is_foreign(text):
        return text if _names_foreign_change(text) or _is_foreign_choice(text) else ""
    said = _LEAD.sub("", text, count=1)
    return said if _names_change(said) or _is_choice(said) else ""


def _names_foreign_change(text: str) -> bool:
    """Tell whether a text gives up one service for another one. A capital tells nothing: in German every noun has one."""
    return any(_is_named(each.old) or _is_named(each.new) for each in _changes(text))


def _names_change(text: str) -> bool:
    """Tell whether a text gives up one named service or tool for another one: `from nats-jetstream to redpanda`."""
    return any(_is_change_of_service(text, each) for each in _changes(text))


def _is_change_of_service(text: str, change: Change) -> bool:
    values = (change.old, change.new)
    if any(map(_kind_of, values)):
        return True
    if not _PLAIN.isdisjoint(map(str.casefold, values)):
        return False
    named = any(_is_choice_of(value, text) for value in values if _looks_like_name(value))
    return named or bool(change.matter and all(map(str.islower, values)) and not _is_errand(text))


def _changes(text: str) -> list[Change]:
    """Return the changes from one word that may be a name to another one, as far as they aren't taken back."""
    return [each for each in read(text).changes if each.new and not each.refused and _is_name(each.old) and _is_name(each.new)]


def _is_choice(text: str) -> bool:
    if (flows := _FLOWS.match(text)) is not None:
        return flows["name"].casefold() not in _PLAIN and _is_choice_of(flows["name"], flows["object"])
    if (stored := _STORED.match(text)) is not None and stored["name"] not in _PLAIN and not _is_errand(stored["object"]):
        return True
    stands = _STANDS.match(text)
    return stands is not None and _looks_like_name(stands["name"]) and _is_choice_of(stands["name"], stands["object"])


def _is_choice_of(name: str, done_to: str) -> bool:
    """Tell whether something is done with a service rather than an errand: a known one may do anything, a mere word or a tool no errand."""
    if _kind_of(name) == "service":
        return True
    if _is_compound(name):
        return not (_WORKPIECE.search(done_to) and _ONE.search(done_to))
    return not _is_errand(done_to)


def _is_errand(done_to: str) -> bool:
    """Tell whether an object is a piece of code or of a page, or one thing alone: `the invoice`."""
    is_one = _ONE.search(done_to) is not None and _MANY.search(done_to) is None
    return is_one or "`" in done_to or _WORKPIECE.search(done_to) is not None


def _is_foreign_choice(text: str) -> bool:
    read_as = gloss(text)
    decides = _DECIDES.search(read_as) is not None
    if not (decides or (_DONE_UNSPACED.search(read_as) if _UNSPACED.search(text) else _orders(text, read_as))):
        return False
    names = [found[0] for found in _NAME.finditer(text) if not _ARTICLE.search(text[: found.start()])]
    is_broad = decides or re.search(r"\b(?:use|deploy)\b", read_as) is not None
    return any(_is_named(name) and (is_broad or _kind_of(name) != "tool") for name in names)


def _orders(text: str, read_as: str) -> bool:
    return _ORDERS.search(read_as) is not None and _SUBJECTS.match(text) is None


def _is_name(value: str) -> bool:
    return bool(_NAME.fullmatch(value)) and not value.isdigit()


def _looks_like_name(name: str) -> bool:
    """Tell whether an English word is written as a name: a product, a compound, with a capital, or in backticks but for `mock_run`."""
    plain = name.strip("`")
    if _is_named(name) or plain.casefold() in _PLAIN:
        return _is_named(name)
    return plain.islower() and plain.isalnum() if name[0] == "`" else name[0].isupper() and " " not in name


def _is_named(name: str) -> bool:
    """Tell whether a word is a service's or a tool's name by itself: a known product, or a compound of words that aren't plain."""
    return _kind_of(name) is not None or _is_compound(name)


def _kind_of(name: str) -> SubjectKind | None:
    return PRODUCTS.get(name.casefold().strip("`"))


def _is_compound(name: str) -> bool:
    """Tell whether a name is of parts like `nats-jetstream`: no `top-left`, `utf-8`, `e-mail`, `sub-folder`, `file-file`, `envoie-le`."""
    plain = name.strip("`")
    if _COMPOUND.fullmatch(plain) is None:
        return False
    first, *others = parts = [each for each in plain.split("-") if not each.isdigit()]
    if not others:  # `redis-7`
        return first in PRODUCTS
    return not (_PLAIN.issuperset(parts) or first in _PREFIXES or others[-1] in _PRONOUNS or len(others[-1]) == 1 or first in others)
