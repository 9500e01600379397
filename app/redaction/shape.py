"""Judges whether a value looks like a secret: random characters do; placeholders, words, identifiers, paths and expressions don't.

Judges a value by itself. Knows no vendors, and not where the value stood.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

_PLACEHOLDER_WORDS = re.compile(
    r"redacted|your[_.-]?|placeholder|change[_-]?me|change[_-]?this|replace[_-]?|example|xxx|\*\*\*|\.\.\.|…|dummy|insert[_-]"
    r"|goes[_-]?here|[_-]here\b|not[_-]?a[_-]?real|<[a-z]|sample[_-]|fake[_-]|mock[_-]|my[_-](?:secret|token|api|key|pass)",
    re.IGNORECASE,
)
_STAND_IN = re.compile(r"redacted|your[_-]|xxxx|\*\*\*|\.\.\.|placeholder|changeme|goes[_-]?here", re.IGNORECASE)
_VARIABLE = re.compile(r"[$%#@]\{|[<{\[%(*]|\$[A-Za-z_][A-Za-z0-9_]*\}?$|\$\(|\$\d?$|&[a-z]|%[A-Za-z_]+%$")
_PIECES = re.compile(r"[A-Za-z0-9]+")
_CAMEL = re.compile(r"[A-Za-z][a-z]*(?:[A-Z][a-z]+)*[0-9]{0,4}\Z")
_TURN = re.compile(r"(?<=[0-9])[A-Za-z]|(?<=[A-Za-z])[0-9]")
_HUMPS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_RARE = re.compile(r"[jqxzkvw]")
_CONSONANTS = re.compile(r"[^aeiouyAEIOUY]{5}")
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\][\w.@+-]|[\w.-]+://|[\w.-]+(?:/[\w.-]+)*\.[a-z]{2,4}$")
_HASH = re.compile(r"(?:sha\d{1,3}|md5|blake2[bs]?|sha3-\d+)[:$-]", re.IGNORECASE)
_MEMBER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.|!\.)[A-Za-z_$][\w$]*)+[;,]?$")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
_HEX = re.compile(r"[0-9a-fA-F]{32,}$")
_WORD_AND_NUMBER = re.compile(r"([A-Za-z]+)[0-9]{1,4}$")
_LEET = re.compile(r"[A-Za-z][0-9]+[A-Za-z]")
_TECHNICAL = re.compile(
    r"(?:id[_-])?(?:aes|sha|md|rsa|ed|curve|secp|x|blake|argon|hmac|pbkdf|base|utf|iso|pkcs|oauth|openid|tls|ssl|http|ipv|es|rs|hs|ps|ec|win|web|log|node"
    r"|python|java|php|vue|angular|postgres|mysql|redis|log|s|k|h|p|i|l|a|b|n|ntlm|scram|bcrypt|scrypt|crc|p)[_-]?v?\d{1,5}"
    r"(?:[._/-]?(?:id|i|d|k1|r1|url|gcm|cbc|ctr|hmac|sha|encoded|plus|\d{1,4})){0,3}\Z",
    re.IGNORECASE,
)
"""Names of algorithms, standards and programs: `AES-256-GCM`, `id_ed25519`, `argon2id`, `base64url`, `k8s`."""
_PASSWORD_VARIABLE = re.compile(r"[a-z]+Pass(?:word|wd|phrase)?[0-9]{0,4}\Z")
_IDENTIFIER = re.compile(r"[A-Za-z]+\d{0,3}(?:[_.-][A-Za-z0-9]{1,16}){1,3}\Z|[a-z]{3,}(?:[A-Z][a-z]{2,})+\d{0,2}\Z|[a-z]{4,}V\d\Z")
_PASSPHRASE = re.compile(r"[A-Za-z][a-z]{2,11}(?:[._-][A-Za-z][a-z]{2,11}){3,9}\Z")
_NO_PASSPHRASE = re.compile(
    r"(?:^|[._-])(?:from|with|this|that|your|the|and|for|must|have|has|will|into|only|when|then|been|not|are|via|end|per|use|used|using|set|get|read"
    r"|user|password|passphrase|passwords|secret|secrets|token|key|keys|field|input|value|change|changed|replace|reset|deploy|environment|env|variable"
    r"|config|default|example|here|case|sensitive|required|optional|encrypted|protected|hashed|stored|based|letters|form|control|auth|login|page|test|after"
    r"|before|all|any|non|app|api|data|database|server|local|file)(?=[._-]|\Z)",
    re.IGNORECASE,
)
_JOINED_WORDS = re.compile(r"[A-Za-z0-9]{1,16}(?:[-_][A-Za-z0-9]{1,16}){1,9}\Z")
_PART_OF_NAME = re.compile(
    r"(?:v\d+|x|id|my|our|new|old|us|eu|ap|east|west|north|south|central|prod|production|dev|staging|stage|local|db|app|api|svc|service|cluster|node|pod|host"
    r"|region|zone|header|content|btn|button|icon|form|modal|col|grid|theme|dark|light|to|of|a|an|in|on|at|or|is|by|no|as|if|least|most|day|days|hour|hours"
    r"|minute|minutes|seconds?|times|bits?|bytes?|claude|gpt|gemini|llama|mistral|qwen|sonnet|opus|haiku|embedding|mini|small|large|turbo|preview|latest"
    r"|beta|alpha|rc|release|snapshot|alpine|slim|debian|windows|iso|utf|aes|sha|md|rsa|hmac|pbkdf|argon|bcrypt|ssh|tls|jwt|oauth|part|phase|section|chapter"
    r"|table|view|model|cookie|cache|bucket|queue|topic|branch|feature|fix|issue|bug|ticket|copyright|error|should|returns?|fails?|rejects?|accepts?)\Z",
    re.IGNORECASE,
)
"""Parts of names that have digits but are no passwords: regions, models, components, headers, tests, standards."""
_DATE = re.compile(r"(?:^|[-_])(?:19|20)\d\d[-_]?[01]\d")
_HUMP_WITHIN = re.compile(r"[a-z][A-Z]")
_SPECIAL = re.compile(r"[!@#$%^&*+=?~]")
_INNER_SPECIAL = re.compile(r"[A-Za-z0-9][!@#$%^&*+?~]+[A-Za-z0-9]")
_NO_PASSWORDS = {
    "password", "passwd", "pass", "pwd", "secret", "token", "key", "test", "testing", "user", "username", "admin",
    "root", "foo", "bar", "baz", "example", "demo", "default", "value", "string", "str", "text", "int", "integer",
    "bytes", "char", "varchar", "field", "input", "param", "arg", "var", "item", "data", "name", "type", "oauth", "sha",
    "md", "base", "utf", "argon", "bcrypt", "scrypt", "pbkdf", "http", "tls", "ssl", "ipv", "python", "py", "node",
    "es", "ec", "rsa", "aes", "hmac", "uuid", "win", "linux", "ubuntu", "version", "step", "line", "row", "column",
    "size", "min", "max", "level", "chars", "characters", "digits", "length", "none", "null", "latin", "ascii",
    "urllib", "true", "false", "undefined", "option", "session", "account", "login", "auth", "credential", "hash",
    "port", "required", "optional", "hidden", "masked", "unknown", "missing", "invalid", "wrong", "incorrect", "empty", "same", "hashed",
    "encrypted", "stored", "vault", "given", "provided", "changed", "expired", "weak", "strong", "redacted", "prompt", "stdin", "env", "file",
    "passwort", "kennwort", "senha", "clave", "parola", "heslo", "haslo", "sifre", "losenord", "wachtwoord", "lozinka", "passord", "email",
    "policy", "rule", "form", "page", "manager", "reset", "hint", "label", "check", "server", "words", "word", "phrase", "anything", "something", "whatever", "nothing", "blank", "unset", "guest", "viewer", "editor", "owner", "member",
}  # fmt: skip
_JUDGED = 96
"""Characters of a value that are judged: enough to classify it, and a bound on the cost per anchor."""


def is_stand_in(value: str) -> bool:
    """Tell whether a key in a vendor's format is an obvious placeholder. A documented sample key is not, so it is redacted."""
    value = value[:_JUDGED]
    return len(set(value)) < 4 or _STAND_IN.search(value) is not None


