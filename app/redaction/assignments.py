"""Finds secrets assigned to a telling name: `password=…`, `"api_key": "…"`, `export FOO_TOKEN=…`, `--password …`, a connection string.

The name makes the value a candidate, its shape (`shape.py`) decides. Knows no headers and no URLs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import names, shape
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule

_OWNERS = (
    *("api", "app", "access", "auth", "private", "encryption", "signing", "account", "master", "service", "shared", "admin"),
    *("shared_access", "sharedaccess", "storage", "license", "session", "jwt", "webhook", "service_role", "subscription"),
)
_ANCHORS = (
    *("pass", "pwd", "secret", "token", "credential", "_auth", "phpsessid", "jsessionid", "connect.sid"),
    *(f"{owner}{joint}key" for owner in _OWNERS for joint in ("", "_", "-", " ")),
    *(f"{owner}_pat" for owner in ("github", "gitlab", "gh", "gl", "ghcr", "azure", "ado", "devops", "bitbucket", "jira")),
)
_PASSWORDS = ("PASS", "PASSWORD", "PASSWD", "PASSPHRASE", "PWD")

_QUOTE = r"\\{0,3}[\"'`]"
_BREAK = r"(?:[ \t]{0,20}(?:\r?\n|\\n))"
"""A value on the next line: a literal below `const password =`; in YAML after `>-` or `|`."""
_RAW = r"[^\s\"'`<>\\=,;&(){}\[\]|]"
_ASSIGNMENT = re.compile(
    rf"""
    (?P<name>(?i:secret[ ]access[ ]key|(?:api|app|access|auth|private|shared|service|account)[ ]key)|[A-Za-z0-9_.-]{{3,60}}+)
    (?:{_QUOTE}|[\])]|\*\*|</\w{{1,20}}>)?(?:[\])]|\*\*)?(?:[ ]\[[^\]\n]{{0,24}}\])?
    (?:
        (?P<space>[ \t]{{0,20}}+)(?P<operator>=>|:=|={{1,3}}|!==?|:(?!:)|\?\?|\|\||(?<=[ ])is[ ]|%3[dD]|[\uff1a\uff1d])
        (?:\*\*)?[ \t]{{0,20}}+
        (?:(?:Optional\[)?(?:str|string|String|&str|&'static[ ]str|SecretStr)\]?(?:[ ]\|[ ](?:None|null|undefined))?[ ]?=[ ]?)?
        (?:\\\\?(?=[ \t]{{0,4}}{_BREAK}))?
        (?P<below>[|>][-+0-9]{{0,2}}{_BREAK}[ \t]{{1,40}}|{_BREAK}[ \t]{{0,40}}(?=[\[(]?[ \t\r\n]{{0,40}}[fFrbuRBU]{{0,2}}{_QUOTE}))?
        (?:await[ ]|new[ ]\w{{1,20}}\(|\w{{0,20}}[sS]ecret\w{{0,10}}\()?
      | (?P<call>[ \t]{{0,4}}[,(][ \t]{{0,4}})(?={_QUOTE})
      | (?P<attribute>[ \t\n]{{1,20}}value=)(?={_QUOTE})
      | (?P<xml>(?<![<])>(?:<(?:string|value)>)?)
      | (?P<flag>[ \t]{{1,4}})
    )
    (?:[\[(][ \t\r\n]{{0,40}}+(?=[fFrbuRBU]{{0,2}}["'`]))?
    (?:[rbuRBU]{{1,2}}(?=["'])|[fF](?=["'][^"'{{}}\n]{{4,300}}["']))?
    (?:
        (?P<open>{_QUOTE})(?P<quoted>(?:(?!(?P=open))[^\n]){{4,300}}+)
      | (?={_RAW}{{0,63}}?(?:[0-9]|[a-z][A-Z]))(?P<percent>%2[27])?(?P<raw>{_RAW}{{1,300}}+=*)
    )
    """,
    re.VERBOSE,
)
_NAME_BEFORE = re.compile(r"[A-Za-z0-9_.-]{0,40}")
_ANOTHER = re.compile(r"[\w.-]{0,20}?(?:pass|pwd|token|secret|credential)[\w.-]{0,20}[:=]", re.IGNORECASE)
# Other words that begin like a keyword: `passed`, `tokenizer`, `secretary`.
_OTHER_WORD = re.compile(
    r"(?:pass(?!w|_?phrase|code|(?:es)?$|[A-Z0-9_.-])|token(?:[a-rt-z]|s[a-z])|secret(?:ar|e|ion|iv|ly)|credential(?!s?(?:$|[A-Z0-9_.-])))"
)
_ENV_VALUE = re.compile(r"(?:[^\s\"'`<>\\;|&]|&(?!&)){4,300}+")
_PERCENT_END = re.compile(r"%2[267]")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*\Z")
_LONE_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}\Z")
_KEY_ENDS = re.compile(r"\\{0,3}[\"'`]?[ ]?:")
_ENV_END = re.compile(r"[\"'][ \t]*(?:;|[ \t]#|&&|\r?\n|\\n|\Z)")
_ENV_BEFORE = re.compile(r"(?:^|\n|\\n|\b(?:export|ENV|ARG|set|setx|-e|env)[ \t]+)[ \t+]*\Z")


def _find(text: str, at: int) -> Iterator[Finding]:
    match = _ASSIGNMENT.match(text, at)
    if not match or _is_number(match):
        return
    if _OTHER_WORD.match(match["name"].lower() if match["name"].isupper() else _cased(match["name"])):
        return
    before = _NAME_BEFORE.match(text[max(0, at - 40) : at][::-1])
    start = at - before.end() if before else at
    name = text[start : match.end("name")]
    if not _names_a_secret(name, match):
        return
    quoted = match["quoted"] is not None
    begin = match.start("quoted" if quoted else "raw")
    value = match["quoted"].rstrip("\\") if quoted else _unquoted(text, match, start)
    if match["below"] and _KEY_ENDS.match(text, begin + len(value)):  # `password:` with a nested key below: `"min8": …`
        return
    called = not quoted and text[begin + len(value) : begin + len(value) + 1] in {"(", "["}
    if called or " " in value:
        return
    attribute = match["attribute"] is not None and shape.can_only_be_password(value)
    if attribute or _fits(name, value, quoted=quoted) or (quoted and _set_in_a_shell(text, match, start, name)):
        yield Finding(names.kind(name), begin, begin + len(value))


def _is_number(match: re.Match[str]) -> bool:
    """Tell whether the value is a plain number: `"input_tokens": 18277`, common in transcripts. Cheap, since it ignores the name."""
    raw, operator = match["raw"], match["operator"]
    return raw is not None and operator != "=" and raw.rstrip(".").isdigit()


def _cased(name: str) -> str:
    return name[0].lower() + name[1:]


def _names_a_secret(name: str, match: re.Match[str]) -> bool:
    if match["flag"] is not None and not name.startswith("-"):  # `GITHUB_TOKEN x…` in a chat, but not `token x…`
        return match["raw"] is not None and _CONSTANT.match(name) is not None and _LONE_TOKEN.match(match["raw"]) is not None
    if name.lower() == "pass" and match["operator"] in {":", "is "}:
        # `PASS: …` is a test result; `the first pass is …` is prose, unless the value looks like a password
        return name != "PASS" and (match["operator"] == ":" or shape.can_only_be_password(match["raw"] or match["quoted"] or ""))
    if match["call"] is not None and "." in match["name"]:  # `password.encode("latin1")`
        return False
    return names.announces(name)


def _fits(name: str, value: str, *, quoted: bool) -> bool:
    return (quoted or not _ANOTHER.match(value)) and names.fits(name, value, quoted=quoted)


def _set_in_a_shell(text: str, match: re.Match[str], start: int, name: str) -> bool:
    """Tell whether this is a quoted line of an environment file: `PASSWORD='dragon'`. There any word but a placeholder is a password."""
    if match["operator"] != "=" or match["space"] or not name.isupper() or not name.endswith(_PASSWORDS):
        return False
    if not _ENV_BEFORE.search(text[max(0, start - 20) : start]) or not _ENV_END.match(text, match.end("quoted")):
        return False
    return shape.may_be_word_password(match["quoted"])


def _unquoted(text: str, match: re.Match[str], start: int) -> str:
    """Return an unquoted value. It ends at a comma or bracket in code, at the line's end in an environment file, at `%22` or `%26` in a URL."""
    value = match["raw"]
    if match["percent"] or match["operator"] in {"%3D", "%3d"}:
        return _PERCENT_END.split(value, maxsplit=1)[0]
    if match["operator"] == "=" and not match["space"] and _ENV_BEFORE.search(text[max(0, start - 20) : start]):
        line = _ENV_VALUE.match(text, match.start("raw"))
        value = line[0].rstrip(")}]") if line else value
    return value.rstrip(".,:;!?*")


RULES = (RedactionRule(tuple(dict.fromkeys(_ANCHORS)), _find),)
