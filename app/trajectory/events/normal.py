"""Normalises a tool's arguments and results, so that two calls that say the same compare equal. Bounded; pure.

What differs by itself is dropped: ids, times, durations, counters, colours, temporary places, white space. Source of the rules: the public
reports of loop detectors that missed loops since every call had a new id (see docs/decisions/0074-trajectory.md).
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b

MAX_ARGUMENT_CHARS = 8_000
MAX_RESULT_CHARS = 2_000
"""Characters read of a result: half from its beginning, half from its end, where errors stand; of what is between, the number of lines."""
MIN_FREE_WORDS = 4
"""A member of the arguments with as many words is free text, which is compared as a set of words."""
_VOLATILE_MEMBER = re.compile(
    r"(?:^|_)(?:uuid|guid|cursor|offset_token|nonce|timestamp|timeout(?:_?ms)?|duration|seed|(?:request|trace|span|session|call|tool_?use|correlation|message|turn)_?(?:id|uuid|key)?)s?$|^id$",
    re.IGNORECASE,
)
_EXACT_MEMBER = re.compile(r"old|new|content|code|command|cmd|patch|diff|path|file|input|script|source|url", re.IGNORECASE)
"""Members whose order of words counts."""
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Each pattern opens with a set of characters, which the engine looks for in C; what stands before is asked afterwards.
_FROM_DIGIT = re.compile(
    r"[0-9](?<![\w.].)(?:"
    r"\d{3}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d?:\d\d:\d\d(?:[.,]\d+)?\b"
    r"|x[0-9a-fA-F]{4,}\b"
    r"|[0-9a-fA-F]{7}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|(?=\d*[a-fA-F])[0-9a-fA-F]{6,63}\b"
    r"|\d*(?:\.\d+)?\s?(?:ms|µs|us|ns|s|m\d+(?:\.\d+)?s|secs?|seconds?|minutes?|mins?|h)\b"
    r")"
)
_FROM_LETTER = re.compile(
    r"[a-fA-F](?=[0-9a-fA-F]{6})(?<![\w.].)(?:[0-9a-fA-F]{7}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=[a-fA-F]*[0-9])[0-9a-fA-F]{6,63})\b"
)
_PLACE = re.compile(r"/(?:tmp|var/folders|private/(?:tmp|var/folders))/[^\s:'\"]+")
_NUMBERED = re.compile(r"[pP](?<!\w.)(?:id|ID|ort)[ =:#]{1,3}\d+")
_PLACES, _NUMBERED_WORDS = ("/tmp/", "/var/folders/"), ("pid", "pID", "port", "Pid", "PID", "Port")  # noqa: S108 - words of texts
"""Words of which `_PLACE` and `_NUMBERED` need one."""
_WORD = re.compile(r"\w+")


def digest(text: str) -> int:
    """Hash a text to 63 bits, the same in every process."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def normal_arguments(given: str) -> str:
    """Return a call's arguments without what differs by itself: sorted members, free text as its set of words."""
    given = given[:MAX_ARGUMENT_CHARS]
    if given[:1] in {"{", "["}:
        try:
            return json.dumps(_normal_value(json.loads(given), exact=False), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            pass
    return normal_text(given)


def normal_result(output: str) -> str:
    """Return a result without what differs by itself; of a long one the beginning and the end."""
    if len(output) > MAX_RESULT_CHARS:
        half = MAX_RESULT_CHARS // 2
        output = f"{output[:half]}\n…{output.count(chr(10))}\n{output[-half:]}"
    return normal_text(output)


def normal_text(text: str) -> str:
    """Return a text without colours, times, ids, durations and temporary places, its white space as single spaces."""
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    text = _FROM_LETTER.sub("·", _FROM_DIGIT.sub("·", text))
    if any(map(text.__contains__, _PLACES)):
        text = _PLACE.sub("·", text)
    if any(map(text.__contains__, _NUMBERED_WORDS)):
        text = _NUMBERED.sub("·", text)
    return " ".join(text.split())


def _normal_value(value: object, *, exact: bool) -> object:
    if isinstance(value, dict):
        return {
            str(name): _normal_value(each, exact=_EXACT_MEMBER.search(str(name)) is not None)
            for name, each in value.items()
            if not _VOLATILE_MEMBER.search(str(name))
        }
    if isinstance(value, list):
        return [_normal_value(each, exact=exact) for each in value]
    if isinstance(value, str):
        words = [] if exact else _WORD.findall(value)
        return " ".join(sorted({word.casefold() for word in words})) if len(words) >= MIN_FREE_WORDS else normal_text(value)
    return value
