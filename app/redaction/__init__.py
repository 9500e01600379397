"""Finds and replaces secrets in text. The journal redacts before it writes, so what is found here is never stored.

Finds cloud and vendor keys, tokens, private keys and JWTs; passwords in URLs, headers, assignments, command lines, tables and
sentences; also in base64 or with invisible characters inside. Prefers false positives; placeholders, SHAs, UUIDs, hashes and code
are left alone. Knows nothing of sessions, and keeps nothing of a text.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.redaction import (
    announced,
    assignments,
    blocks,
    commands,
    concatenated,
    encoded,
    files,
    headers,
    invisible,
    layout,
    mnemonic,
    options,
    pairs,
    vendor_keys,
    vendor_names,
)
from app.redaction.finding import Finding, OffsetMap, Redacted, merge_overlaps, outside_placeholders, splice
from app.redaction.gate import RulePrefilter

__all__ = ["Finding", "Redacted", "redact", "suspicious"]

_TABLES = (blocks, vendor_keys, encoded, headers, commands, options, files, vendor_names, assignments, announced, pairs, layout, mnemonic)
_RULES = tuple(rule for table in _TABLES for rule in table.RULES)
_GATE = RulePrefilter((*_RULES, *concatenated.rules(RulePrefilter(_RULES))))
_PASSES = 5
"""Maximum passes. Replacing one secret can expose another's pattern, so a text is scanned until nothing is found; usually two passes."""


def redact(text: str) -> Redacted:
    """Replace every secret with `[REDACTED:kind]`. The findings' offsets refer to the original text.

    Idempotent. Linear time, whatever the text.
    """
    findings: list[Finding] = []
    current = text
    for _ in range(_PASSES):
        found = merge_overlaps(outside_placeholders(current, _findings(current)))
        if not found:
            break
        origin = OffsetMap(findings)
        findings = merge_overlaps([*findings, *map(origin.of, found)])
        current = splice(text, findings)
    return Redacted(current, tuple(findings))


def suspicious(text: str) -> bool:
    """Tell whether a text holds a secret. Stops at the first, so a text full of secrets costs no more than a clean one."""
    return next(_findings(text), None) is not None


def _findings(text: str) -> Iterator[Finding]:
    """Yield findings in the text as it is and, mapped back, without its invisible characters."""
    yield from _GATE.findings(text)
    if invisible.in_it(text):
        bare = invisible.Bare(text)
        yield from map(bare.original, _GATE.findings(bare.text))
