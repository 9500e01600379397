"""Normalises a tool's arguments and results, so that two calls that say the same compare equal. Bounded; pure.

What differs by itself is dropped: ids, times, durations, counters, colours, temporary places, white space. Source of the rules: the public
reports of loop detectors that missed loops since every call had a new id (see docs/decisions/0074-trajectory.md).
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b

MAX_ARGUMENT_CHARS = 8_000
MAX_RESULT_CHARS = 4_000
"""Characters read of a result: half from its beginning, half from its end, where errors stand."""
MAX_ERROR_CHARS = 200
MIN_FREE_WORDS = 4
"""A member of the arguments with as many words is free text, which is compared as a set of words."""
_VOLATILE_MEMBER = re.compile(
    r"(?:^|_)(?:id|uuid|guid|cursor|offset_token|nonce|request|trace|span|timestamp|time|date|timeout|duration|description|session|call|seed)s?(?:_?id)?$",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b0x[0-9a-f]{4,}\b"
    r"|\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b"
    r"|\b\d+(?:\.\d+)?\s?(?:ms|µs|us|ns|s|sec|secs|seconds?|minutes?|mins?|h)\b"
    r"|/(?:tmp|var/folders|private/tmp)/[^\s:'\"]+"
    r"|\b(?:pid|port)[ =:]+\d+",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w+")
_ERROR_LINE = re.compile(
    r"^.*\b(?:error|exception|fatal|panic|fail(?:ed|ure)?|cannot|can't|not found|no such|undefined|unknown|denied|refused|unable|invalid|missing|traceback)\b.*$",
    re.IGNORECASE | re.MULTILINE,
)


def digest(text: str) -> int:
    """Hash a text to 63 bits, the same in every process."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def normal_arguments(given: str) -> str:
    """Return a call's arguments without what differs by itself: sorted members, free text as its set of words."""
    given = given[:MAX_ARGUMENT_CHARS]
    if given[:1] in {"{", "["}:
        try:
            return json.dumps(_normal_value(json.loads(given)), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            pass
    return normal_text(given)


def normal_result(output: str) -> str:
    """Return a result without what differs by itself; of a long one the beginning and the end."""
    if len(output) > MAX_RESULT_CHARS:
        half = MAX_RESULT_CHARS // 2
        output = f"{output[:half]}\n{output[-half:]}"
    return normal_text(output)


def normal_text(text: str) -> str:
    """Return a text without colours, times, ids, durations and temporary places, its white space as single spaces."""
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    return _SPACE.sub(" ", _VOLATILE.sub("·", text)).strip()


def error_of(output: str) -> str:
    """Return the line of a failed result that says what went wrong, normalised; empty where none does."""
    half = MAX_RESULT_CHARS // 2
    for part in (output[-half:], output[:half]):
        if found := _ERROR_LINE.search(part):
            return normal_text(found[0])[:MAX_ERROR_CHARS]
    return ""


def _normal_value(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _normal_value(each) for name, each in value.items() if not _VOLATILE_MEMBER.search(str(name))}
    if isinstance(value, list):
        return [_normal_value(each) for each in value]
    if isinstance(value, str):
        words = _WORD.findall(value)
        return " ".join(sorted({word.casefold() for word in words})) if len(words) >= MIN_FREE_WORDS else normal_text(value)
    return value
