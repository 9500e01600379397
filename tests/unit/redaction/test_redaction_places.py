"""Secrets that the place gives away where no name stands before an equals sign, each with what only looks like it.

Every value is made up, and put together at run time so that no scanner flags this file.
"""

from __future__ import annotations

import base64
import random
import string

import pytest

from app.redaction import redact

_RANDOM = random.Random(41)
BASE62 = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def made(alphabet: str, length: int) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(length - 2)) + "a7"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SECRET = "xK9mQ2vL" + "8pR4tZ7w"
TYPED = "x9$Kq!" + "z7Lm2#"
LETTERS = "xQzKvWm" + "PtRgHbNsLd"
H32, H40, R32, R40 = made(HEX, 32), made(HEX, 40), made(BASE62, 32), made(BASE62, 40)
SEED = "KRSXG5CT" + "MVRXEZLU"
ACCOUNT = "A" + "C" + made(HEX, 32)
DISCORD = f"{encoded('123456789012345678')}.GaBcDe.{made(BASE62, 38)}"
PAT = "gh" + "p_" + made(BASE62, 36)
BCRYPT = "$2" + "y$05$" + made(BASE62, 53)
APR = "$ap" + "r1$x1Yq9d2k$" + made(BASE62, 22)

TOKENS = [
    ("{}", "xa" + "pp-1-A012BCD3EFG-1234567890123-" + SECRET, "slack-app-token"),
    ("{}", "xa" + "pp-1-A012bCD-abc123-" + R32, "slack-app-token"),
    ("bot: {}", DISCORD, "discord-bot-token"),
    ("client.login('{}')", DISCORD, "discord-bot-token"),
    (ACCOUNT + ":{}", H32, "twilio-token"),
    (f"Client('{ACCOUNT}', '{{}}')", H32, "twilio-token"),
    ("twilio auth {}", H32, "twilio-token"),
    ("Twilio auth token is {}", H32, "twilio-token"),
    ("twilio: {}", H32, "twilio-token"),
    ("https://{}@o123.ingest.sentry.io/1", H32, "sentry-dsn-key"),
    ("https://{}@github.com/ada/shop.git", H40, "url-password"),
    ("STRIPE={}", R32, "stripe-secret"),
    ("export OPENAI='{}'", R32, "openai-secret"),
    ("groq: {}", R40, "groq-secret"),
    ("GITHUB_PAT {}", R40, "github-token"),
    ("GITHUB_PAT={}", R40, "github-token"),
    ("GITHUB_TOKEN {}", H40, "github-token"),
    ("otpauth://totp/Shop:ada@example.org?secret={}&issuer=Shop", SEED, "totp-secret"),
    ("totp secret: {}", SEED, "totp-secret"),
    ("2FA seed: {}", "krsx g5ct mvrx ezlu", "totp-secret"),
]
MARKDOWN = [
    ("**Password:** `{}`", SECRET, "password"),
    ("**Password:** `{}`", LETTERS, "password"),
    ("| password | {} |", SECRET, "password"),
    ("| user | ada |\n| **DB password** | `{}` |", TYPED, "password"),
    ("│ password │ {} │", SECRET, "password"),
    ("| user | password | role |\n|---|---|---|\n| ada | {} | admin |", SECRET, "password"),
    (" user | password\n------+---------\n ada  | {}\n", SECRET, "password"),
    ("Password → {}", TYPED, "password"),
    ("Password -> {}", SECRET, "password"),
    ("password:\n  {}\n", SECRET, "password"),
    ("API key:\n\n    {}\n", R32, "api-key"),
    ("Password\n========\n{}\n", TYPED, "password"),
    ("Password\n--------\n\n{}\n", SECRET, "password"),
    ("## Password\n\n`{}`\n", LETTERS, "password"),
    ("## API token\n\n```\n{}\n```\n", R32, "token"),
    ("- Password\n  - {}\n", SECRET, "password"),
]
SHELL = [
    ('psql "host=h password={}"', SECRET, "password"),
    ("curl --user admin:{} http://h", SECRET, "curl-auth-user"),
    ("curl -u admin:{} http://h", LETTERS, "curl-auth-user"),
    ("wget --http-password={} http://h", SECRET, "password"),
    ("echo '{}' | sudo -S ls", SECRET, "password"),
    ('echo "{}" | docker login -u ada --password-stdin', SECRET, "password"),
    ("printf '%s\\n' {} | sudo -S ls", "dragon" + "fly", "password"),
    ("openssl enc -aes-256-cbc -in a -k {}", SECRET, "password"),
    ("openssl enc -aes-256-cbc -pass pass:{} -in a", SECRET, "password"),
    ("kubectl create secret generic a --from-literal=pw={}", SECRET, "password"),
    ("kubectl create secret generic a --from-literal=API_TOKEN={}", R32, "token"),
    ("password=%22{}%22&x=1", SECRET, "password"),
    ("next=%2F%3Fpassword%3D{}%26x%3D1", SECRET, "password"),
    ("mysql -p{} shop", SECRET, "password"),
    ("mysql -p{} shop", "x7Kq92LmZp40" + "TrWb+/a", "password"),
    ("sshpass -p {} ssh ada@h", LETTERS, "password"),
]
FILES = [
    ("pw: {}", SECRET, "password"),
    ("pw={}", TYPED, "password"),
    ("use the passphrase {} please", SECRET, "password"),
    ("Log in with password {}.", TYPED, "password"),
    ("host:5432:db:user:{}", SECRET, "password"),
    ("A=1\ndb.example.org:5433:*:ada:{}\n", TYPED, "password"),
    ("ada:{}", APR, "password-hash"),
    ("users:\n  - ada:{}\n", BCRYPT, "password-hash"),
    ('<add key="ApiKey" value="{}"/>', SECRET, "api-key"),
    ('<property name="db.password"\n  value="{}"/>', SECRET, "password"),
    ("PASSWORD='{}'", "short" + "6", "password"),
    ("A=1\nexport DB_PASSWORD='{}'\n", "drag" + "on", "password"),
]
LANGUAGES = [
    ("пароль: {}", SECRET, "password"),
    ("ПАРОЛЬ = {}", SECRET, "password"),
    ("Пароль — {}", TYPED, "password"),
    ("mot de passe : {}", SECRET, "password"),
    ("Le mot de passe est {}.", SECRET, "password"),
    ("contraseña: {}", SECRET, "password"),
    ("La contraseña es {}", TYPED, "password"),
    ("Passwort: {}", SECRET, "password"),
    ("Das Kennwort ist {}.", SECRET, "password"),
    ("Passwort lautet {}", SECRET, "password"),
    ("パスワード: {}", SECRET, "password"),
    ("パスワードは{}です", SECRET, "password"),
    ("パスワード：{}", SECRET, "password"),
    ("密码：{}", SECRET, "password"),
    ("密码是{}，请保密", SECRET, "password"),
    ("密码 = {}", TYPED, "password"),
    ("password：{}", SECRET, "password"),
]
ENCODED = [
    ("key {} end", encoded(PAT), "github-pat"),
    ("key {} end", encoded("x" + PAT), "github-pat"),
    ("key {} end", encoded("xy" + PAT), "github-pat"),
    ("{}", encoded("ada:" + PAT), "github-pat"),
    ("API={}", encoded("s" + "k-proj-" + made(BASE62, 60)), "openai-api-key"),
    ("data:\n  id: {}\n", encoded("AK" + "IAJ7Q2M4X8Z1C5V9B3"), "aws-access-token"),
    ("tls.key: {}", encoded(f"-----BEGIN PRIV{'ATE'} KEY-----\n{made(BASE62, 64)}\n{made(BASE62, 64)}\n"), "private-key"),
    ("Basic {}", encoded(f"ada:{SECRET}"), "authorization"),
]
PLACES = [*TOKENS, *MARKDOWN, *SHELL, *FILES, *LANGUAGES, *ENCODED]


