"""Reads explicit statements of change: what is given up, what comes in its place, and what both are about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from app.knowledge.supersession import moves
from app.knowledge.supersession.reversal import is_refused
from app.knowledge.supersession.words import content_words, sentences

_GIVES_UP = re.compile(
    r"\b(?:from|replac\w+|instead|rather|in place|not|drop\w*|ditch\w*|abandon\w*|swap\w*|exchang\w*|no longer|stop\w*"
    r"|von|ersetz\w*|abgelöst|statt|anstatt|anstelle|mehr|de|remplac\w*|lieu|place|plutôt|plus|reemplaz\w*|sustitu\w*|lugar|vez|ya no"
    rf"|do|da|substitu\w*|troc\w*|invés|mais|{moves.GIVE_UP})\b|[从把用被]|不再|から",
    re.IGNORECASE,
)
"""Words without which no pattern matches: most sentences need no closer look."""
MAX_VALUE_WORDS = 4
_ENDS = (
    "from|to|with|by|for|in|on|of|and|or|because|since|at|instead|rather|as|when|is|are|was|were|has|have|been|now|goes|go|replaced|"
    "von|auf|nach|durch|mit|für|statt|wird|werden|wurde|wurden|ist|sind|jetzt|par|pour|au|aux|vers|à|est|sont|a|ont|por|para|con|com|en|em|de|"
    f"fue|ha|foi|pelo|pela|pelos|pelas|no|na|nos|nas|dans|sur|im|zum|zur|um|{moves.ENDS}"
)
"""Words that no value goes on with: prepositions and auxiliaries."""
_V = rf"(?<![\w`\"“])[\w`\"“][^\s,;:()!?，。；、]{{0,60}}(?: (?!(?:{_ENDS})\b)[\w`\"“][^\s,;:()!?，。；、]{{0,60}}){{0,3}}"
"""A value: one to four words, from the beginning of the first. Words are bounded, since each place where one may begin is tried."""
_OLD, _NEW = rf"(?P<old>{_V})", rf"(?P<new>{_V})"
_MOVE = (
    r"(?:mov(?:e|ed|ing)|switch(?:ed|ing)?|migrat(?:e|ed|ing)|chang(?:e|ed|ing)|convert(?:ed)?|port(?:ed)?|rais(?:e|ed|ing)|increas(?:e|ed)|lower(?:ed)?"
    r"|reduc(?:e|ed)|decreas(?:e|ed)|bump(?:ed)?|upgrad(?:e|ed)|downgrad(?:e|ed)|renam(?:e|ed)|go|went|gone|shorten(?:ed)?|extend(?:ed)?)"
)
_USE = r"(?:use|uses|using|used|run|runs|running|deploy|publish|send|store|write|call|import|go through|goes through|rely on|relies on|depend on|support|need)"
_BY = r"(?:use|uses|using|used|run|runs|with|on|through|via|to|in|over|per|by|from|into|as|is|are|for|at|after|every|of)"
_NEAREST = rf"{_BY} (?:the |a |an )?(?P<new>(?!{_BY}\b)[^\s.;,]\S*(?: (?!{_BY}\b)[^\s;,]+){{0,3}}?)"
"""The value behind the last of these words."""
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # English
        rf"\b{_MOVE}\b(?P<gap>[^.;]*?)\bfrom (?:the |a |an )?{_OLD} to (?:the |a |an )?{_NEW}",
        rf"\b(?:switch|switched|moved?|migrated?|changed?)\b(?P<gap>[^.;]*?) to (?:the |a |an )?{_NEW} from (?:the |a |an )?{_OLD}",
        rf"\breplac(?:e|ed|ing) (?:the |a |an |our )?{_OLD} (?:with|by) (?:the |a |an )?{_NEW}",
        rf"(?:\b(?:the|our|a) )?{_OLD} (?:is|was|were|are|has been|have been|got|gets) (?:now )?replaced (?:by|with) (?:the |a |an )?{_NEW}",
        rf"{_NEW} (?:has |have )?replace[sd] (?!by |with )(?:the |a |an |our )?{_OLD}",
        rf"\b{_NEAREST},? (?:instead of|rather than|in place of) (?:per |through |via |over |with |to |in |on |for |at |after |every |of |by |from |as )?(?:the |a |an )?{_OLD}",
        rf"\b{_NEAREST} for (?P<gap>[^.;,]{{1,60}}?) (?:instead of|rather than|in place of) (?:the |a |an )?{_OLD}",
        r"\bgo(?:es)? from (?P<old>\d[\w.]*(?: \w+)?) to (?P<new>\d[\w.]*(?: \w+)?)",
        rf"\binstead of (?:the |a |an )?{_OLD},? (?P<gap>[^.;]*?)\b(?:use|uses|using|run|through|via|to|in|with|on) (?:the |a |an )?{_NEW}",
        rf"\b{_NEAREST}, not (?:per |through |via |over |with |to |in |on )?(?:the |a |an )?{_OLD}",
        rf"\b(?:drop|dropped|ditch|ditched|abandon|abandoned|swap|swapped|swap out|swapped out|exchanged?) (?:the |a |an |our )?{_OLD} (?:for|in favou?r of) (?:the |a |an )?{_NEW}",
        rf"{_OLD} (?:was|were|has been|have been) (?:dropped|abandoned|swapped|exchanged) (?:for|in favou?r of) (?:the |a |an )?{_NEW}",
        rf"\bno longer (?:\w+ (?:\w+ )??(?:through|via|to|in|on|with|from|into|by|as|over) |{_USE} )(?:the |a |an )?{_OLD}",
        rf"(?:\bthe |\bour )?{_OLD} (?:is|are|was) no longer (?:used|in use|needed|supported|allowed|our)\b",
        rf"\bstop(?:ped)? (?:using|running|publishing to|writing to|deploying to) (?:the |a |an )?{_OLD}",
        # German
        rf"\bvon {_OLD} (?:auf|nach|zu) {_NEW} (?:umgestellt|umgezogen|migriert|gewechselt|geändert|erhöht|gesenkt|verschoben|umstellen|wechseln|umziehen|migrieren|verlegt|umbenannt)",
        rf"\b(?:wechsl?eln?|wechsle|wechselten|migrieren?|stellen?|ziehen?|verschieb(?:en?|t)|verleg(?:en?|t))\b(?P<gap>[^.;]*?) von {_OLD} (?:auf|nach|zu) {_NEW}",
        rf"\b{_OLD} (?:wird |wurde |haben wir |ist )?(?:jetzt |nun )?durch {_NEW} (?:ersetzt|ersetzen|abgelöst)",
        rf"\bersetz(?:en|t|te|e) (?:wir )?(?:jetzt )?{_OLD} durch {_NEW}",
        rf"\b(?:nutzen|verwenden|nutzt|benutzen|nimm|nutze|verwende|über|mit|auf) (?:wir |jetzt |nun |ab sofort )*{_NEW}(?P<gap>[^.;]*?) (?:statt|anstatt|anstelle von) {_OLD}",
        rf"\b(?:statt|anstatt|anstelle von) {_OLD} (?:\w+ ){{0,4}}?(?:nutzen|verwenden|nehmen|über|mit) (?:wir )?(?:jetzt )?{_NEW}",
        rf"\bnicht mehr (?:über|mit|auf|in|nach|an|durch) {_OLD}",
        rf"\bkein(?:e|en)? {_OLD} mehr\b",
        # French
        rf"\b(?:pass|migr|bascul|déplac|chang|transfér|augment|rédui)\w*\b(?P<gap>[^.;]*?) de {_OLD} (?:à|vers|sur) {_NEW}",
        rf"\bremplac(?:er|é|ée|és|ées|ons|ez) {_OLD} par {_NEW}",
        rf"{_OLD} (?:est|a été|sont|ont été) (?:désormais )?remplacé(?:e|s|es)? par {_NEW}",
        rf"\b(?:utilis\w+|par|via|avec|sur|à|dans) {_NEW}(?P<gap>[^.;]*?) (?:au lieu de|à la place de|plutôt que) {_OLD}",
        rf"\b(?:n['’]|ne )(?:\w+ )?(?:utilis\w+|pass\w+) plus (?:par |via |avec )?{_OLD}",
        # Spanish
        rf"\b(?:mov|muev|migr|cambi|pas|sub|baj|traslad)\w*\b(?P<gap>[^.;]*?) de {_OLD} a {_NEW}",
        rf"\b(?:reemplaz|sustitu)\w+ {_OLD} (?:por|con) {_NEW}",
        rf"{_OLD} (?:fue|ha sido|es|se ha) (?:reemplazad[oa]|sustituid[oa]) por {_NEW}",
        rf"\b(?:us\w+|por|con|mediante|en) {_NEW}(?P<gap>[^.;]*?) (?:en lugar de|en vez de) {_OLD}",
        rf"\bya no (?:se )?(?:us\w+|pas\w+|public\w+|van|va) (?:por |con |en |a )?{_OLD}",
        # Portuguese
        rf"\b(?:mov|migr|mud|troc|pass|aument|reduz)\w*\b(?P<gap>[^.;]*?) de {_OLD} para {_NEW}",
        rf"\b(?:substitu|troc)\w+ (?:o |a )?{_OLD} (?:por|pelo|pela) (?:o |a )?{_NEW}",
        rf"{_OLD} foi (?:substituíd[oa]|trocad[oa]) (?:por|pelo|pela) {_NEW}",
        rf"\b(?:us\w+|por|com|via|em) (?:o |a )?{_NEW}(?P<gap>[^.;]*?) (?:em vez d[eo]|em vez da|ao invés d[eo]|no lugar d[eo]) {_OLD}",
        rf"\bnão (?:se )?(?:us\w+|pass\w+|public\w+) mais (?:o |a |por |via |com )?{_OLD}",
        *moves.patterns(_V),
    )
)
_LATIN = r"[A-Za-z0-9][A-Za-z0-9_.+#/-]{0,40}(?: [A-Z][A-Za-z0-9_.+#/-]{0,40}){0,3}"
"""A name in Latin letters within Chinese words."""
_CHINESE = tuple(
    re.compile(pattern)
    for pattern in (
        r"从\s*(?P<old>[^，。；,;到]{1,24}?)\s*(?:迁移到|迁到|迁移至|切换到|切换为|切到|改到|改为|改成|改用|换成|换到|移到|升级到|提高到|降到|调整为|增加到)\s*(?P<new>[^，。；,;了]{1,24})",
        r"把\s*(?P<matter>[^，。；]{0,20}?)\s*(?P<old>[A-Za-z0-9][A-Za-z0-9_.+#/ -]{0,30}?)\s*(?:换成|改成|改为|替换为|替换成)\s*(?P<new>[^，。；,;了]{1,24})",
        r"用\s*(?P<new>[^，。；,;]{1,24}?)\s*(?:代替|替换|取代|替代)了?\s*(?P<old>[^，。；,;]{1,24})",
        r"(?P<old>[A-Za-z0-9][A-Za-z0-9_.+#/ -]{0,30}?)\s*(?:已)?被\s*(?P<new>[^，。；,;]{1,24}?)\s*(?:代替|替换|取代|替代)",
        rf"不再(?:使用|用|通过|发到|写入|依赖)\s*(?P<old>{_LATIN})",
        moves.JAPANESE,
        rf"(?:改用|使用|用)\s*(?P<new>{_LATIN})[^，。；]{{0,20}}，?\s*(?:而不是|而不用|不用)\s*(?P<old>{_LATIN})",
    )
)
_EDGES = " `'\"“”’«»()[]."
_NO_VALUE_WORDS = """
    it this that there here them one scratch now then time place day days way me us you him her same other another each all both
    what which es das dies diese hier dort ça cela ceci eso esto isso isto aqui là
