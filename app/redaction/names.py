"""Judges a name: whether it announces a secret, of which kind, and what its value must look like.

Knows names in English identifiers, and not where name and value stand.
"""

from __future__ import annotations

import re

from app.redaction import shape

_VENDORS = {
    mark: vendor
    for vendor, marks in {
        **{name: (name,) for name in ("azure", "cloudflare", "heroku", "twilio", "mailgun", "discord", "vercel", "sentry", "telegram")},
        **{name: (name,) for name in ("supabase", "openai", "anthropic", "github", "gitlab", "slack", "stripe")},
        "aws": ("aws", "secret_access_key", "secretaccesskey"),
        "datadog": ("datadog", "dd_"),
        "new-relic": ("new_relic", "newrelic"),
    }.items()
    for mark in marks
}
# Endings of names that describe a secret rather than hold one.
_ABOUT = re.compile(
    r"(?:file|path|dir|url|uri|endpoint|type|kind|field|column|header|length|len|size|count|limit|policy|regex|pattern|expir\w*|ttl|prefix"
    r"|suffix|label|hint|class|style|strategy|provider|manager|name|ref|arn|_?id|ids|index|usage|budget|cost|price|hash|algorithm|color"
    r"|version|s_?used|_?at|at|digest|fingerprint|input|output|error|message|description|title|text|placeholder|env|var|schema|char|character|alphabet|charset)s?\Z",
    re.IGNORECASE,
)
_SAYS_NO_MORE = re.compile(r"(?:pass(?:word|wd|phrase|code)|pwd)\Z", re.IGNORECASE)
"""Names after which digits alone are a password too; `pass=730418` counts tests."""
_ACCESS = re.compile(r"_pat\Z", re.IGNORECASE)
_NO_CREDENTIAL = re.compile(
    r"(?:page|next|sync|continuation|pagination|resume|public|publickey|max|min|num|total|stop|pad|eos|bos|mask|unk)[_-]?token",
    re.IGNORECASE,
)


def announces(name: str) -> bool:
    """Tell whether a name announces a secret: `DB_PASSWORD` does, `password_file` and `next_token` don't."""
    return not (_ABOUT.search(name) and not _ACCESS.search(name)) and not _NO_CREDENTIAL.search(name)


def fits(name: str, value: str, *, quoted: bool) -> bool:
    """Tell whether the value may be the secret that the name announces."""
    lowered = name.lower()
    if "pass" in lowered or "pwd" in lowered:
        return shape.looks_like_password(value, quoted=quoted) or (
            _SAYS_NO_MORE.search(name) is not None and shape.may_be_numeric_password(value)
        )
    if shape.is_hexadecimal(value) and lowered in {"token", "secret", "credential"} and "-" in value:
        return False  # a UUID under a vague name
    return shape.looks_like_secret(value) or (len(value) >= 12 and shape.is_joined_words(value, quoted=quoted, minimum=4))


def kind(name: str) -> str:
    """Return the kind that a name announces, with the vendor if it names one: `api-key`, `github-token` …"""
    lowered = name.lower().replace("-", "_").replace(" ", "_")
    word = _word(lowered)
    vendor = next((vendor for mark, vendor in _VENDORS.items() if mark in lowered), None)
    if vendor is None or word == "password":
        return word
    return "aws-secret-access-key" if vendor == "aws" and word == "secret" else f"{vendor}-{word}"


def _word(name: str) -> str:
    if any(word in name for word in ("pass", "pwd")):
        return "password"
    if "token" in name or _ACCESS.search(name):
        return "token"
    return "api-key" if "key" in name and "secret" not in name else "secret"
