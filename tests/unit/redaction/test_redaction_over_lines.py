"""Passwords whose literal stands below their name, in one piece or in several. All values are made up."""

from __future__ import annotations

import pytest

from app.redaction import redact

FIRST, SECOND = "Walrus!", "Kiosk28"
TEXTS = [
    "const password =\n  '{a}' +\n  '{b}';",
    'const password: string =\n    "{a}" +\n    "{b}";',
    "const dbPassword =\n  '{a}{b}';",
    "dbPassword:\n  '{a}{b}',",
    "password = (\n  '{a}' +\n  '{b}'\n)",
    "password = (\n    '{a}'\n    '{b}'\n)",
    'password = (\n    f"{a}"\n    f"{b}"\n)',
    "password = '{a}' + \\\n    '{b}'",
    'password = "{a}" +\\\n    "{b}"',
    "password = \\\n    '{a}{b}'",
    "password = \\\n    '{a}' \\\n    '{b}'",
    "password = [\n  '{a}',\n  '{b}'\n].join('')",
    'const password =\n  ["{a}", "{b}"].join("")',
    "const password =\\n  '{a}' +\\n  '{b}';",
    "password: >-\n  {a}{b}",
    "password: |\n    {a}{b}\nuser: bob\n",
    "password: |-\\n  {a}{b}\\nuser: bob",
    "const password =\r\n  '{a}' +\r\n  '{b}';",
]
INNOCENT = [
    "password:\n  'minimum8': true",
    "password:\n  \"too_short2\": 'at least 8'",
    "const password =\n  'Enter 8 characters';",
    "const password =\n  'required' +\n  'field';",
    "password: >-\n  The password of user2 is kept elsewhere",
    "password: |\n  required\n",
    "password = (\n  'is ' +\n  'hashed2'\n)",
    "const label =\n  'Walrus!' +\n  'Kiosk28';",
    "password = [\n  'required',\n  'between'\n].join('|')",
    "password:\n\nnode28x",
]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("pieces", [(FIRST, SECOND), ("Moss71#tQd", "anvils"), ("gable", "5Jq#2kTz")], ids=str)
def test_every_piece_below_its_name_is_hidden(text: str, pieces: tuple[str, str]) -> None:
    written = text.replace("{a}", pieces[0]).replace("{b}", pieces[1])
    found = redact(written).text
    assert not any(piece in found for piece in pieces), found
    assert "[REDACTED:password]" in found


@pytest.mark.parametrize("text", INNOCENT, ids=ascii)
def test_what_stands_below_a_name_without_being_its_secret_is_left_alone(text: str) -> None:
    assert redact(text).text == text