"""
_NO_VALUES = frozenset(_NO_VALUE_WORDS.split())


MAX_CHANGES = 16
"""Changes of a text that are read, the first: one that states more is a change log."""
MAX_MATTER_WORDS = 32
"""Words of a change's matter: a sentence with more says more than that."""


@dataclass(frozen=True, slots=True)
class Change:
    """A statement that a value is given up. `new` empty: nothing is named in its place. `matter`: the content words of what it is about.

    `refused`: it is denied, or was taken back.
    """

    old: str
    new: str
    matter: tuple[str, ...]
    sentence: str
    refused: bool


@dataclass(frozen=True, slots=True)
class ItemWords:
    """The words of an item, read once for any number of comparisons: its sentences, and the explicit changes in them, each old value once."""

    sentences: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def gives_up(self) -> tuple[str, ...]:
        """The values that are given up, casefolded."""
        return tuple(each.old.casefold() for each in self.changes)


def read(text: str) -> ItemWords:
    """Read what a text says: of its changes the first MAX_CHANGES, in order."""
    said = list(sentences(text))
    found: dict[str, Change] = {}
    for (sentence, reason), (following, _) in zip_longest(said, said[1:], fillvalue=("", "")):
        if not _GIVES_UP.search(sentence):
            continue
        for each in _changes(sentence, afterwards=f"{reason}. {following}"):
            found.setdefault(each.old.casefold(), each)
    return ItemWords(tuple(sentence for sentence, _ in said), tuple(found.values())[:MAX_CHANGES])


