"""Redaction on the public transcripts, whose live keys were replaced before they were published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.redaction import redact

pytestmark = pytest.mark.long

KEY = "gh" + "p_" + "A1b2C3d4E5" * 3 + "f6G7h8"


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_text("utf-8", "replace")


def test_nothing_is_hidden_in_real_sessions_that_hold_no_secret(shared_data: Path) -> None:
    found: dict[str, Counter[str]] = {}
    characters = 0
    for name, text in texts(shared_data / "transcripts"):
        characters += len(text)
        if findings := redact(text).findings:
            found[name] = Counter(finding.kind for finding in findings)
            print(name, dict(found[name]))
    assert characters > 10_000_000
    assert found == {}


def test_a_key_inside_a_real_session_is_hidden(shared_data: Path) -> None:
    for name, text in texts(shared_data / "transcripts"):
        breaks = [place for place, character in enumerate(text[:200_000]) if character in " \n"]
        if not breaks:
            continue
        place = breaks[len(breaks) // 2]
        result = redact(f"{text[:place]} {KEY} {text[place:]}")
        assert [(finding.kind, finding.start) for finding in result.findings] == [("github-pat", place + 1)], name
        assert result.text == f"{text[:place]} [REDACTED:github-pat] {text[place:]}"
