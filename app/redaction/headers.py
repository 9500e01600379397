"""Finds secrets in HTTP: authorization and cookie headers, passwords and keys in URLs, Azure's signatures.

Each is recognized by the words around it. Knows no vendors' keys, no assignments and no command lines.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule
from app.redaction.typed import may_be_password, secret_at

_VALUE = r"[^\s\"'`<>\\,;]"
_AUTHORIZATION = re.compile(
    rf"authorization[\"'`\])\\]{{0,4}}[ \t]*(?:[:=,]|=>)[ \t]*[a-z]{{0,2}}[\"'`\\]{{0,4}}(?:(?:bearer|token|apikey|api-key|key|bot|flyv1|jwt)[ \t]+)?(?P<secret>{_VALUE}{{6,4000}}+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"bearer[ \t]+(?P<secret>[A-Za-z0-9._~+/=-]{12,4000}+)", re.IGNORECASE)
_BASIC = re.compile(r"basic[ \t]+(?P<secret>[A-Za-z0-9+/_-]{6,400}+={0,2})", re.IGNORECASE)
_DOCKER_AUTH = re.compile(r"\"auth\\{0,3}\"\s{0,4}:\s{0,4}\\{0,3}\"(?P<secret>[A-Za-z0-9+/_-]{6,800}+={0,2})")
_ADDRESS = re.compile(r"://[^\s:/@\"'<>`\\]{0,100}+:(?P<secret>[^\s/\"'<>`\\]{1,200})@(?=[A-Za-z0-9\[${<%_-])")
_KEYED_ADDRESS = re.compile(r"://(?P<secret>[A-Za-z0-9_-]{16,255}+)@(?P<host>[A-Za-z0-9.-]{1,100})")
_SIGNATURE = re.compile(r"sig=(?P<secret>[A-Za-z0-9%/+_-]{40,200}+={0,2})")
_ACCOUNT_KEY = re.compile(r"(?:accountkey|sharedaccesskey)=(?P<secret>[A-Za-z0-9+/]{40,100}+={0,2})", re.IGNORECASE)
_AFTER_KEY_ID = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}[\s,:;|\"'│]{1,12}(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_EXPRESSION = re.compile(r"[(){}\[\]$<>]")
# Stop at the next cookie header, which has an anchor of its own.
_COOKIES = re.compile(
    r"(?<![A-Za-z0-9_])cookie[\"'`\\]{0,4}[ \t]*[:=][ \t]*[\"'`\\]{0,4}(?P<pairs>(?:(?!cookie[ :=\"'`\\])[^\n\"'`\\]){3,4000}+)",
    re.IGNORECASE,
)
_PAIR = re.compile(r"(?:(?P<name>[^\s=;,]{1,80}+)=)?(?P<secret>[^\s;,]{6,3000}+)")
_SESSION_NAME = re.compile(r"sess|sid\b|auth|token|jwt|login|remember|csrf|xsrf|identity", re.IGNORECASE)


def _credential(value: str) -> bool:
    """Tell whether a value may be a credential. Lenient, since the header says so: no placeholder, expression or word."""
    if shape.is_placeholder(value) or _EXPRESSION.search(value):
        return False
    return shape.looks_like_secret(value, minimum=8) or (len(value) >= 8 and any(map(str.isdigit, value)) and shape.wordiness(value) < 0.8)


def _user_and_password(encoded: str) -> bool:
    """Tell whether this is base64 of `user:password`."""
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and all(32 <= byte < 127 for byte in decoded)


def _long_random(value: str) -> bool:
    return len(set(value)) >= 12


def _keyed_address(text: str, at: int) -> Iterator[Finding]:
    """Find a key in place of a URL's user, without a password: Sentry's, or a token for git. With ssh it is only a user."""
    if (
        text[max(0, at - 3) : at] not in {"ssh", "ftp"}
        and (match := _KEYED_ADDRESS.match(text, at))
        and shape.looks_like_secret(match["secret"])
    ):
        yield Finding("sentry-dsn-key" if "sentry" in match["host"] else "url-password", *match.span("secret"))


def _cookies(text: str, at: int) -> Iterator[Finding]:
    if not (header := _COOKIES.match(text, at)):
        return
    for pair in _PAIR.finditer(text, *header.span("pairs")):
        value = pair["secret"]
        if shape.is_placeholder(value) or _EXPRESSION.search(value):
            continue
        named = _SESSION_NAME.search(pair["name"] or "") is not None
        if shape.looks_like_secret(value, minimum=12) or (named and len(value) >= 8 and any(map(str.isdigit, value))):
            yield Finding("cookie", *pair.span("secret"))


RULES = (
    RedactionRule(("authorization",), secret_at("authorization", _AUTHORIZATION, _credential)),
    RedactionRule(("bearer ",), secret_at("authorization", _BEARER, shape.looks_like_secret)),
    RedactionRule(("basic ",), secret_at("authorization", _BASIC, _user_and_password)),
    RedactionRule(('"auth',), secret_at("docker-auth", _DOCKER_AUTH, _user_and_password)),
    RedactionRule(("://",), secret_at("url-password", _ADDRESS, may_be_password)),
    RedactionRule(("://",), _keyed_address),
    RedactionRule(("sig=",), secret_at("azure-sas-signature", _SIGNATURE, _long_random)),
    RedactionRule(("accountkey=", "sharedaccesskey="), secret_at("azure-account-key", _ACCOUNT_KEY, _long_random)),
    RedactionRule(("akia", "asia"), secret_at("aws-secret-access-key", _AFTER_KEY_ID, _long_random)),
    RedactionRule(("cookie",), _cookies),
)