def _changes(sentence: str, *, afterwards: str) -> Iterator[Change]:
    for pattern in (*_PATTERNS, *_CHINESE):
        for match in pattern.finditer(sentence):
            named = match.groupdict()
            old, new = _value(named["old"]), _value(named.get("new") or "")
            if not old or old.casefold() == new.casefold() or old.casefold() in _NO_VALUES:
                continue
            values = {*content_words(old), *content_words(new)}
            about = named["object"] if "object" in named else _without(sentence, match)
            matter = tuple(word for word in content_words(about) if word not in values)
            if len(matter) <= MAX_MATTER_WORDS:
                within = " | ".join((sentence[: match.start()], named.get("gap") or named.get("object") or "", old, new))
                refused = is_refused(within, behind=sentence[match.end() :], afterwards=afterwards)
                yield Change(old, new, matter, sentence, refused)


def _without(sentence: str, match: re.Match[str]) -> str:
    """Return a sentence without the two values; where none is named in the old one's place, only up to the next comma, which begins it."""
    if not match.groupdict().get("new"):
        sentence = sentence[: match.end()] + re.split(r"[,，:–—]", sentence[match.end() :], maxsplit=1)[0]
    spans = sorted((match.span(name) for name in ("old", "new") if name in match.re.groupindex and match[name]), reverse=True)
    for start, end in spans:
        sentence = f"{sentence[:start]} {sentence[end:]}"
    return sentence


def _value(text: str) -> str:
    text = text.strip(_EDGES)
    return text if len(text.split()) <= MAX_VALUE_WORDS else ""
