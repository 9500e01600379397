"""Finds secrets announced only by a vendor's name: `STRIPE=…`, `twilio auth …`, a Twilio account SID with its token.

A vendor's name is a weaker hint than `password`, so the value is judged more strictly. Names of secrets belong to `assignments.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule

_VENDORS = (
    *("stripe", "openai", "anthropic", "github", "gitlab", "slack", "sendgrid", "mailgun", "discord", "telegram", "cloudflare", "supabase"),
    *("datadog", "huggingface", "groq", "mistral", "cohere", "deepseek", "gemini", "openrouter", "replicate", "notion", "airtable"),
    *("digitalocean", "paypal", "braintree", "plaid", "algolia", "pinecone", "twitch", "dropbox", "okta", "auth0", "postmark", "npm"),
)
_SUFFIXES = ("=", ":", " =", " :", "_live", "_test", "_prod", '"', "'")
"""The endings that may follow the vendor's name."""
_ASSIGNED = re.compile(
    r"(?P<vendor>[A-Za-z0-9]{3,20})(?:_(?i:live|test|prod|api|auth|bot|creds?)){0,3}[\"']?[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}[\"']?"
    r"(?P<secret>[A-Za-z0-9_-]{24,200}+)(?![A-Za-z0-9_./:@(\[-])"
)
_NOT_AFTER = re.compile(r"[A-Za-z0-9./@-]")
"""A character after which the vendor's name is part of a longer word, path or address."""
_IDENTIFIER = re.compile(r"[a-z]{1,8}_|[0-9a-fA-F-]+\Z")
"""Identifiers, random but not secret: `price_1Moby…`, `cus_…`, a commit, a UUID."""

_ACCOUNT_SID_PREFIXES = tuple(f"ac{first}{second}" for first in "0123456789abcdef" for second in "0123456789abcdef")
_ACCOUNT_SID = re.compile(  # `AC`, 32 hex digits, then the token: a Twilio account SID with its auth token
    r"(?<![A-Za-z0-9])AC[0-9a-f]{32}[\"'`]?(?:[\s:,;|/&]|auth|token|_|-|=|[\"'`*]|TWILIO|AUTH|TOKEN|Auth|Token|authToken){1,24}?"
    r"(?<![A-Za-z0-9])(?P<secret>[0-9a-f]{32})(?![A-Za-z0-9])"
)
_TWILIO = re.compile(  # `twilio auth token = …`
    r"twilio(?:[ _-]{1,2}(?:auth|account|api|client|secret|token|key|live|test|is|the)){0,5}[\"'`*)]{0,3}[ \t]{0,4}(?:=>|:=|[=:,(]|is[ ])?"
    r"[ \t]{0,4}[\"'`*(]{0,3}(?P<secret>[0-9a-f]{32})(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def _assigned_to_vendor(text: str, at: int) -> Iterator[Finding]:
    if at and _NOT_AFTER.match(text, at - 1):
        return
    if not (match := _ASSIGNED.match(text, at)) or _IDENTIFIER.match(match["secret"]):
        return
    value = match["secret"]
    if shape.looks_like_secret(value, minimum=24) and shape.looks_random(value):
        yield Finding(f"{match['vendor'].lower()}-secret", *match.span("secret"))


def _twilio(text: str, at: int) -> Iterator[Finding]:
    pattern = _TWILIO if text[at] in "tT" else _ACCOUNT_SID
    if (match := pattern.match(text, at)) and not shape.is_placeholder(match["secret"]):
        yield Finding("twilio-token", *match.span("secret"))


RULES = (
    RedactionRule(tuple(f"{vendor}{suffix}" for vendor in _VENDORS for suffix in _SUFFIXES), _assigned_to_vendor),
    RedactionRule(("twilio", *_ACCOUNT_SID_PREFIXES), _twilio),
)
