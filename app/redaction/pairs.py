"""Finds user–password pairs: `credentials: admin / …`, `log in with bob:…`, `Zugangsdaten: …`, or on two lines below such a heading.

The words (`languages.py`) announce a pair; the separator decides how strictly the second part is judged. Labelled values
(`user: …, password: …`) belong to `announced.py` and `assignments.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule
from app.redaction.languages import CREDENTIALS, LOGINS, PASSWORDS, USERS, anchors, pattern

_COLON = "\uff1a"
_TOKEN = rf"[^\s:=,;!?(){{}}\[\]<>|{_COLON}]{{1,40}}+"
_BREAK = r"(?:(?:\r?\n|\\n)[ \t>]{0,12}(?:[-*+•][ ])?)"
_QUOTE = r"[`\"'“”„«»「」*_]{0,3}"
_FOR = (
    r"(?:[ ](?:for|to|of|on|in|at|für|fuer|zu|zum|zur|von|vom|pour|de|du|para|do|da|per|di|del|dla|k|för|till|voor|van|için|для|к|na)(?:[ ]"
    + _TOKEN
    + r"){1,6}?)"
)
_PAIR = re.compile(
    rf"""
    (?P<word>{pattern((*CREDENTIALS, *LOGINS, *USERS, *PASSWORDS))})(?P<both>[/:+](?:pass(?:word|wd)?|pw|pwd|passwort|mdp|senha|clave|密码))?{_QUOTE}{_FOR}??
    (?P<join>[ ]{{0,2}}(?:=>|->|[:={_COLON}→-](?=[ \n`"'“«*]|[^ -~])|[:{_COLON}](?=[A-Za-z]))[ \t\u3000\u00a0]{{0,8}}{_BREAK}?
      |[ ]?[(（][ ]?|[ ](?:is|are|was|were|as|with|using|sind|ist|lauten|mit|als|sont|est|avec|comme|son|es|con|como|são|é|com|sono|è|to|są|jsou|je|är|med|zijn|met)[ ]
      |[是为為はが]
      |[ ](?=[A-Za-z][\w.@+-]{{0,40}}(?::|[ ]/[ ]))
    )
    {_QUOTE}(?P<user>[A-Za-z_][\w.@+\\-]{{0,63}}+){_QUOTE}
    (?P<glue>[ \t]{{0,3}}(?:[/|:,;&、，／]|\b(?:and|und|et|y|e|i|og|och|en|with|using|mit)\b|和)[ \t]{{0,3}}|[ \t]{{0,8}}{_BREAK})
    (?P<open>\\{{0,3}}[`"'“«「*]{{1,2}}[ ]?)?(?P<secret>[!#-&(-;=?-\[\]-_a-{{}}-~]{{4,200}}+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CREDENTIALS = re.compile(pattern((*CREDENTIALS, *PASSWORDS)), re.IGNORECASE)
_PASSWORD = re.compile(pattern(PASSWORDS), re.IGNORECASE)
_USING = re.compile(
    r"(?:[ (\"'`“]|^)(?P<user>[A-Za-z_][\w.@+-]{0,63}+)[ ]?[:/][ ]?(?P<secret>[!#-&(-.0-9;=?-\[\]-_a-{}-~]{4,100}+)[\"'`”)]{0,2}[ ]\Z",
    re.MULTILINE,
)
_WELL_KNOWN = frozenset(
    [
        "admin",
        "administrator",
        "root",
        "sa",
        "postgres",
        "mysql",
        "oracle",
        "guest",
        "ubuntu",
        "pi",
        "ec2-user",
        "deploy",
        "superuser",
        "sysadmin",
    ]
)
_ARE = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "sind",
        "ist",
        "lauten",
        "sont",
        "est",
        "son",
        "es",
        "são",
        "é",
        "sono",
        "è",
        "to",
        "są",
        "jsou",
        "je",
        "är",
        "zijn",
    ]
)
_FULL_STOP = ".,:;*_)]}"
_KEY = re.compile(r"[\"'`]?[ ]?[:=](?!\S)|[\"'`]?[:=][ ]")
_ENDS = re.compile(r"[.*_`\"'”»]{0,3}[ \t]{0,20}(?:\r?\n|\\n|\Z)")
_LEET = re.compile(r"[A-Za-z][0-9]+[A-Za-z]")
_AFTER_A_NAME = re.compile(r"[A-Za-z0-9_.$/]")
_CLOSES = "`\"'”»」*"


def _pair(text: str, at: int) -> Iterator[Finding]:
    if at and _AFTER_A_NAME.match(text, at - 1) and text[at].isascii():
        return
    if not (match := _PAIR.match(text, at)):
        return
    begin, end = match.span("secret")
    opened = match["open"] is not None and text[end : end + 1] in _CLOSES
    value = match["secret"] if opened else match["secret"].rstrip(_FULL_STOP)
    end = begin + len(value)
    if text[end : end + 1] in {"(", "["} or "(" in value or _KEY.match(text, end) or match["user"].lower() == value.lower():
        return
    if _is_password(text, match, value, end):
        yield Finding("password", begin, end)


def _is_password(text: str, match: re.Match[str], value: str, end: int) -> bool:
    """Tell whether the second part is a password: leniently after `/` or `:`, strictly after a comma, `and` or a line break."""
    if "/" in value and not shape.looks_random(value, minimum=10):
        return False
    named = match["both"] is not None or _CREDENTIALS.match(match["word"]) is not None
    glue = match["glue"].strip()
    unsigned = match["join"] == " " and glue == "/" and not (match["word"].lower() == "login" and shape.cannot_be_name(value))
    if unsigned or (match["join"] == ":" and not named):  # `user:a/b2` of code
        return False
    if _PASSWORD.fullmatch(match["word"]) and glue not in {"/", ":", "|", "／"}:
        return False
    signed = match["join"].strip()[:1] in {":", "=", _COLON, "-"}
    if not glue and not _ENDS.match(text, end):
        return False
    if not shape.looks_like_password(value.rstrip("!?"), quoted=match["open"] is not None) or shape.is_identifier(value):
        well_known = match["user"].lower() in _WELL_KNOWN and glue in {"/", ":", "|"} and named and signed
        return (well_known and shape.may_be_word_password(value)) or (named and signed and shape.is_passphrase(value))
    if shape.can_only_be_password(value) or (named and glue != "" and (signed or match["join"].strip().lower() in _ARE)):
        return True
    if glue in {"/", ":", "|", "／"}:
        return named or glue == ":" or glue != match["glue"] or match["word"].lower() == "login"  # `account: repo/image2` is not a pair
    return (_LEET.search(value) is not None and value.isalnum()) or (value.isascii() and value[-1] in "!#$%&*+" and value[0].isalpha())


def _using(text: str, at: int) -> Iterator[Finding]:
    """Find `use bob:… to log in`."""
    start = max(0, at - 120)
    match = _USING.search(text, text.rfind("\n", start, at) + 1 or start, at)
    if match and shape.looks_like_password(match["secret"], quoted=False) and not shape.is_identifier(match["secret"]):
        yield Finding("password", *match.span("secret"))


_SIGNS = (":", " :", "=", " =", " is ", "?", ")", "*", "`", '"', " (", " -", "/pass", "/pw")
RULES = (
    RedactionRule(anchors(CREDENTIALS), _pair),
    RedactionRule(anchors(LOGINS, (*_SIGNS, " with ", " as ", " using ", " mit ", " als ", " avec ", " con ", " com ", " as: ")), _pair),
    RedactionRule(("login ",), _pair),
    RedactionRule(anchors(USERS, (":", " :", "=", " =", "?", "/pass", "/pw")), _pair),
    RedactionRule(anchors(PASSWORDS, (":", " :", "?")), _pair),
    RedactionRule(
        ("to log in", "to login", "to sign in", "to authenticate", "to connect", "zum einloggen", "zum anmelden", "pour se connecter"),
        _using,
    ),
)
