"""Finds secrets in well-known files: netrc, `.pgpass`, `htpasswd`, `shadow`, and one-time-password URLs and seeds.

Each is recognized by its line's format, not by a name before an equals sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule
from app.redaction.typed import may_be_password, secret_at

_NETRC = re.compile(r"machine\s{1,20}\S{1,200}\s{1,20}login\s{1,20}\S{1,200}\s{1,20}password\s{1,20}(?P<secret>\S{1,200})")
_PG_HOST = re.compile(r"(?:^|[\n'\"`]|\\n)[ \t]{0,12}(?:[A-Za-z0-9.-]{1,100}|\*)\Z")
_PG_REST = re.compile(r":(?:\d{2,5}|\*):[\w*.-]{1,63}:[\w*.@-]{1,63}:(?P<secret>[^\s:\"'`\\]{3,200})(?=\\n|[\"'`]?\s|[\"'`]?\Z)")
_HASH_OWNER = re.compile(r"(?:^|[\s'\"`=,]|\\n)[A-Za-z0-9_.@+-]{1,64}:\Z")
_HASHED = re.compile(r"(?:\$(?:apr1|2[abxy]|[156]|y)\$|\$\$(?:apr1|2[abxy])\$\$|\{SHA\})(?P<rest>[A-Za-z0-9./$=,+]{20,200}+)")
_ONE_TIME = re.compile(r"otpauth(?:://|%3A%2F%2F)[^\s\"'<>`]{0,300}?[?&]secret=(?P<secret>[A-Za-z2-7]{8,128}+)", re.IGNORECASE)
_SEED = re.compile(
    r"(?i:(?:t?otp|2fa|mfa|authenticator)[ _-]?(?:(?:secret|seed|setup|key|shared|code)[ _-]?){1,3}(?:is\b)?)[\"'`*]{0,4}"
    r"[ \t]{0,4}[:=]{0,2}[ \t]{0,4}[\"'`*]{0,4}(?P<secret>[A-Z2-7]{16,128}(?![A-Za-z0-9_])|(?:[A-Za-z2-7]{4}[ -]){3,15}[A-Za-z2-7]{4}(?![A-Za-z0-9_]))",
)


def _pgpass(text: str, at: int) -> Iterator[Finding]:
    if (
        (line := _PG_REST.match(text, at))
        and _PG_HOST.search(text[max(0, at - 120) : at])
        and shape.looks_like_password(line["secret"], quoted=True)
    ):
        yield Finding("password", *line.span("secret"))


def _hashed(text: str, at: int) -> Iterator[Finding]:
    """Find a password hash next to its user, which can be cracked offline. A hash without a user is ignored."""
    if (digest := _HASHED.match(text, at)) and _HASH_OWNER.search(text[max(0, at - 100) : at]):
        yield Finding("password-hash", *digest.span())


def _base32(value: str) -> bool:
    bare = value.replace(" ", "").replace("-", "")
    return len(set(bare)) >= 6 and not shape.is_placeholder(value) and (any(map(str.isdigit, bare)) or shape.wordiness(bare) < 0.5)


RULES = (
    RedactionRule(("machine ",), secret_at("password", _NETRC, may_be_password)),
    RedactionRule((":5432:", ":5433:", ":6432:", ":*:"), _pgpass),
    RedactionRule(("$apr1$", "$$apr1$$", "$$2y$$", "$$2a$$", "$2a$", "$2b$", "$2x$", "$2y$", "$1$", "$5$", "$6$", "$y$", "{sha}"), _hashed),
    RedactionRule(("otpauth",), secret_at("totp-secret", _ONE_TIME, _base32)),
    RedactionRule(("totp", "otp secret", "otp_secret", "2fa", "mfa", "authenticator"), secret_at("totp-secret", _SEED, _base32)),
)
