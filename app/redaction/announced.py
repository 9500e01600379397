"""Passwords that a sentence announces: `use the passphrase …`, `Password → …`, `пароль: …`, `mot de passe : …`, `パスワードは…`, `密码是…`.

Many languages, one word each. Knows no assignments: `password=…` is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import Rule

_WORDS = {
    "en": ("password", "passphrase", "passcode", "passwd"),
    "short": ("pw:", "pw=", "pw =", "pw :", 'pw"', "pw'", "pw is "),
    "de": ("passwort", "kennwort"),
    "fr": ("mot de passe",),
    "es": ("contrase",),
    "pt": ("senha",),
    "nl": ("wachtwoord",),
    "ru": ("пароль",),
    "ja": ("パスワード",),
    "zh": ("密码", "密碼"),
    "ko": ("비밀번호",),
}
_FULL_COLON, _FULL_EQUALS = "\uff1a", "\uff1d"
_CLOSING = r"[*_`\"'“”»」』）)\]]{0,4}"
_SIGN = rf"(?:=>|->|[:={_FULL_COLON}{_FULL_EQUALS}→⇒➜]|[—–-](?=[ ]))"
_IS = rf"(?:(?:is|was|ist|lautet|est|es|será|é|è|это|[—–-][ ]это)(?=[ :{_FULL_COLON}])|[是为為はが는은])"
_VALUE = r"[!#-&(-;=?-\[\]-_a-{}-~]"  # what can be typed, but for quotes, `<`, `>`, `\` and `|`
_SAID = re.compile(
    rf"(?:password|passphrase|passcode|passwd|pw|passwort|kennwort|mot[ ]de[ ]passe|contrase(?:ñ|n\u0303|n)a|senha|wachtwoord|пароль"
    rf"|パスワード|密码|密碼|비밀번호){_CLOSING}[ \t\u3000\u00a0]{{0,20}}"
    rf"(?:(?P<join>{_SIGN}[*_]{{0,2}}|{_IS}[:{_FULL_COLON}]?)[ \t\u3000\u00a0]{{0,20}}|(?<=[ \t\u3000\u00a0]))"
    rf"(?P<open>[*_]{{0,2}}[`\"'«“„「『]{{0,1}})(?P<secret>{_VALUE}{{5,200}}+)",
    re.IGNORECASE,
)
_PART_OF_A_NAME = re.compile(r"[A-Za-z0-9_.$/-]")
_CODE = re.compile(r"pass(?:word|phrase|code|wd)", re.IGNORECASE)
_IN_CODE = re.compile(r"[,:;(){}\[\]]")
_SHORT = re.compile(r"pw", re.IGNORECASE)
_FULL_STOP = ".,:;!?*_)]}"


def _said(text: str, at: int) -> Iterator[Finding]:
    if at and _PART_OF_A_NAME.match(text, at - 1) and text[at - 2 : at] != "**":
        return
    if not (match := _SAID.match(text, at)):
        return
    begin = match.start("secret")
    if _CODE.match(match[0]) and (match["join"] or "") in {":", "="} and (text[begin - 1] != " " or _IN_CODE.search(match["secret"])):
        return  # an assignment
    value = (match["secret"].partition(",")[0] if _SHORT.match(match[0]) else match["secret"]).rstrip(_FULL_STOP)
    if text[begin + len(value) : begin + len(value) + 1] in {"(", "["} or "(" in value:
        return  # a call
    sure = match["join"] is not None and "->" not in match["join"]
    if _revealed(value, sure=sure, quoted=match["open"] != ""):
        yield Finding("password", begin, begin + len(value))


def _revealed(value: str, *, sure: bool, quoted: bool) -> bool:
    """After a sign or `is`, what looks like a password. With nothing between, only what looks like nothing else."""
    if sure:
        return shape.password(value, quoted=quoted)
    return shape.password(value, quoted=False) and shape.unlike_words(value)


RULES = (Rule(tuple(word for words in _WORDS.values() for word in words), _said),)
