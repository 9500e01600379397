"""Secrets that travel: authorization and cookie headers, passwords in addresses and on command lines, netrc, Azure's signatures.

Each is known by the words around it. Knows no vendor's keys and no assignments.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import Find, Rule

_VALUE = r"[^\s\"'`<>\\,;]"
_AUTHORIZATION = re.compile(
    rf"authorization[\"'`\])\\]{{0,4}}[ \t]*(?:[:=,]|=>)[ \t]*[a-z]{{0,2}}[\"'`\\]{{0,4}}(?:(?:bearer|token|apikey|api-key|key|bot|flyv1|jwt)[ \t]+)?(?P<secret>{_VALUE}{{6,4000}}+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"bearer[ \t]+(?P<secret>[A-Za-z0-9._~+/=-]{12,4000}+)", re.IGNORECASE)
_BASIC = re.compile(r"basic[ \t]+(?P<secret>[A-Za-z0-9+/_-]{6,400}+={0,2})", re.IGNORECASE)
_DOCKER_AUTH = re.compile(r"\"auth\\{0,3}\"\s{0,4}:\s{0,4}\\{0,3}\"(?P<secret>[A-Za-z0-9+/_-]{6,800}+={0,2})")
_ADDRESS = re.compile(r"://[^\s:/@\"'<>`\\]{0,100}+:(?P<secret>[^\s/\"'<>`\\]{1,200})@(?=[A-Za-z0-9\[${<%_-])")
_NETRC = re.compile(r"machine\s{1,20}\S{1,200}\s{1,20}login\s{1,20}\S{1,200}\s{1,20}password\s{1,20}(?P<secret>\S{1,200})")
_USER_OPTION = re.compile(r"(?:-u|--user)[ =]?[\"']?[^\s:\"'\\]{1,100}:(?P<secret>[^\s\"'\\]{3,200})")
_ATTACHED_P = re.compile(r"-p[\"']?(?P<secret>[^\s\"'\\=-][^\s\"'\\]{2,100})")
_SEPARATE_P = re.compile(r"-[pa][ ]?[\"']?(?P<secret>[^\s\"'\\-][^\s\"'\\]{2,100})")
_SIGNATURE = re.compile(r"sig=(?P<secret>[A-Za-z0-9%/+_-]{40,200}+={0,2})")
_ACCOUNT_KEY = re.compile(r"(?:accountkey|sharedaccesskey)=(?P<secret>[A-Za-z0-9+/]{40,100}+={0,2})", re.IGNORECASE)
_AFTER_KEY_ID = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}[\s,:;|\"'│]{1,12}(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_EXPRESSION = re.compile(r"[(){}\[\]$<>]")
# A header ends where the next begins: that one is read at its own anchor.
_COOKIES = re.compile(
    r"(?<![A-Za-z0-9_])cookie[\"'`\\]{0,4}[ \t]*[:=][ \t]*[\"'`\\]{0,4}(?P<pairs>(?:(?!cookie[ :=\"'`\\])[^\n\"'`\\]){3,4000}+)",
    re.IGNORECASE,
)
_PAIR = re.compile(r"(?:(?P<name>[^\s=;,]{1,80}+)=)?(?P<secret>[^\s;,]{6,3000}+)")
_SESSION_NAME = re.compile(r"sess|sid\b|auth|token|jwt|login|remember|csrf|xsrf|identity", re.IGNORECASE)
_NO_ADDRESS_PASSWORDS = frozenset({"password", "passwd", "pass", "pwd", "pw"})


def _one(kind: str, pattern: re.Pattern[str], accepts: Callable[[str], bool]) -> Find:
    """A rule for one secret at a place that the pattern describes."""

    def find(text: str, at: int) -> Iterator[Finding]:
        if (match := pattern.match(text, at)) and accepts(match["secret"]):
            yield Finding(kind, *match.span("secret"))

    return find


def _behind(commands: tuple[str, ...], find: Find, reach: int = 300) -> Find:
    """Only on a command line of one of these programs; `-u` and `-p` mean something else to others."""

    def gated(text: str, at: int) -> Iterator[Finding]:
        if at and text[at - 1] in " \t" and (found := list(find(text, at))):
            line = text[max(0, at - reach) : at].replace("\\\n", " ").rpartition("\n")[2]
            if any(command in line for command in commands):
                yield from found

    return gated


def _credential(value: str) -> bool:
    """In an authorization header little is asked: no placeholder, no expression, no word."""
    if shape.placeholder(value) or _EXPRESSION.search(value):
        return False
    return shape.secret(value, minimum=8) or (len(value) >= 8 and any(map(str.isdigit, value)) and shape.wordiness(value) < 0.8)


def _user_and_password(encoded: str) -> bool:
    """Base64 of `user:password`."""
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and all(32 <= byte < 127 for byte in decoded)


def _typed(value: str) -> bool:
    """A password where only a password can stand."""
    if value.lower() in _NO_ADDRESS_PASSWORDS or (value.isalpha() and value.isupper()):
        return False
    return not value.startswith("$") and not (len(value) > 3 and shape.placeholder(value))


def _typed_with_digit(value: str) -> bool:
    return _typed(value) and any(map(str.isalpha, value)) and any(not character.isalpha() for character in value) and "/" not in value


def _long_random(value: str) -> bool:
    return len(set(value)) >= 12


def _cookies(text: str, at: int) -> Iterator[Finding]:
    if not (header := _COOKIES.match(text, at)):
        return
    for pair in _PAIR.finditer(text, *header.span("pairs")):
        value = pair["secret"]
        if shape.placeholder(value) or _EXPRESSION.search(value):
            continue
        named = _SESSION_NAME.search(pair["name"] or "") is not None
        if shape.secret(value, minimum=12) or (named and len(value) >= 8 and any(map(str.isdigit, value))):
            yield Finding("cookie", *pair.span("secret"))


_MYSQL = ("mysql", "mariadb", "mycli")
_PASSWORD_PROGRAMS = ("sshpass", "redis-cli", "mongo ", "mongosh", "mongodump", "docker login", "podman login", "registry login")
RULES = (
    Rule(("authorization",), _one("authorization", _AUTHORIZATION, _credential)),
    Rule(("bearer ",), _one("authorization", _BEARER, shape.secret)),
    Rule(("basic ",), _one("authorization", _BASIC, _user_and_password)),
    Rule(('"auth',), _one("docker-auth", _DOCKER_AUTH, _user_and_password)),
    Rule(("://",), _one("url-password", _ADDRESS, _typed)),
    Rule(("machine ",), _one("password", _NETRC, _typed)),
    Rule(("-u", "--user"), _behind(("curl", "wget", "http "), _one("curl-auth-user", _USER_OPTION, _typed_with_digit))),
    Rule(("-p",), _behind(_MYSQL, _one("password", _ATTACHED_P, _typed_with_digit))),
    Rule(("-p", "-a"), _behind(_PASSWORD_PROGRAMS, _one("password", _SEPARATE_P, _typed_with_digit))),
    Rule(("sig=",), _one("azure-sas-signature", _SIGNATURE, _long_random)),
    Rule(("accountkey=", "sharedaccesskey="), _one("azure-account-key", _ACCOUNT_KEY, _long_random)),
    Rule(("akia", "asia"), _one("aws-secret-access-key", _AFTER_KEY_ID, _long_random)),
    Rule(("cookie",), _cookies),
)
