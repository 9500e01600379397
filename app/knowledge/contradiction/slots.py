"""Reads the places of a sentence that hold one value at a time: amounts, names behind words such as `through`, and stances such as `enabled`.

Each is returned with the rest of its sentence, in which a placeholder stands for the value: two statements are about the same matter if
the rests say the same (`app.likeness`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.knowledge.contradiction.hedges import sets_amount, takes_several
from app.knowledge.contradiction.values import AMOUNT, amount, is_name, name
from app.likeness import language_of

PLACEHOLDER = "zqzqx"
"""A word of no language, and without an ending that a language could take off."""
SlotKind = Literal["amount", "name", "stance"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A value in one spelling, `group` of the stances that exclude it, and `matter`: the sentence with a placeholder in its place."""

    kind: SlotKind
    value: str
    written: str
    matter: str
    group: str = ""


_NUMBERED = re.compile(
    r"\b(?:rule|step|phase|section|chapter|ticket|issue|pr|mr|pull request|line|exit code|error|code|status|http|level|stage|tier|part|sprint|week|milestone|case|id|shard|"
    r"replica|worker|server|host|instance|zone|column|row|page|layer|option|variant|question|item|table|figure|rfc|adr|bug|build|release|commit|partition|slot|priority|version of|(?:on|at|is) version|version is|"
    r"supports?|supported|schritt|phase|abschnitt|kapitel|zeile|fehler|stufe|teil|étape|ligne|erreur|niveau|paso|línea|nivel|passo|linha|nível|第) ?$",
    re.IGNORECASE,
)
_IMPERATIVES = frozenset(
    "keep retry use set limit cap wait allow require run pin store retain batch split give make create start rotate poll refresh expire cache send try hold configure vacuum purge archive delete wake ping sample scale trim compress buffer flush ban lock log"  # noqa: SIM905
    " need have behalte halte warte setze nutze garder conserver attendre mantener esperar guardar manter aguardar".split()
)
_ARTICLES = frozenset("the a an our we der die das wir le la les nous el los las nosotros o os as nós".split())  # noqa: SIM905
_YEAR = re.compile(r"(?:19|20)\d\d")

