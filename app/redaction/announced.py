"""Finds passwords announced in prose: `the password for the database is …`, `set it to …`, `use … as the password`, `from … to …`.

In many languages (`languages.py`, `announced_words.py`), with what may stand between keyword and value: an owner, a sign, a verb, a
line break. Assignments (`password=…`) belong to `assignments.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.announced_words import ARTICLES, FILLERS, LINKING, VERBS
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule
from app.redaction.languages import (
    AMBIGUOUS_PASSWORDS,
    INFLECTED_PASSWORDS,
    PASSWORDS,
    QUALIFIERS,
    SHORT_PASSWORDS,
    USERS,
    anchors,
    pattern,
)

_COLON, _EQUALS = "\uff1a", "\uff1d"
_GAP = r"[ \t\u3000\u00a0]{0,20}+"
_BREAK = r"(?:(?:\r?\n|\\n)[ \t>]{0,20}+){1,2}(?:[-*+•][ ])?(?:```\w{0,10}(?:\r?\n|\\n)[ \t]{0,20})?"
_CLOSING = r"(?:(?!['’]s\b)[*_`\"'”’»」』）)\]]|“(?![!-~])){0,4}+"
_SIGN = rf"(?:=>|->|[:={_COLON}{_EQUALS}→⇒➜]|[—–-](?=[ ]))"
_WORD = re.compile(
    rf"(?:(?P<long>{pattern(PASSWORDS)}|(?:{pattern(INFLECTED_PASSWORDS)})[a-zà-ɏ]{{0,6}})|(?P<short>{pattern(SHORT_PASSWORDS)}))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_TOKEN = r"[^\s:=,;!?(){}\[\]<>|" + _COLON + _EQUALS + r"]{1,60}+"
_PREPOSITION = (
    r"(?:(?:for|of|to|on|in|at|from|that|which|you|we|i|used|needed|für|fuer|zu|zum|zur|von|vom|des|der|auf|im|bei|beim|am|de|du|pour|à|au"
    r"|aux|sur|del|para|en|a|al|do|da|dos|das|no|na|em|di|della|dello|dei|per|su|sul|alla|dla|od|w|z|k|ke|pro|för|till|på|i|til|for|voor|van"
    r"|op|bij|naar|için|от|для|к|на|у|в|do|pre)[ ]|(?:d|dell|all|sull|nell)['’])"
)
_VERBS, _FILLERS = pattern(VERBS), pattern(FILLERS)
_QUALIFIER = rf"(?:[ ](?:{pattern(QUALIFIERS)})(?![A-Za-z0-9_-])){{0,2}}+"
_ANSWER = (
    r"\?[`\"'”»)*]{0,3}(?:[ \t]|\r?\n|\\n){1,4}(?:[-*>][ ])?[*_]{0,2}(?:A|R|Answer|Antwort|Réponse|Reponse|Respuesta|Resposta|Risposta|Odpowiedź|Svar|Antwoord)"
    r"[*_]{0,2}[ ]?[:.)](?=[ *_\n])"
)
"""A question and its answer: `What is the password? A: …`."""
_ASKED = r"\?[`\"'”»)*]{0,3}(?=[ \t]{0,20}(?:\r?\n|\\n))"
"""A question answered by the whole next line."""
_ASIAN_IS = (
    r"(?:(?:已|被|就|会|應該|应该)?(?:(?:设置|设定|设|改|修改|更改|重置|更新|变更|設置|設定|設|重設|變更)(?:成了|成|为了|为|為|是|了)|是|为|為)"
    r"|を|が|は|는|은|가|를|을)"
)
_OPEN = r"[*_]{0,2}(?P<open>\\{0,3}[`\"'“”„「『‘]|«[ \u00a0]?)?[*_]{0,2}"
_VALUE = r"[!#-&(-;=?-\[\]-_a-{}-~]"  # printable ASCII without quotes, `<`, `>`, `\` and `|`
_OF = rf"(?P<of>(?:[(（][^()（）\n]{{1,40}}[)）][ ]{{0,2}})??(?:{_PREPOSITION}(?:{_TOKEN}[ ]){{0,7}}?(?:{_TOKEN}[ ]?(?=[:={_COLON}]))?)??)"
# Skip plain words of prose, which are no value: the password may still follow.
_LIKELY = r"(?=\S{0,60}?(?:[0-9]|[!@#$%^&*+=?~][!-~]|[a-z][A-Z]|[^aeiouyAEIOUY\s]{5}|[a-z]-[a-z]))"
_LINK = re.compile(
    rf"""
    {_CLOSING}{_QUALIFIER}{_GAP}(?P<aside>,[ ][^,.:;?!\n]{{1,40}},[ ])?{_OF}
    (?P<join>{_ANSWER} | {_ASKED} | {_SIGN}[*_]{{0,2}} | (?:{_VERBS})(?=[ \u00a0\n:{_COLON}*])(?:[ ](?:{_FILLERS})(?=[ \u00a0\n:{_COLON}])){{0,4}}[ ]?[:{_COLON}]?
      | (?<=[ ])olarak(?=[ ]) | {_ASIAN_IS}[:{_COLON}]?)
    {_GAP}(?P<break>{_BREAK})?{_OPEN}{_LIKELY}(?P<secret>{_VALUE}{{5,200}}+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SET_TO = re.compile(
    rf"{_CLOSING}{_GAP}{_OF}(?<=[ ])(?P<join>to|auf|à|en|a|para|na|till|naar|in)(?P<break>)[ ]{{1,4}}{_OPEN}{_LIKELY}(?P<secret>{_VALUE}{{5,200}}+)",
    re.IGNORECASE,
)
_LABELLED = re.compile(rf"{_CLOSING}[ ]{{0,2}}[:={_COLON}][ ]{{0,2}}(?P<open>[`\"'“])?(?P<secret>[A-Za-z]{{4,40}}+)(?![\w.(\[:=-])")
_BARE = re.compile(rf"{_CLOSING}(?:[ \t\u3000\u00a0]{{1,20}}+(?P<paren>\(?)|(?=[“「『«])){_OPEN}(?P<secret>{_VALUE}{{5,200}}+)")
_FROM = re.compile(
    rf"(?:[ ]{_TOKEN}){{0,8}}?[ ](?:from|von|vom|de|di|da|dal|z|ze|från|van|od|с)[ ]{_OPEN}(?P<old>{_VALUE}{{4,200}}+)[`\"'”»]?"
    rf"[ ](?:to|into|auf|zu|à|a|en|in|para|na|naar|till|på|на|->|→)[ ][`\"'“«]?(?P<new>{_VALUE}{{4,200}}+)",
    re.IGNORECASE,
)
_CYRILLIC = re.compile(rf"[ ](?:для|от|к|на|у|в)[ ](?:[а-яё][а-яё-]{{1,30}}[ ]){{1,3}}{_OPEN}(?P<secret>{_VALUE}{{5,200}}+)", re.IGNORECASE)
"""`пароль для сервера …`: in Cyrillic text a value in Latin letters stands out without a sign."""
_KATAKANA = re.compile(r"[\u30a1-\u30fc]")
_PART_OF_A_NAME = re.compile(r"[A-Za-z0-9_.$/-]")
_PART_OF_CODE = re.compile(r"[_.$/]")
_CODE = re.compile(r"pass(?:word|phrase|code|wd)?\b|pwd\b", re.IGNORECASE)
_IN_CODE = re.compile(r"[,:;(){}\[\]]")
_WORD_AND_NUMBER = re.compile(r"[A-Za-z]+[0-9]{1,4}\Z")
_ENDS_THERE = re.compile(r"[`\"'”»*_]{0,3}(?:[.,;!?)](?!\w)|[ \t]*(?:\r?\n|\\n|\Z)|[ ](?:and|but|so|now|und|et|y|e|i)\b)")
_FULL_STOP = ".,:;*_)]}"
_CLOSES = {"`": "`", '"': '"', "'": "'", "“": "”", "”": "”", "„": "“”", "「": "」", "『": "』", "‘": "’"}
_LINE_ENDS = re.compile(r"[.*_`\"'”»]{0,3}[ \t]{0,20}(?:\r?\n|\\n|\Z)")
# A description, or a key of its own, instead of a value: `AES-256 encrypted`, `8-20 characters`, `node2: …`.
_NO_VALUE_BEFORE = re.compile(
    r"[`\"']?(?:[ ]?[:=(\[](?!\S*[)\]])|[- ](?:encrypted|hashed|encoded|based|protected|characters|chars|digits|bits?|bytes|or|hash|hashes|digest"
    r"|hashing|algorithm|format|field|verschlüsselt|gehasht|zeichen|caractères|caracteres|caratteri|znaków)\b)",
    re.IGNORECASE,
)
_SETTING = re.compile(
    r"(?:set|sets|setting|change|changed|changes|changing|reset|resets|update|updated|rotate|rotated|switch|make|put|setze|setz|ändere|mets|mettre"
    r"|change[rz]?|cambia|cambiar|pon|poner|altera|alterar|mude|mudar|imposta|cambiare|zmień|ustaw|změň|nastav|ändra|sätt|wijzig|zet)\Z",
    re.IGNORECASE,
)
_OF_DATA = re.compile(r"objeto|mapa|diccionario|json|tabla|cach[eé]|registro|fila|columna", re.IGNORECASE)
"""In Spanish `clave` also means a key of data."""
_TURKISH = re.compile(r"[şs][iİ]fre|parola[a-zà-ɏ]", re.IGNORECASE)
_MAX_BEFORE = 120
_MAX_WORDS_BEFORE = 6
_AFTER_WORD = re.compile(
    r"(?:[)\]*_`\"'’”]{0,3}(?:[.,;:!?]|\s*\Z|\s*\n|[ ](?:for|of|to|on|in|at|and|but|so|when|if|now|please|für|fuer|zu|zum|von|vom|und|pour|de|du|del"
    r"|et|para|y|do|da|e|di|per|dla|k|pro|a|i|för|till|och|voor|van|en)\b|[ ]?[(—–-]))"
)
_ASIAN_BEFORE = re.compile(
    rf"(?P<secret>{_VALUE}{{6,80}}+)[`\"'”」』]?[ ]?(?:を|作为|作為|当作|當作|当|當|设为|設為|是|就是)(?:新的?)?[ ]?\Z"
)
_USER_BEFORE = re.compile(
    rf"(?:\b|(?<=[^\x00-\x7f]))(?:{pattern((*USERS, 'user id', 'userid', 'uid', 'id', 'as'))})[\"'`*]{{0,3}}(?P<sign>[ ]?[:={_COLON}])?[ ]{{0,2}}[\"'`]?(?P<user>[A-Za-z0-9_][\w.@+\\-]{{0,60}}+)"
    rf"[\"'`*]{{0,3}}[ ]{{0,2}}(?:[,;/|&、，]|and|with|und|mit|et|avec|y|con|e|com|i|och|en|met|和|\n)?[ ]{{0,4}}(?:the[ ]|das[ ]|[*_-]{{1,2}}[ ]?)?\Z",
    re.IGNORECASE,
)
_IN_BRACES = re.compile(r"[{(<\[][^{}()<>\[\]]*\Z")


def _find(text: str, at: int) -> Iterator[Finding]:
    if not (word := _WORD.match(text, at)):
        return
    if word["long"] is None and (word[0] == "PASS" or _within_a_word(text, at)):  # `PASS: …` is a test result
        return
    yield from _before(text, at, word)
    yield from _after(text, at, word)


def _within_a_word(text: str, at: int) -> bool:
    if text[at] > "\u2fff":  # `バイパスは …` is a bypass
        return at > 0 and _KATAKANA.match(text, at - 1) is not None
    return at > 0 and text[at - 1].isalnum()


def _after(text: str, at: int, word: re.Match[str]) -> Iterator[Finding]:
    """Find a value after the keyword, joined to it by a sign, a verb, `to` or nothing."""
    within = at > 0 and _PART_OF_A_NAME.match(text, at - 1) is not None and text[at - 2 : at] != "**"
    link = _LINK.match(text, word.end())
    if within and not _compound(text, at, word, link):
        return
    if link is not None and _of_code(text, word, link):
        return
    for found in (link, _set_to(text, at, word)):
        if found is not None and _accepted(text, word, found, value := _value(text, word, found)):
            yield Finding("password", found.start("secret"), found.start("secret") + len(value))
            return
    if link is None and not within:
        yield from _next_to_keyword(text, at, word)
        yield from _in_cyrillic(text, word)
    yield from _from_to(text, word)
    yield from _beside_its_user(text, at, word)


def _compound(text: str, at: int, word: re.Match[str], link: re.Match[str] | None) -> bool:
    """Tell whether a compound is prose: `Datenbankpasswort: …`, `the db-password is …`; `db_password` and, with a sign, `dbpassword` are code."""
    if link is None or _PART_OF_CODE.match(text, at - 1):
        return False
    return not _CODE.match(word[0]) or bool(link["of"]) or link["join"].strip()[:1] not in {":", "=", "-"}


def _of_code(text: str, word: re.Match[str], link: re.Match[str]) -> bool:
    """Tell whether this is an assignment in code: no space after the sign, or a value that looks like code."""
    if link["of"] or link["break"] or link["join"].strip() not in {":", "="} or not _CODE.match(word[0]):
        return False
    plain = (link["open"] or "")[-1:] in "\"'`"
    return plain and (text[link.start("secret") - 1] != " " or _IN_CODE.search(link["secret"]) is not None)


def _accepted(text: str, word: re.Match[str], link: re.Match[str], value: str) -> bool:
    """Tell whether a value is a password, by its keyword, the link between them and what follows the value."""
    quoted, end = link["open"] is not None, link.start("secret") + len(value)
    if text[end : end + 1] in {"(", "["} or "(" in value or _NO_VALUE_BEFORE.match(text, end):
        return False
    if "->" in link["join"]:
        return _can_only_be_password(value)
    if link["break"] and not (quoted or _LINE_ENDS.match(text, end)):
        return False
    said = word[0].lower()
    if (link["join"] == "e" or (said == "clave" and _OF_DATA.search(link["of"]))) and _WORD_AND_NUMBER.match(value):
        return False
    if said == "pass" and not link["of"] and link["join"].strip() not in {":", "="}:
        return _can_only_be_password(value)  # `the first pass is mark2sweep`
    return _looks_like_password(text, link, value, ambiguous=said in AMBIGUOUS_PASSWORDS)


def _looks_like_password(text: str, link: re.Match[str], value: str, *, ambiguous: bool) -> bool:
    """Tell whether a value is a password; the looser the link between keyword and value, the stricter."""
    quoted, join = link["open"] is not None, link["join"].strip()
    asked = join.startswith("?")
    if (ambiguous or asked) and not shape.cannot_be_name(value):
        return False
    if value.isdigit():
        return shape.may_be_numeric_password(value) and (quoted or _ENDS_THERE.match(text, link.start("secret") + len(value)) is not None)
    if not shape.looks_like_password(value.rstrip("!?"), quoted=quoted) and not shape.is_passphrase(value):
        return False
    aside = link.re is _LINK and link["aside"] is not None
    plain = not (link["of"] or link["break"] or aside or asked) and join not in {"to", "in"} and " " not in join
    return plain or not shape.is_identifier(value)


def _next_to_keyword(text: str, at: int, word: re.Match[str]) -> Iterator[Finding]:
    """Find a value right after the keyword; it must look like a password, and like nothing else."""
    if not (bare := _BARE.match(text, word.end())):
        return
    value, begin = _value(text, word, bare), bare.start("secret")
    end = begin + len(value)
    if (
        text[end : end + 1] in {"(", "["}
        or "(" in value
        or _NO_VALUE_BEFORE.match(text, end)
        or not shape.looks_like_password(value, quoted=False)
    ):
        return
    quoted = bare["open"] is not None and text[end : end + 1] in _CLOSES.get(bare["open"][-1:], "»")
    turkish = text[end : end + 7] == " olarak" or _TURKISH.match(word[0]) is not None
    typed = (quoted or turkish or _USER_BEFORE.search(text, max(0, at - 100), at)) and not shape.is_identifier(value)
    if (typed or shape.can_only_be_password(value)) and not (bare["paren"] and text[end : end + 1] != ")"):
        yield Finding("password", begin, end)


def _in_cyrillic(text: str, word: re.Match[str]) -> Iterator[Finding]:
    """Find a value in Latin letters after a Cyrillic keyword."""
    if word[0][0] >= "\u0400" and (match := _CYRILLIC.match(text, word.end())):
        value, begin = _value(text, word, match), match.start("secret")
        if shape.cannot_be_name(value) and not shape.is_identifier(value):
            yield Finding("password", begin, begin + len(value))


def _from_to(text: str, word: re.Match[str]) -> Iterator[Finding]:
    """Find the old and the new password: `change the password from … to …`."""
    if not (match := _FROM.match(text, word.end())):
        return
    spans = [(match.start(name), match[name].rstrip(_FULL_STOP)) for name in ("old", "new")]
    if any(shape.looks_like_password(value, quoted=False) and not shape.is_identifier(value) for _, value in spans):
        yield from (Finding("password", start, start + len(value)) for start, value in spans if shape.may_be_word_password(value))


def _before(text: str, at: int, word: re.Match[str]) -> Iterator[Finding]:
    """Find a value before the keyword: `use … as the password`, `… is the password`."""
    if not at:
        return
    if word[0][0] > "\u2fff":
        if (match := _ASIAN_BEFORE.search(text, max(0, at - 90), at)) and _is_password(match["secret"], quoted=False):
            yield Finding("password", *match.span("secret"))
        return
    if text[at - 1] not in " '’":
        return
    place, linked = at - 1, False
    for _ in range(_MAX_WORDS_BEFORE):
        start = text.rfind(" ", max(0, at - _MAX_BEFORE, place - 100), place) + 1
        token = text[start:place]
        if linked:
            yield from _candidate(text, start, place, word)
            return
        linked = token.lower() in LINKING
        if not linked and token.lower() not in ARTICLES:
            return
        if start < 2 or text[start - 1] != " ":
            return
        place = start - 1


def _candidate(text: str, start: int, end: int, word: re.Match[str]) -> Iterator[Finding]:
    """Find the password in a token before the keyword."""
    token = text[start:end]
    line = token.rfind("\n") + 1
    start, token = start + line, token[line:]
    bare = token.strip("`\"'“”„«»*_,")
    begin = start + token.find(bare)
    if bare and _is_password(bare, quoted=bare != token and token[0] in "`\"'“„«") and _AFTER_WORD.match(text, word.end()):
        yield Finding("password", begin, begin + len(bare))


def _is_password(value: str, *, quoted: bool) -> bool:
    return "(" not in value and shape.looks_like_password(value, quoted=quoted) and not shape.is_identifier(value)


def _value(text: str, word: re.Match[str], match: re.Match[str]) -> str:
    """Return the value up to its closing quote, or without the sentence's punctuation."""
    value, after = match["secret"], match.end("secret")
    opened = (match["open"] or "").strip(" \u00a0\\")
    if opened and text[after : after + 1].strip() and text[after] in _CLOSES.get(opened, "»"):
        return value
    return (value if word["long"] else value.partition(",")[0]).rstrip(_FULL_STOP)


def _can_only_be_password(value: str) -> bool:
    return shape.looks_like_password(value, quoted=False) and shape.can_only_be_password(value)


def _set_to(text: str, at: int, word: re.Match[str]) -> re.Match[str] | None:
    """Match `set the password of the database to …`, which needs a verb before it."""
    words = text[max(0, at - 60) : at].rpartition("\n")[2].split()[-_MAX_WORDS_BEFORE:]
    return _SET_TO.match(text, word.end()) if any(map(_SETTING.match, words)) else None


def _beside_its_user(text: str, at: int, word: re.Match[str]) -> Iterator[Finding]:
    """Find `user: bob, pass: swordfish`: next to a user any word is a password, except in code."""
    match = _LABELLED.match(text, word.end())
    if not match or text[at - 1 : at] == '"' or not shape.may_be_word_password(match["secret"]):
        return
    start = max(0, at - 100)
    before = _USER_BEFORE.search(text, start, at)
    if before and before["sign"] and before["user"] != match["secret"] and not _IN_BRACES.search(text, start, at):
        yield Finding("password", *match.span("secret"))


_QUALIFIED_SHORT = tuple(f" {word}" for word in ("root", "admin", "prod"))
RULES = (
    RedactionRule(anchors((*PASSWORDS, *INFLECTED_PASSWORDS)), _find),
    RedactionRule(
        anchors(
            SHORT_PASSWORDS,
            (
                ":",
                "=",
                " =",
                " :",
                '"',
                "'",
                " is ",
                " was ",
                " for ",
                "?",
                " est ",
                " to ",
                " war ",
                " ist ",
                " lautet ",
                " är ",
                ", ",
                " c'est ",
                *_QUALIFIED_SHORT,
            ),
        ),
        _find,
    ),
)
