"""Other ways to tell a password: whose it is without a preposition, asides, answers, digits alone, rows under a header. All values are made up."""

from __future__ import annotations

import unicodedata

import pytest

from app.redaction import redact

VALUES = ("Hq8!vstLmr3", "cobble64w", "Autumn2032!")
TOLD = [
    "le mot de passe admin c'est {}",
    "le mot de passe postgres c’est {}",
    "mot de passe root : {}",
    "connecte-toi avec marie:{}",
    "connecte toi avec marie / {}",
    "conéctate con marta:{}",
    "verbinde dich mit jana:{}",
    "contraseña actual: {}",
    "la contraseña temporal es {}",
    "senha nova: {}",
    "password nuova: {}",
    "hasło admina: {}",
    "hasło użytkownika to {}",
    "heslo roota: {}",
    "пароль админа: {}",
    "lösen: {}",
    "LÖSEN: {}",
    "lösenet är {}",
    "ww: {}",
    "het ww is {}",
    "Server-PW war {}",
    "das alte pw lautet {}",
    "パスは {} です",
    "DBのパスは{}です",
    "パス：{}",
    "login anna / {}",
    "The password, as far as I know, is {}",
    "the password, since yesterday, is {}.",
    "Q: what is the password? A: {}",
    "What's the root password?\nA: {}\n",
    "Wie lautet das Passwort? Antwort: {}",
    "what is the password?\n{}\n",
    "пароль для базы {}",
    "пароль от тестового сервера {}",
]
DIGITS = [
    "the password is {}",
    "The root password is {}.",
    "das Passwort ist {}",
    "le mot de passe est {}",
    "the passcode is `{}`",
    "password: {}",
    "DB_PASSWORD={}",
    'password = "{}"',
    '"password": "{}"',
    "the password for the door is {} and the alarm is off",
]
NEAR_MISSES = """
Problem lösen: schritt2
Wir lösen: issue42
lösen: src/solver2x.py
ww: week23
www: example2x
バイパスは abc12x です
パスは src/app2x です
パスは step22 です
login page / form22
login form / oauth2
login success / step22
connecte-toi avec GitHub / Google
connecte-toi avec localhost:8080
mot de passe admin requis
mot de passe root : voir docs/acces2.md
contraseña nueva: mínimo 8 caracteres
hasło admina: co najmniej 8 znaków
The password, which is hashed, is never logged
The password, by the way, is required
Q: what is the password? A: see 1Password
Is this the password? A: no
what is the password?
the password is 12345
the password is 100000 iterations of pbkdf2
the password is 1234567 characters long
password: 16 digits
password_attempts: 1000000
password timeout: 3600000
PASSWORD_AGE=7776000
pass=730418 fail=3
password="111111"
password="12345"
password age is 7776000 seconds
пароль для сервера лежит в 1Password
пароль для базы postgres16
пароль для сервера node-3
user,password
"""


@pytest.mark.parametrize("text", TOLD, ids=ascii)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_password_is_hidden_however_it_is_told(text: str, value: str, form: str) -> None:
    written = unicodedata.normalize(form, text) if text[0] < "\u0400" and "\u30d1" not in text else text
    assert redact(written.replace("{}", value)).text == written.replace("{}", "[REDACTED:password]")


@pytest.mark.parametrize("text", DIGITS)
@pytest.mark.parametrize("value", ["730418", "50927364", "918273645501"])
def test_digits_alone_are_hidden_where_a_sentence_announces_them(text: str, value: str) -> None:
    assert redact(text.replace("{}", value)).text == text.replace("{}", "[REDACTED:password]")


@pytest.mark.parametrize("line", NEAR_MISSES.strip().splitlines(), ids=ascii)
def test_what_only_sounds_like_it_is_left_alone(line: str) -> None:
    assert redact(line).text == line


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("user,password", "anna,{}"),
        ("id,user,password,role", "7,anna,{},viewer"),
        ("password;user", "{};anna"),
        ("host\tuser\tpassword", "box\tanna\t{}"),
        ('"user","password"', '"anna","{}"'),
    ],
)
def test_the_cells_under_a_password_column_are_hidden(header: str, row: str) -> None:
    for value in VALUES:
        rows = f"{header}\n{row.replace('{}', value)}\n{row.replace('{}', 'Zt' + value)}\n"
        assert redact(rows).text == f"{header}\n" + f"{row.replace('{}', '[REDACTED:password]')}\n" * 2


@pytest.mark.parametrize(
    "text",
    [
        "user,password\nanna,required\nbob,step22\n",
        "user,password_hint\nanna,cobble64w\n",
        "user,password\n\ncobble64w,cobble65w,cobble66w\n",
        "name, password and more\nsee cobble64w, cobble65w\n",
        "user,password\nanna,cobble 64w\n",
        "insert(user,password)\nvalues(a,cobble64w)\n",
        "user,token\nanna,user_2_row\n",
    ],
)
def test_other_rows_are_left_alone(text: str) -> None:
    assert redact(text).text == text


HOSTILE = {
    "asides": "password, a" * 20_000,
    "qualifiers": "password root " * 15_000,
    "questions": "password?\n" * 20_000,
    "answers": "password? A: " * 15_000,
    "header": "user,password,token\n" * 10_000,
    "one wide header": "password," * 20_000,
    "pieces": "x2-" * 60_000,
    "labelled pieces": "password: " + "ab-2-" * 40_000,
    "breaks": "password =\n\n" * 15_000,
    "brackets": "password = (\n[\n" * 12_000,
    "cyrillic": "пароль для сервера " * 10_000,
    "block scalars": "password: >-\n  " * 12_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_read_to_its_end(text: str) -> None:
    """A rule that backtracks without a bound would not come back at all: the suite's own timeout would say so."""
    assert isinstance(redact(text).text, str)