_V = r"[\"“]?(?P<value>[\w@][\w@./+#-]*(?: [A-Z][\w+#]*){0,2})[\"”]?"
_ART = r"(?:the |our |an? |den |der |die |das |le |la |les |l'|el |los |las |o |os |as )?"
_MADE = (
    r"(?:format\w*|lint\w*|bundl\w*|builds?|built|packag\w*|deploy\w*|render\w*|sign(?:s|ed|ing)?(?! in| up)|(?:ge)?hash\w*|verschlüssel\w*|signier\w*|deliver\w*|encrypt\w*|compress\w*|authenticat\w*|generat\w*|manag\w*|install\w* (?:\w+ )?(?:dependencies|packages)|pin\w*|"
    r"orchestrat\w*|provision\w*|seriali[sz]\w*|encod\w*|pars\w*|schedul\w*|queue\w*|type-?check\w*|run|runs|written|implemented|formatier\w*|gebaut|baut|bauen|deployen|erzeug\w*|"
    r"formate\w*|construi\w*|déplo\w*|génér\w*|despleg\w*|constru\w*|gener\w*|implant\w*|compil\w*)"
)
_KEPT = (
    r"(?:stor\w+|keep|kept|keeps|cache[sd]?|persist(?:s|ed)?|save[sd]?|lives?|resides?|sits?|held|archive[sd]?|logged|put|gespeichert|speichern|speichert|abgelegt|liegen|liegt|"
    r"stock\w+|enregistr\w+|conserv\w+|guard\w+|almacen\w+|armazen\w+|salv\w+|ficam?)"
)
_NAMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:through|via|über|par|vía|a través de|através d[eoa]|passando por)\b ?{_ART}{_V}",
        rf"\b{_KEPT}\b[^.;,]{{0,60}}?\b(?:in|on|auf|dans|sur|en|em|no|na) {_ART}{_V}",
        rf"\b(?:in|auf|dans|en|em|no|na) {_ART}{_V} (?:gespeichert|abgelegt|gehalten|guardad\w+)",
        rf"\b{_MADE}\b[^.;,]{{0,60}}?\b(?:with|using|by|mit|avec|con|com) {_ART}{_V}",
        rf"\bmit {_V} {_MADE}\b",
        rf"\b(?:written|implemented|geschrieben|écrits?|écrites?|escrit\w+) (?:in|en|em) {_V}",
        rf"\buses? {_ART}{_V} (?:for|to|as)\b",
        rf"\bfor [^.;,]{{1,60}}?,? (?:we )?uses? {_ART}{_V}",
        rf"^{_ART}{_V} is used (?:for|to|as)\b",
        rf"\b(?:nutzen|verwenden|benutzen|nutzt|verwendet|nutze|verwende) (?:wir )?{_ART}{_V} (?:für|zum|zur|als)\b",
        rf"\b(?:für|zum|zur) [^.;,]{{1,60}}? (?:nutzen|verwenden|benutzen) wir {_ART}{_V}",
        rf"\b(?:utilis\w+|usar|usamos|usa|usam|use|utiliza\w*) {_ART}{_V} (?:pour|comme|para|como)\b",
        rf"\b(?:pour|para) [^.;,]{{1,60}}?,? (?:nous utilisons|on utilise|usamos|utilizamos) {_ART}{_V}",
        rf"\b(?:runs?|hosted|läuft|laufen|tourne|tournent|corre|corren|roda|rodam) (?:on|auf|sur|en|no|na|em) {_ART}{_V}",
        rf"\b(?:is|are|ist|est|es|é) {_ART}{_V}$",
        rf"\bdefaults?\b[^.;,]{{0,40}}?\b(?:is|to) {_ART}{_V}",
        rf"^{_ART}{_V} (?:stores|holds|signs|issues|terminates|hosts|speichert|stocke|guarda|almacena|armazena)\b",
        rf"(?:通过|经由|使用|采用|用|存储在|保存在|存放在|存在|放在|写入|运行在|部署在) ?{_V}",
        rf"(?:是|为) ?{_V}$",
    )
)
_SETTINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"[\w.-] ?[=:] ?(?P<value>[\w-]+)$",
        r"\bset (?:to )?(?P<value>true|false|on|off|yes|no|auto|none|never|always|debug|info|warning|warn|error|strict|lax)\b",
        r"\bset [^.;,]{1,60}? to (?P<value>[\w-]+)$",
        r"\b(?:is|are|stays?|defaults to|be) (?P<value>true|false|on|off|main|master|trunk|develop|strict|lax)$",
    )
)
_STANCES = """
enable/enables/enabled/activate/activates/activated/aktiviert/activé/activée/activado/activada/ativado/ativada/启用/开启 disable/disables/disabled/deactivate/deactivated/deaktiviert/désactivé/désactivée/desactivado/desactivada/desativado/desativada/禁用/关闭
allow/allows/allowed/permit/permits/permitted/erlaubt/autorisé/permitido/permitida/允许 deny/denies/denied/forbid/forbids/forbidden/prohibited/block/blocks/blocked/verboten/interdit/prohibido/prohibida/proibido/proibida/禁止
accept/accepts/accepted reject/rejects/rejected
include/includes/included exclude/excludes/excluded
required/mandatory/pflicht/obligatoire/obligatorio/obligatoria/obrigatório/obrigatória/必须 optional/freiwillig/facultatif/facultative/opcional/可选
synchronous/synchronously/sync/synchron/synchrone/同步 asynchronous/asynchronously/async/asynchron/asynchrone/异步
public/öffentlich/public/público/pública private/privat/privé/privado/privada
ascending/asc descending/desc
mutable immutable
strict lenient
eager/eagerly lazy/lazily
squash/squashed rebase/rebased
tabs spaces
hourly daily weekly monthly
open/opened/offen closed/geschlossen
encrypted/verschlüsselt unencrypted/unverschlüsselt
stateless stateful
blocking nonblocking/non-blocking
"""
_GROUPS = {
    form: (str(number), members.split("/", 1)[0])
    for number, line in enumerate(_STANCES.split("\n"))
    for members in line.split()
    for form in members.split("/")
}
_STANCE = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(
        sorted(
            map(re.escape, (form for form in _GROUPS if form.isascii() or (form[0].isalpha() and form[0] < "\u3400"))),
            key=len,
            reverse=True,
        )
    )
    + r")(?![\w-])"
    r"|" + "|".join(form for form in _GROUPS if form[0] >= "\u3400"),
    re.IGNORECASE,
)
_STATED = re.compile(
    r"\b(?:is|are|be|stays?|keep|kept|remains?|as|set to|runs?|ist|sind|bleibt|bleiben|est|sont|reste|es|son|está|están|é|são|fica|always|never|must|should|we|to|please|always be)"
    r"(?: always| never| all| immer| siempre| sempre| toujours)? $",
    re.IGNORECASE,
)
_ATTRIBUTES = re.compile(
    r"(?:ed|public|private|mutable|immutable|open|closed|strict|lenient|required|mandatory|optional|stateless|stateful|blocking)$",
    re.IGNORECASE,
)


