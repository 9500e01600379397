"""Finds well-known keys inside base64: a run that shows a key prefix's encoding is decoded and scanned.

Knows only the keys of `vendor_keys.py` and `blocks.py`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from app.redaction import blocks, vendor_keys
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule, RulePrefilter

_PREFIXES = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "npm_", "dckr_pat_", "pypi-"),
    *("sk-", "sk-ant-", "sk-proj-", "sk-or-", "sk_live_", "sk_test_", "rk_live_", "whsec_", "gsk_", "cairn_"),
    *("AKIA", "ASIA", "AIza", "xoxb-", "xoxp-", "xapp-", "hvs.", "dop_v1_", "SG.", "hf_"),
    *("-----BEGIN PRIV", "-----BEGIN RSA PRIV", "-----BEGIN EC PRIV", "-----BEGIN OPENSSH PRIV", "-----BEGIN ENCRYPTED PRIV"),
)
_MIN_SHOWN = 4
"""Minimum encoded characters of a prefix: shorter ones occur by chance."""
_MIN_RUN = 16
_MAX_BEFORE = 400
_MAX_AFTER = 4000
_BEFORE = re.compile(r"[A-Za-z0-9+/_-]*+")
_AFTER = re.compile(r"[A-Za-z0-9+/_-]*+={0,2}")
_FOLLOWING = re.compile(r"(?:(?:\r?\n|\\n)[ \t]{0,12}[A-Za-z0-9+/]{16,120}+={0,2}(?![^\s\\\"']))*")
_MIN_LINE = 60
_PLAIN = str.maketrans("-_", "+/")
_GATE = RulePrefilter((*blocks.RULES, *vendor_keys.RULES))


def _encoded_forms(prefix: str) -> Iterator[str]:
    """Yield a prefix's base64 forms, one for each alignment to the 3-byte groups."""
    for shift, first in enumerate((0, 2, 3)):
        encoded = base64.b64encode(bytes(shift) + prefix.encode()).decode()
        shown = encoded[first : (shift + len(prefix)) * 8 // 6]
        if len(shown) >= _MIN_SHOWN:
            yield shown.lower()


def _find(text: str, at: int) -> Iterator[Finding]:
    before = _BEFORE.match(text[max(0, at - _MAX_BEFORE) : at][::-1])
    start = at - before.end() if before else at
    if at - start >= _MAX_BEFORE or not (run := _AFTER.match(text, at, at + _MAX_AFTER)) or run.end() - start < _MIN_RUN:
        return
    found = next(iter(_GATE.findings(_decoded(text[start : run.end()]))), None)
    if found:
        yield Finding(found.kind, start, _end(text, start, at))


def _end(text: str, start: int, at: int) -> int:
    """Return the end of the base64 text, which is often broken into lines of 64 or 76."""
    run = _AFTER.match(text, at)
    end = run.end() if run else at
    following = _FOLLOWING.match(text, end) if end - start >= _MIN_LINE else None
    return following.end() if following else end


def _decoded(encoded: str) -> str:
    bare = encoded.rstrip("=").translate(_PLAIN)
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("latin-1")


RULES = (RedactionRule(tuple(dict.fromkeys(shown for prefix in _PREFIXES for shown in _encoded_forms(prefix))), _find),)
