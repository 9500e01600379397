"""Secrets out of text. The journal asks before it writes, so what is found here is never stored.

Cloud and vendor keys, tokens, private keys, JWTs; passwords in addresses, headers, assignments, command lines, tables and
sentences; also in base64 or with invisible characters inside. It errs on the side of hiding; placeholders, SHAs, UUIDs, hashes
and code are left alone. Knows nothing of sessions, and keeps nothing of a text.
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
    owners,
    pairs,
    vendors,
)
from app.redaction.finding import Finding, Origin, Redacted, outside_placeholders, settle, splice
from app.redaction.gate import Gate

__all__ = ["Finding", "Redacted", "redact", "suspicious"]

_TABLES = (blocks, vendors, encoded, headers, commands, options, files, owners, assignments, announced, pairs, layout, mnemonic)
_RULES = tuple(rule for table in _TABLES for rule in table.RULES)
_GATE = Gate((*_RULES, *concatenated.rules(Gate(_RULES))))
_PASSES = 5
"""Hiding one secret can uncover the shape of another, so a text is read until nothing is found. Two passes are the rule."""


def redact(text: str) -> Redacted:
    """`text` with every secret replaced by `[REDACTED:kind]`. The findings' offsets are those of the text that was given.

    Redacting the result again finds nothing. Takes time in proportion to the length, whatever the text.
    """
    findings: list[Finding] = []
    current = text
    for _ in range(_PASSES):
        found = settle(outside_placeholders(current, _findings(current)))
        if not found:
            break
        origin = Origin(findings)
        findings = settle([*findings, *map(origin.of, found)])
        current = splice(text, findings)
    return Redacted(current, tuple(findings))


def suspicious(text: str) -> bool:
    """Whether the rules find anything. It stops there, so a text crammed with secrets costs no more than a clean one."""
    return next(_findings(text), None) is not None


def _findings(text: str) -> Iterator[Finding]:
    """What the rules find in the text as it is, and as it looks."""
    yield from _GATE.findings(text)
    if invisible.in_it(text):
        bare = invisible.Bare(text)
        yield from map(bare.original, _GATE.findings(bare.text))