def slots_in(sentence: str) -> Iterator[Slot]:
    """Yield the values of a sentence, each once."""
    seen: set[tuple[int, int]] = set()
    values = () if takes_several(sentence) else (*_amounts(sentence), *_named(sentence))
    for slot, span in (*values, *_stances(sentence)):
        if span not in seen:
            seen.add(span)
            yield slot


def _amounts(sentence: str) -> Iterator[tuple[Slot, tuple[int, int]]]:
    if not (sets_amount(sentence) or _is_imperative(sentence)):
        return
    dots_group = language_of(sentence) in {"de", "es", "pt"}
    for found in AMOUNT.finditer(sentence):
        before = sentence[: found.start()]
        if _NUMBERED.search(before) or _YEAR.fullmatch(found["digits"]) or _is_subject(before):
            continue
        yield _slot("amount", amount(found["digits"], found["unit"] or "", dots_group=dots_group), sentence, found.span()), found.span()


def _is_imperative(sentence: str) -> bool:
    first = sentence.split(maxsplit=1)[0].casefold()
    return first in _IMPERATIVES


def _is_subject(before: str) -> bool:
    """Tell whether a number stands in the name of what a sentence is about: `Port 8080 serves metrics`, `Python 3.11 has tomllib`."""
    words = [word for word in before.casefold().split() if word not in _ARTICLES]
    return not words or (len(words) == 1 and words[0].rstrip(":") not in _IMPERATIVES and not re.search(r"[=:\u3400-\u9fff]", before))


def _named(sentence: str) -> Iterator[tuple[Slot, tuple[int, int]]]:
    capitals = language_of(sentence) in {"en", "zh", ""}
    for pattern in _NAMES:
        for found in pattern.finditer(sentence):
            words, start = found["value"].rstrip("./"), found.start("value")
            first = words.split()[0]
            if AMOUNT.fullmatch(first) or not is_name(first, capitals=capitals and start > 0):
                continue
            if not first[0].isupper():  # the pattern ignores case: only a capitalised name goes on
                words = first
            span = (start, start + len(words))
            yield _slot("name", name(words), sentence, span), span
    for pattern in _SETTINGS:
        for found in pattern.finditer(sentence):
            if not found["value"][0].isdigit():  # an amount, with its unit
                yield _slot("name", name(found["value"]), sentence, found.span("value")), found.span("value")


def _stances(sentence: str) -> Iterator[tuple[Slot, tuple[int, int]]]:
    for found in _STANCE.finditer(sentence):
        before, form = sentence[: found.start()], found[0].casefold()
        is_stated = bool(_STATED.search(before)) or form[0] >= "\u3400"
        if is_stated or (not _ATTRIBUTES.search(form) and (before.strip() == "" or form.endswith(("s", "ly")))):
            group, value = _GROUPS[form]
            yield _slot("stance", value, sentence, found.span(), group), found.span()


def _slot(kind: SlotKind, value: str, sentence: str, span: tuple[int, int], group: str = "") -> Slot:
    start, end = span
    matter = f"{sentence[:start].rstrip()} {PLACEHOLDER} {sentence[end:].lstrip()}".strip()
    return Slot(kind, value, sentence[start:end], matter, group)
