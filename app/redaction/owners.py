"""Find secrets announced only by a vendor's name: `STRIPE=…`, `twilio auth …`, a Twilio account with its token.

A vendor's name is a weaker hint than `password`, so the value is judged more strictly. Names of secrets belong to `assignments.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule

_OWNERS = (
    *("stripe", "openai", "anthropic", "github", "gitlab", "slack", "sendgrid", "mailgun", "discord", "telegram", "cloudflare", "supabase"),
    *("datadog", "huggingface", "groq", "mistral", "cohere", "deepseek", "gemini", "openrouter", "replicate", "notion", "airtable"),
    *("digitalocean", "paypal", "braintree", "plaid", "algolia", "pinecone", "twitch", "dropbox", "okta", "auth0", "postmark", "npm"),
)
_SIGNS = ("=", ":", " =", " :", "_live", "_test", "_prod", '"', "'")
_OWNED = re.compile(
    r"(?P<owner>[A-Za-z0-9]{3,20})(?:_(?i:live|test|prod|api|auth|bot|creds?)){0,3}[\"']?[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}[\"']?"
    r"(?P<secret>[A-Za-z0-9_-]{24,200}+)(?![A-Za-z0-9_./:@(\[-])"
)
_BEFORE = re.compile(r"[A-Za-z0-9./@-]")
_IDENTIFIER = re.compile(r"[a-z]{1,8}_|[0-9a-fA-F-]+\Z")
"""Identifiers, random but not secret: `price_1Moby…`, `cus_…`, a commit, a UUID."""

_ACCOUNTS = tuple(f"ac{first}{second}" for first in "0123456789abcdef" for second in "0123456789abcdef")
_ACCOUNT = re.compile(
    r"(?<![A-Za-z0-9])AC[0-9a-f]{32}[\"'`]?(?:[\s:,;|/&]|auth|token|_|-|=|[\"'`*]|TWILIO|AUTH|TOKEN|Auth|Token|authToken){1,24}?"
    r"(?<![A-Za-z0-9])(?P<secret>[0-9a-f]{32})(?![A-Za-z0-9])"
)
_TWILIO = re.compile(
    r"twilio(?:[ _-]{1,2}(?:auth|account|api|client|secret|token|key|live|test|is|the)){0,5}[\"'`*)]{0,3}[ \t]{0,4}(?:=>|:=|[=:,(]|is[ ])?"
    r"[ \t]{0,4}[\"'`*(]{0,3}(?P<secret>[0-9a-f]{32})(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def _owned(text: str, at: int) -> Iterator[Finding]:
    if at and _BEFORE.match(text, at - 1):
        return
    if not (match := _OWNED.match(text, at)) or _IDENTIFIER.match(match["secret"]):
        return
    value = match["secret"]
    if shape.secret(value, minimum=24) and shape.random(value):
        yield Finding(f"{match['owner'].lower()}-secret", *match.span("secret"))


def _twilio(text: str, at: int) -> Iterator[Finding]:
    pattern = _TWILIO if text[at] in "tT" else _ACCOUNT
    if (match := pattern.match(text, at)) and not shape.placeholder(match["secret"]):
        yield Finding("twilio-token", *match.span("secret"))


RULES = (
    RedactionRule(tuple(f"{owner}{sign}" for owner in _OWNERS for sign in _SIGNS), _owned),
    RedactionRule(("twilio", *_ACCOUNTS), _twilio),
)
