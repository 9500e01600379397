"""Secrets that a name gives away: `password=…`, `"api_key": "…"`, `export FOO_TOKEN=…`, `--password …`, a connection string.

The name says that the value could be one, its shape (`shape.py`) decides. Knows no headers and no addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import Rule

_OWNERS = (
    *("api", "app", "access", "auth", "private", "encryption", "signing", "account", "master", "service", "shared", "admin"),
    *("shared_access", "sharedaccess", "storage", "license", "session", "jwt", "webhook", "service_role", "subscription"),
)
_ANCHORS = (
    *("pass", "pwd", "secret", "token", "credential", "_auth", "phpsessid", "jsessionid", "connect.sid"),
    *(f"{owner}{joint}key" for owner in _OWNERS for joint in ("", "_", "-", " ")),
)
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

_QUOTE = r"\\{0,3}[\"'`]"
_RAW = r"[^\s\"'`<>\\=,;&(){}\[\]|]"
_ASSIGNMENT = re.compile(
    rf"""
    (?P<name>(?i:secret[ ]access[ ]key|(?:api|app|access|auth|private|shared|service|account)[ ]key)|[A-Za-z0-9_.-]{{3,60}}+)
    (?:{_QUOTE}|[\])]|\*\*|</\w{{1,20}}>)?(?:[\])]|\*\*)?(?:[ ]\[[^\]\n]{{0,24}}\])?
    (?:
        (?P<space>[ \t]{{0,20}}+)(?P<operator>=>|:=|={{1,3}}|!==?|:(?!:)|\?\?|\|\||(?<=[ ])is[ ])
        (?:\*\*)?[ \t]{{0,20}}+
        (?:(?:Optional\[)?(?:str|string|String|&str|&'static[ ]str|SecretStr)\]?(?:[ ]\|[ ](?:None|null|undefined))?[ ]?=[ ]?)?
        (?:await[ ]|new[ ]\w{{1,20}}\(|\w{{0,20}}[sS]ecret\w{{0,10}}\()?
      | (?P<call>[ \t]{{0,4}}[,(][ \t]{{0,4}})(?={_QUOTE})
      | (?P<xml>(?<![<])>(?:<(?:string|value)>)?)
      | (?P<flag>[ \t]{{1,4}})
    )
    (?:[rbuRBU]{{1,2}}(?=["']))?
    (?:
        (?P<open>{_QUOTE})(?P<quoted>(?:(?!(?P=open))[^\n]){{4,300}}+)
      | (?={_RAW}{{0,63}}?(?:[0-9]|[a-z][A-Z]))(?P<raw>{_RAW}{{1,300}}+=*)
    )
    """,
    re.VERBOSE,
)
_NAME_BEFORE = re.compile(r"[A-Za-z0-9_.-]{0,40}")
_ANOTHER = re.compile(r"[\w.-]{0,20}?(?:pass|pwd|token|secret|credential)[\w.-]{0,20}[:=]", re.IGNORECASE)
# After the word that made us look: `passed`, `tokenizer`, `secretary`, and what is said *about* a secret.
_OTHER_WORD = re.compile(
    r"(?:pass(?!w|_?phrase|code|(?:es)?$|[A-Z0-9_.-])|token(?:[a-rt-z]|s[a-z])|secret(?:ar|e|ion|iv|ly)|credential(?!s?(?:$|[A-Z0-9_.-])))"
)
_ABOUT = re.compile(
    r"(?:file|path|dir|url|uri|endpoint|type|kind|field|column|header|length|len|size|count|limit|policy|regex|pattern|expir\w*|ttl|prefix"
    r"|suffix|label|hint|class|style|strategy|provider|manager|name|ref|arn|_?id|ids|index|usage|budget|cost|price|hash|algorithm|color"
    r"|version|s_?used|_?at|at|digest|fingerprint|input|output|error|message|description|title|text|placeholder|env|var|schema)s?\Z",
    re.IGNORECASE,
)
_NO_CREDENTIAL = re.compile(
    r"(?:page|next|sync|continuation|pagination|resume|public|publickey|max|min|num|total|stop|pad|eos|bos|mask|unk)[_-]?token",
    re.IGNORECASE,
)
_ENV_VALUE = re.compile(r"(?:[^\s\"'`<>\\;|&]|&(?!&)){4,300}+")
_ENV_BEFORE = re.compile(r"(?:^|\n|\\n|\b(?:export|ENV|ARG|set|setx|-e|env)[ \t]+)[ \t+]*\Z")


def _find(text: str, at: int) -> Iterator[Finding]:
    match = _ASSIGNMENT.match(text, at)
    if not match or _OTHER_WORD.match(match["name"].lower() if match["name"].isupper() else _cased(match["name"])):
        return
    before = _NAME_BEFORE.match(text[max(0, at - 40) : at][::-1])
    start = at - before.end() if before else at
    name = text[start : match.end("name")]
    if not _names_a_secret(name, match):
        return
    quoted = match["quoted"] is not None
    begin = match.start("quoted" if quoted else "raw")
    value = match["quoted"].rstrip("\\") if quoted else _unquoted(text, match, start)
    called = not quoted and text[begin + len(value) : begin + len(value) + 1] in {"(", "["}
    if not called and " " not in value and _secret(name.lower(), value, quoted=quoted):
        yield Finding(_kind(name), begin, begin + len(value))


def _cased(name: str) -> str:
    return name[0].lower() + name[1:]


def _names_a_secret(name: str, match: re.Match[str]) -> bool:
    if match["flag"] is not None and not name.startswith("-"):
        return False
    if name == "PASS" and match["operator"] == ":":  # a test runner's verdict
        return False
    if match["call"] is not None and "." in match["name"]:  # `password.encode("latin1")`
        return False
    return not _ABOUT.search(name) and not _NO_CREDENTIAL.search(name)


def _unquoted(text: str, match: re.Match[str], start: int) -> str:
    """In code a value ends at a comma or a bracket, in an environment file at the line's end."""
    value = match["raw"]
    if match["operator"] == "=" and not match["space"] and _ENV_BEFORE.search(text[max(0, start - 20) : start]):
        line = _ENV_VALUE.match(text, match.start("raw"))
        value = line[0].rstrip(")}]") if line else value
    return value.rstrip(".,:;!?*")


def _secret(name: str, value: str, *, quoted: bool) -> bool:
    if not quoted and _ANOTHER.match(value):
        return False
    if "pass" in name or "pwd" in name:
        return shape.password(value, quoted=quoted)
    if shape.hexadecimal(value) and name in {"token", "secret", "credential"} and "-" in value:
        return False  # a UUID under a name that says little
    return shape.secret(value)


def _kind(name: str) -> str:
    lowered = name.lower().replace("-", "_").replace(" ", "_")
    word = "password" if any(word in lowered for word in ("pass", "pwd")) else "token" if "token" in lowered else "secret"
    if word == "secret" and "key" in lowered and "secret" not in lowered:
        word = "api-key"
    vendor = next((vendor for mark, vendor in _VENDORS.items() if mark in lowered), None)
    if vendor is None or word == "password":
        return word
    return "aws-secret-access-key" if vendor == "aws" and word == "secret" else f"{vendor}-{word}"


RULES = (Rule(tuple(dict.fromkeys(_ANCHORS)), _find),)