@pytest.mark.parametrize(("shape", "value", "kind"), PLACES, ids=[f"{n}-{shape[:30]!a}" for n, (shape, _, _) in enumerate(PLACES)])
def test_a_secret_is_hidden_where_its_place_gives_it_away(shape: str, value: str, kind: str) -> None:
    text = shape.replace("{}", value)
    result = redact(text)
    assert result.text.replace("=", "") == shape.replace("{}", f"[REDACTED:{kind}]").replace("=", "")
    assert [text[finding.start : finding.end] for finding in result.findings] == [value]


def test_a_private_key_in_base64_is_hidden_to_its_last_line() -> None:
    body = "\n".join(made(BASE62, 64) for _ in range(80))
    whole = encoded(f"-----BEGIN RSA PRIV{'ATE'} KEY-----\n{body}\n-----END RSA PRIV{'ATE'} KEY-----\n")
    broken = "\n".join(whole[place : place + 76] for place in range(0, len(whole), 76))
    assert redact(f"tls.key: {whole}\nnext: line\n").text == "tls.key: [REDACTED:private-key]\nnext: line\n"
    assert redact(f"$ base64 key\n{broken}\n$ ls\n").text == "$ base64 key\n[REDACTED:private-key]\n$ ls\n"


def test_a_key_with_an_invisible_character_inside_is_hidden_whole() -> None:
    for mark in ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\\u200b"):
        text = f"\u200bthe key {mark} {PAT[:17]}{mark}{PAT[17:]}{mark} is old"
        result = redact(text)
        assert result.text == f"\u200bthe key {mark} [REDACTED:github-pat]{mark} is old"
        assert [text[finding.start : finding.end] for finding in result.findings] == [f"{PAT[:17]}{mark}{PAT[17:]}"]


def test_an_invisible_character_inside_a_name_or_at_a_keys_end_hides_nothing() -> None:
    assert redact(f"pass\u200bword: {SECRET}").text == "pass\u200bword: [REDACTED:password]"
    key = "AK" + "IAJ7Q2M4X8Z1C5V9B3"
    assert key not in redact(f"{key}\u200btext").text


