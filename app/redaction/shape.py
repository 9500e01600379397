"""Does a value look like a secret? Placeholders, words, identifiers, paths and expressions don't; random characters do.

Judges a value by itself. Knows no vendor and not where the value stood.
"""

from __future__ import annotations

import math
import re
from collections import Counter

_PLACEHOLDER_WORDS = re.compile(
    r"redacted|your[_.-]?|placeholder|change[_-]?me|change[_-]?this|replace[_-]?|example|xxx|\*\*\*|\.\.\.|…|dummy|insert[_-]"
    r"|goes[_-]?here|[_-]here\b|not[_-]?a[_-]?real|<[a-z]|sample[_-]|fake[_-]|mock[_-]|my[_-](?:secret|token|api|key|pass)",
    re.IGNORECASE,
)
_STAND_IN = re.compile(r"redacted|your[_-]|xxxx|\*\*\*|\.\.\.|placeholder|changeme|goes[_-]?here", re.IGNORECASE)
_VARIABLE = re.compile(r"[$%#@]\{|[<{\[%(*]|\$[A-Za-z_][A-Za-z0-9_]*\}?$|\$\(|\$\d?$|&[a-z]|%[A-Za-z_]+%$")
_HUMPS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_CONSONANTS = re.compile(r"[^aeiouyAEIOUY]{5}")
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\][\w.@+-]|[\w.-]+://|[\w.-]+(?:/[\w.-]+)*\.[a-z]{2,4}$")
_HASH = re.compile(r"(?:sha\d{1,3}|md5|blake2[bs]?|sha3-\d+)[:$-]", re.IGNORECASE)
_MEMBER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.|!\.)[A-Za-z_$][\w$]*)+[;,]?$")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
_HEX = re.compile(r"[0-9a-fA-F]{32,}$")
_WORD_AND_NUMBER = re.compile(r"([A-Za-z]+)[0-9]{1,4}$")
_SPECIAL = re.compile(r"[!@#$%^&*+=?~]")
_NO_PASSWORDS = frozenset(
    [
        "password",
        "passwd",
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "test",
        "testing",
        "user",
        "username",
        "admin",
        "root",
        "foo",
        "bar",
        "baz",
        "example",
        "demo",
        "default",
        "value",
        "string",
        "str",
        "text",
        "int",
        "integer",
        "bytes",
        "char",
        "varchar",
        "field",
        "input",
        "param",
        "arg",
        "var",
        "item",
        "data",
        "name",
        "type",
        "oauth",
        "sha",
        "md",
        "base",
        "utf",
        "argon",
        "bcrypt",
        "scrypt",
        "pbkdf",
        "http",
        "tls",
        "ssl",
        "ipv",
        "python",
        "py",
        "node",
        "es",
        "ec",
        "rsa",
        "aes",
        "hmac",
        "uuid",
        "win",
        "linux",
        "ubuntu",
        "version",
        "step",
        "line",
        "row",
        "column",
        "size",
        "min",
        "max",
        "level",
        "chars",
        "characters",
        "digits",
        "length",
        "none",
        "null",
        "true",
        "false",
        "undefined",
        "option",
        "session",
        "account",
        "login",
        "auth",
        "credential",
        "hash",
        "port",
    ]
)


def stand_in(value: str) -> bool:
    """For keys that their form gives away: only what nobody could log in with. A documented sample key is still hidden."""
    return len(set(value)) < 4 or _STAND_IN.search(value) is not None


def placeholder(value: str) -> bool:
    """`your-api-key-here`, `xxxx`, `<TOKEN>`, `${TOKEN}`, `$TOKEN`, `****`, `changeme` …"""
    return len(set(value)) < 4 or _VARIABLE.match(value) is not None or _PLACEHOLDER_WORDS.search(value) is not None


def entropy(value: str) -> float:
    """Shannon's, in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values()) if value else 0.0


def wordiness(value: str) -> float:
    """The share of letters and digits that stand in words. A slug or an identifier comes near 1, random characters stay below 0.5."""
    humps = _HUMPS.findall(value)
    total = sum(map(len, humps))
    return sum(len(hump) for hump in humps if _wordlike(hump)) / total if total else 1.0


def _wordlike(hump: str) -> bool:
    if hump.isdigit() or not 3 <= len(hump) <= 24:
        return False
    vowels = len(_VOWEL.findall(hump)) / len(hump)
    return 0.15 <= vowels <= 0.8 and _CONSONANTS.search(hump) is None


def secret(value: str, *, minimum: int = 16) -> bool:
    """A key or token: long, mixed, not made of words. UUIDs and hexadecimal count, so ask only where the name says `secret`."""
    if len(value) < minimum or not value.isascii() or placeholder(value) or not any(map(str.isalpha, value)):
        return False
    if _UUID.match(value) or _HEX.match(value):
        return len(set(value)) >= 6
    return not _something_else(value) and entropy(value) >= 2.8 and wordiness(value) < 0.5


def hexadecimal(value: str) -> bool:
    """A UUID or what could as well be a digest."""
    return _UUID.match(value) is not None or _HEX.match(value) is not None


def password(value: str, *, quoted: bool) -> bool:
    """What people type: at least six characters with a letter and a digit (in quotes a special one will do), and no code."""
    if not 6 <= len(value) <= 200 or not value.isascii() or placeholder(value) or not any(map(str.isalpha, value)):
        return False
    special = _SPECIAL.search(value) is not None
    if not any(map(str.isdigit, value)) and not (quoted and special and len(value) >= 8):
        return False
    if _something_else(value):
        return False
    if word := _WORD_AND_NUMBER.match(value):
        return word[1].lower() not in _NO_PASSWORDS
    return special or wordiness(value) < 0.7


def _something_else(value: str) -> bool:
    """A path, an address, a digest that says so, `user.password`."""
    if _PATH.match(value) or _HASH.match(value):
        return True
    return _MEMBER.match(value) is not None and wordiness(value) >= 0.4