def is_placeholder(value: str) -> bool:
    """Tell whether a value is a placeholder: `your-api-key-here`, `xxxx`, `<TOKEN>`, `${TOKEN}`, `$TOKEN`, `****`, `changeme` …"""
    value = value[:_JUDGED]
    return len(set(value)) < 4 or _VARIABLE.match(value) is not None or _PLACEHOLDER_WORDS.search(value) is not None


def entropy(value: str) -> float:
    """Return the Shannon entropy, in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values()) if value else 0.0


def wordiness(value: str) -> float:
    """Return the share of alphanumeric characters in words: near 1 for a slug or identifier, below 0.6 for random characters.

    Measured on random keys: 2 % with 16 base62 characters and 0.2 % with 32 reach the share of words.
    """
    total = words = 0
    for piece in _PIECES.findall(value[:_JUDGED]):
        total += len(piece)
        if piece.isalpha() and (piece.islower() or piece.isupper() or piece.istitle()):
            words += len(piece) if _wordlike(piece, minimum=2) else 0
        elif _CAMEL.match(piece):
            words += sum(len(hump) for hump in _HUMPS.findall(piece) if len(hump) > 1 and not hump.isdigit())
        else:
            words += sum(len(hump) for hump in _HUMPS.findall(piece) if _wordlike(hump, minimum=4))
    return words / total if total else 1.0


def _wordlike(hump: str, *, minimum: int) -> bool:
    if hump.isdigit() or not minimum <= len(hump) <= 24:
        return False
    vowels = len(_VOWEL.findall(hump)) / len(hump)
    return 0.15 <= vowels <= 0.8 and _CONSONANTS.search(hump) is None


def looks_like_secret(value: str, *, minimum: int = 16) -> bool:
    """Tell whether a value looks like a key or token: long, mixed, not words. Accepts UUIDs and hex, so use only with a telling name."""
    if len(value) < minimum or not value.isascii() or not any(map(str.isalpha, value[:_JUDGED])) or is_placeholder(value):
        return False
    value = value[:_JUDGED]
    if _UUID.match(value) or _HEX.match(value):
        return len(set(value)) >= 6
    if _something_else(value) or entropy(value) < 2.8:
        return False
    return wordiness(value) < 0.6 or any(len(_TURN.findall(piece)) >= 4 for piece in _PIECES.findall(value))


def is_hexadecimal(value: str) -> bool:
    """Tell whether a value is a UUID or hex, which may be a digest."""
    return _UUID.match(value) is not None or _HEX.match(value) is not None


def looks_like_password(value: str, *, quoted: bool) -> bool:
    """Tell whether a value looks like a typed password: six characters with letter and digit (quoted: or a special one), not code."""
    if not 6 <= len(value) <= 200 or not value.isascii() or is_placeholder(value) or not any(map(str.isalpha, value)):
        return False
    special = _SPECIAL.search(value) is not None
    if not any(map(str.isdigit, value)) and not (quoted and special and len(value) >= 8):
        return is_gibberish(value)
    if _something_else(value):
        return False
    if word := _WORD_AND_NUMBER.match(value):
        return word[1].lower() not in _NO_PASSWORDS and not _PASSWORD_VARIABLE.match(value)
    if value.isalnum() or _LEET.search(value):  # `hunter2x`, `S3cure_x`, but not `oauth2Token`
        return not any(len(hump) > 3 and hump.lower() in _NO_PASSWORDS for hump in _HUMPS.findall(value))
    return special or wordiness(value) < 0.7 or is_joined_words(value, quoted=quoted)


def may_be_numeric_password(value: str) -> bool:
    """Tell whether a value may be a numeric password, six digits at least; only for places where nothing else can stand."""
    return value.isascii() and value.isdigit() and 6 <= len(value) <= 32 and not is_placeholder(value)


def is_passphrase(value: str) -> bool:
    """Tell whether a value is a passphrase of four or more joined words: `correct-horse-battery-staple`."""
    return _PASSPHRASE.match(value) is not None and _NO_PASSPHRASE.search(value) is None


def is_joined_words(value: str, *, quoted: bool, minimum: int = 3) -> bool:
    """Tell whether a value is words joined by `-` or `_`, with a digit or an inner capital: `Trolley-Anvil-77-Quince`, `qx7-vun-taal-9`.

    Rejects names: `db-password-1`, `us-east-1`, `catalog-2031-04`, `MAX_AGE_30` and, unquoted, `row_3_cell`.
    `minimum`: least number of pieces in lower case.
    """
    if not _JOINED_WORDS.match(value) or is_placeholder(value) or _DATE.search(value) or _NO_PASSPHRASE.search(value) or _UUID.match(value):
        return False
    pieces = re.split(r"[-_]", value)
    words = [hump.lower() for piece in pieces for hump in _HUMPS.findall(piece)]
    if any(word in _NO_PASSWORDS for word in words) or any(map(_PART_OF_NAME.match, pieces)):
        return False
    if not any(sum(map(str.isalpha, piece)) >= 3 for piece in pieces):
        return False
    digits = any(map(str.isdigit, value))
    if value.lower() != value and value.upper() != value:
        if len(pieces) == 2:  # `Zwiebel-9931`
            return pieces[0].istitle() and len(pieces[0]) >= 4 and pieces[1].isdigit() and len(pieces[1]) >= 3
        return digits or ("_" not in value and _HUMP_WITHIN.search(value) is not None)
    if not digits or value.isupper() or len(pieces) < minimum or any(a.isdigit() and b.isdigit() for a, b in pairwise(pieces)):
        return False
    return quoted or "_" not in value or (len(pieces) >= 4 and any(map(str.isdigit, pieces)))


def is_identifier(value: str) -> bool:
    """Tell whether a value is a name from code that holds a digit: `user_v2`, `db-password-1`, `auth.v2`, `newPassword2`; not `x_9Kq2`."""
    return _IDENTIFIER.match(value) is not None and wordiness(value) >= 0.5 and not is_joined_words(value, quoted=False)


def may_be_word_password(value: str) -> bool:
    """Tell whether a plain word may be a password where nothing else can stand; not `password`, `none`, `test` or a variable."""
    if not 4 <= len(value) <= 200 or not value.isascii() or is_placeholder(value) or _something_else(value):
        return False
    humps = [hump.lower() for hump in _HUMPS.findall(value)]
    return any(map(str.isalpha, value)) and not any(hump in _NO_PASSWORDS for hump in humps)


def is_gibberish(value: str) -> bool:
    """Tell whether letters alone form no word of any language: hardly any vowels, or scattered capitals."""
    if not value.isalpha() or not value.isascii() or value.isupper() or not 8 <= len(value) <= 64:
        return False
    if value.islower():
        return len(_VOWEL.findall(value)) <= len(value) * 0.15 or len(_RARE.findall(value)) >= len(value) * 0.4
    humps = _HUMPS.findall(value)
    return len(humps) >= 4 and len(value) >= 10 and sum(len(hump) for hump in humps if _wordlike(hump, minimum=3)) < len(value) * 0.4


def looks_random(value: str, *, minimum: int = 8) -> bool:
    """Tell whether a value is letters and digits that form no words."""
    return len(value) >= minimum and any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and wordiness(value) < 0.5


def can_only_be_password(value: str) -> bool:
    """Tell whether a value can only be a password: random, or eight characters with a digit, a letter and an inner special one."""
    if looks_random(value) or is_gibberish(value):
        return True
    return len(value) >= 8 and _INNER_SPECIAL.search(value) is not None and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def cannot_be_name(value: str) -> bool:
    """Tell whether a value can't be a name, where one might stand: `lantern58x`, `Winter2031!`, but not `step2` or a path."""
    if "/" in value or not looks_like_password(value, quoted=False):
        return False
    mixed = value.isalnum() and _LEET.search(value) is not None
    return mixed or can_only_be_password(value) or value[-1] in "!#$%&*+" or is_joined_words(value, quoted=False)


def _something_else(value: str) -> bool:
    """Tell whether a value is a path, a URL, a labelled digest or a member (`user.password`)."""
    if _PATH.match(value) or _HASH.match(value) or _TECHNICAL.match(value):
        return True
    return _MEMBER.match(value) is not None and wordiness(value) >= 0.4