LOOK_ALIKES = [
    # tokens
    "xapp-1-your-app-level-token-goes-here",
    "xapp-1-the-documentation-of-app-level-tokens",
    "MTIz.abc.def and index.module.something",
    f"{ACCOUNT} is the account, {H40} the commit",
    f"twilio/twilio-python@{H40}",
    f"twilio-9.0.0.tar.gz md5={H32}",
    "https://<key>@o123.ingest.sentry.io/1",
    "https://examplePublicKey@o0.ingest.sentry.io/0",
    "https://github.com/@types/node2",
    "ssh://deploy-user-of-the-shop@example.org",
    "ssh://687fb701029421ae5549d998@ssh.example.org",
    "mutate({username:e,password:j,useV3:!!t},{onSuccess:e=>{}})",
    "f({pw:t,useV3:r})",
    '{"datetime-local":!0,password:!0,range:!0,time:!0,url2:!0}',
    f"GITHUB_SHA={H40}",
    f"github: {H40}",
    f"GITHUB={H40}",
    'STRIPE="price_1MoBy5LkdIwHu7ixZhnattbh"',
    "stripe: stripe_webhook_handler_version_2",
    "GITHUB_TOKEN is unset in step2",
    "MAX_TOKENS 4096",
    "GITHUB_TOKEN environment_variable_in_step_2",
    "otpauth://totp/Shop?secret=<SECRET>&issuer=Shop",
    "otpauth://totp/Shop?secret=${SEED}",
    "totp secret: REPLACEMEWITHYOURSECRET",
    "TOTP SECRET VERIFICATIONFAILED",
    # Markdown
    "| password | string | The user's password |",
    "| password | VARCHAR(255) | not null |",
    "| Token | Meaning |\n|---|---|\n| max_tokens_2 | 4096 |\n| `cl100k_base` | sha256 |",
    "| secret | rotation |\n|---|---|\n| my-app-secret-2 | 30 days |",
    f"| token | {made(HEX, 8)}-1234-4abc-8def-{made(HEX, 12)} |",
    "Password → password2",
    "(password: string) -> User2",
    "def check(password) -> Result2: ...",
    "password:\n  type: string2\n",
    "password:\n  required\n",
    "password:\n  secretKeyRef:\n    name: db2\n",
    "Password\n========\n\nAt least 8 characters.\n",
    "## Token\n\nThe tokenizer is cl100k_base.\n",
    "## Secret\n\nsecrets_v2/index.md\n",
    "Password\nLogin2\n",
    # shell
    'psql "host=h password=$PGPASSWORD"',
    "curl -u admin:$PASSWORD http://h",
    "curl -u username:password http://h",
    "echo $PASSWORD | sudo -S ls",
    'echo "${PASSWORD}" | docker login --password-stdin',
    "cat pw.txt | docker login --password-stdin",
    "openssl enc -aes-256-cbc -in a -k $KEY",
    "openssl enc -aes-256-cbc -pass file:/run/secrets/pw2",
    "curl -k https://example.org/v2",
    "kubectl create secret generic a --from-literal=username=admin1 --from-literal=host=db-2.example.org",
    "kubectl create secret generic a --from-literal=pw=$PW2",
    "password=%22%3Cpassword%3E%22",
    "mysql -p shop2",
    "cp -pR src2 dst2",
    "sshpass -p $PASS2 ssh ada@h",
    # files
    "pw: string2",
    "const pw = getPassword2()",
    "use the passphrase argument2 please",
    "the password sha256 digest",
    "a password with 12 characters",
    "127.0.0.1:5432:5432",
    "ssh -L 5432:db:5432 ada@h",
    "db.example.org:5432:*:*:<password>",
    f'password_hash = "{BCRYPT}"',
    f"hash {APR}",
    '<add key="ApiKey" value="YOUR_API_KEY"/>',
    '<add key="ApiKeyHeader" value="X-Api-Key-2"/>',
    '<input name="password" value=""/>',
    '<option key="token" value="string2"/>',
    "PASSWORD='password'",
    "PASSWORD='changeme'",
    "PASSWORD='$OTHER'",
    "PASSWORD='your password'",
    'RESET_PASSWORD="reset-password"',
    'PASSWORD = "forgot"',
    # languages
    "пароль: обязательное поле",
    "Пароль должен содержать 8 символов и sha256",
    "mot de passe oublié ?",
    "mot de passe : au moins 8 caractères",
    "contraseña: <contraseña>",
    "La contraseña es obligatoria",
    "Passwort: mindestens 8 Zeichen",
    "Das Kennwort ist verschluesselt",
    "パスワードは8文字以上です",
    "密码：请输入8到20个字符",
    "密码是password",
    "密码 = ${PASSWORD2}",
    # base64
    encoded("The tokens were counted, and gh" + "p_ is a prefix of a key"),
    encoded("sk-learn is a library for machine learning, version 1.2.3"),
    encoded("-----BEGIN CERTIFICATE-----\n" + made(BASE62, 64)),
    # invisible characters
    "a\u200bb\u200cc \ufeffword\u00adbreak: 密码\u200b不能为空",
    f"commit \u200b{H40}",
]


@pytest.mark.parametrize("text", LOOK_ALIKES, ids=ascii)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert redact(text).text == text
