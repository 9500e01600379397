"""Passwords made of words joined by `-` or `_`, and the names that look much the same. All values are made up."""

from __future__ import annotations

import pytest

from app.redaction import redact

VALUES = (
    "mQ41-cellar-Viola",
    "Bramble-Ferry-58-Walnut",
    "Rv3_molToba_6",
    "Kessel-Wiese-4482",
    "zk4-lom-tarn-2",
    "bramble-ferry-58-walnut",
    "Copper_Ladle_7",
)
PLACES = (
    "password: {}",
    'password="{}"',
    "password = '{}'",
    '"password": "{}"',
    "DB_PASSWORD={}",
    "The password is {}",
    "the password for the database is {}",
    "set the admin password to {}",
    "Das Passwort ist {}.",
    "le mot de passe est {}",
    "la contraseña es {}",
    "api_key: {}",
    'client_secret: "{}"',
)
NAMES = """
password: my-db-secret
password: my-db-secret-2
password: db-password-1
password: prod-db-1-primary
password: us-east-1
password: user_2_row
password: row_3_cell
password = MAX_AGE_30
password: "MAX_AGE_30_DAYS"
password: "password-field-2"
password: "auth_password_2_hint"
password: "login-step-2-title"
"password": "form-control-2-large"
"password": "X-Vault-Token-2"
"password": "Content-Type"
"password": "user-defined-and-stored-encrypted"
the password is at-least-8-characters
the password is case-sensitive-since-2031
the password is test_rejects_2_users
the password is should-fail-on-2-tries
the password is SHA-512-HMAC
secretName: db-creds
secretName: db-creds-2-blue
secret: shop-tls-2
password: shopping-catalog-2031-04
password_field: Bramble-Ferry-58-Walnut
api_key: your-api-key
api_key: your-api-key-2
api_key: tenant-2-key
token: claude-3-5-sonnet
token: ubuntu-22-04-minimal
token: release-v2-3-1
password: ./cellar-3-viola.txt
password: cellar-3-viola.txt
"""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", VALUES)
def test_joined_words_behind_a_label_are_hidden(place: str, value: str) -> None:
    kind = redact(place.replace("{}", value)).findings[0].kind
    assert redact(place.replace("{}", value)).text == place.replace("{}", f"[REDACTED:{kind}]")


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_a_name_behind_a_label_is_left_alone(line: str) -> None:
    assert redact(line).text == line
