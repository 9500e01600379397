"""Secrets out of text. The journal asks before it writes, so what is found here is never stored.

Cloud and vendor keys, tokens, private keys, JWTs, passwords in addresses, headers, assignments and command lines. It errs on the
side of hiding; placeholders, SHAs, UUIDs, hashes and code are left alone. Knows nothing of sessions, and keeps nothing of a text.
"""

from __future__ import annotations

from app.redaction import assignments, blocks, headers, vendors
from app.redaction.finding import Finding, Origin, Redacted, settle, splice
from app.redaction.gate import Gate

__all__ = ["Finding", "Redacted", "redact"]

_GATE = Gate((*blocks.RULES, *vendors.RULES, *headers.RULES, *assignments.RULES))
_PASSES = 5
"""Hiding one secret can uncover the shape of another, so a text is read until nothing is found. Two passes are the rule."""


def redact(text: str) -> Redacted:
    """`text` with every secret replaced by `[REDACTED:kind]`. The findings' offsets are those of the text that was given.

    Redacting the result again finds nothing. Takes time in proportion to the length, whatever the text.
    """
    findings: list[Finding] = []
    current = text
    for _ in range(_PASSES):
        found = settle(_GATE.findings(current))
        if not found:
            break
        origin = Origin(findings)
        findings = settle([*findings, *map(origin.of, found)])
        current = splice(text, findings)
    return Redacted(current, tuple(findings))
