"""What must be hidden. Every key here is made up, and put together at run time so that no scanner flags this file."""

from __future__ import annotations

import base64
import random
import string

import pytest

from app.redaction import redact

_RANDOM = random.Random(20)
BASE62 = string.ascii_letters + string.digits
URLSAFE = BASE62 + "-_"
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits


def made(alphabet: str, length: int) -> str:
    """Characters of a made-up key: no words, and a digit and a letter among them."""
    return (
        "".join(_RANDOM.choice(alphabet) for _ in range(length - 2)) + "a7"
        if alphabet != UPPER
        else "".join(_RANDOM.choices(UPPER, k=length))
    )


def jwt() -> str:
    parts = ('{"alg":"HS256","typ":"JWT"}', '{"sub":"42","name":"Ada"}')
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "." + made(URLSAFE, 43)


KEYS = [
    ("aws-access-token", "AK" + "IA" + made(UPPER, 16)),
    ("aws-access-token", "AS" + "IA" + made(UPPER, 16)),
    ("gcp-api-key", "AI" + "za" + made(URLSAFE, 35)),
    ("gcp-oauth-client-secret", "GOC" + "SPX-" + made(URLSAFE, 28)),
    ("gcp-oauth-token", "ya" + "29." + made(URLSAFE, 80)),
    ("azure-ad-client-secret", "k3P8" + "Q~" + made(BASE62, 34)),
    ("github-pat", "gh" + "p_" + made(BASE62, 36)),
    ("github-pat", "gh" + "p_" + "A1b2" * 9),
    ("github-oauth", "gh" + "o_" + made(BASE62, 36)),
    ("github-app-token", "gh" + "s_" + made(BASE62, 36)),
    ("github-refresh-token", "gh" + "r_" + made(BASE62, 76)),
    ("github-fine-grained-pat", "github" + "_pat_" + made(BASE62, 22) + "_" + made(BASE62, 59)),
    ("gitlab-pat", "gl" + "pat-" + made(URLSAFE, 20)),
    ("gitlab-pat", "gl" + "rt-" + made(URLSAFE, 20)),
    ("slack-token", "xox" + "b-" + "123456789012-1234567890123-" + made(BASE62, 24)),
    ("slack-token", "xox" + "p-" + "123456789012-123456789012-" + made(HEX, 32)),
    ("slack-app-token", "xa" + "pp-1-" + made(UPPER, 11) + "-1234567890123-" + made(HEX, 64)),
    ("slack-webhook-url", "hooks.sl" + "ack.com/services/T" + made(UPPER, 10) + "/B" + made(UPPER, 10) + "/" + made(BASE62, 24)),
    ("discord-webhook-url", "discord.c" + "om/api/webhooks/123456789012345678/" + made(URLSAFE, 68)),
    ("stripe-access-token", "sk" + "_live_" + made(BASE62, 24)),
    ("stripe-access-token", "rk" + "_test_" + made(BASE62, 99)),
    ("stripe-webhook-secret", "wh" + "sec_" + made(BASE62, 32)),
    ("twilio-api-key", "S" + "K" + made(HEX, 32)),
    ("sendgrid-api-token", "S" + "G." + made(URLSAFE, 22) + "." + made(URLSAFE, 43)),
    ("mailgun-private-api-token", "ke" + "y-" + made(HEX, 32)),
    ("mailchimp-api-key", made(HEX, 32) + "-us" + "12"),
    ("npm-access-token", "np" + "m_" + made(BASE62, 36)),
    ("pypi-upload-token", "py" + "pi-AgEIcHlwaS5vcmc" + made(URLSAFE, 70)),
    ("docker-token", "dckr" + "_pat_" + made(URLSAFE, 27)),
    ("huggingface-access-token", "h" + "f_" + made(BASE62, 34)),
    ("openai-api-key", "s" + "k-" + made(BASE62, 20) + "T3Blbk" + "FJ" + made(BASE62, 20)),
    ("openai-api-key", "sk" + "-proj-" + made(URLSAFE, 120)),
    ("anthropic-api-key", "sk" + "-ant-api03-" + made(URLSAFE, 93) + "AA"),
    ("groq-api-key", "gs" + "k_" + made(BASE62, 52)),
    ("openrouter-api-key", "sk" + "-or-v1-" + made(HEX, 64)),
    ("xai-api-key", "x" + "ai-" + made(BASE62, 80)),
    ("cairn-key", "cai" + "rn_" + made(HEX, 12) + "_" + made(URLSAFE, 43)),
    ("databricks-api-token", "da" + "pi" + made(HEX, 32)),
    ("vault-token", "hv" + "s." + made(URLSAFE, 90)),
    ("digitalocean-token", "do" + "p_v1_" + made(HEX, 64)),
    ("heroku-api-key", "HR" + "KU-" + made(URLSAFE, 60)),
    ("telegram-bot-api-token", "1234567890" + ":A" + "A" + made(URLSAFE, 33)),
    ("shopify-token", "shp" + "at_" + made(HEX, 32)),
    ("square-access-token", "sq0" + "atp-" + made(URLSAFE, 22)),
    ("linear-api-key", "lin" + "_api_" + made(BASE62, 40)),
    ("notion-api-token", "nt" + "n_" + made(BASE62, 46)),
    ("sentry-token", "snt" + "ryu_" + made(HEX, 64)),
    ("new-relic-api-key", "NR" + "AK-" + made(UPPER, 27)),
    ("new-relic-license-key", made(HEX, 36) + "NR" + "AL"),
    ("fly-access-token", "fo" + "1_" + made(URLSAFE, 43)),
    ("fly-access-token", "fm" + "2_" + made(BASE62, 120)),
    ("vercel-token", "vc" + "p_" + made(BASE62, 56)),
    ("supabase-token", "sb" + "p_" + made(HEX, 40)),
    ("hashicorp-tf-api-token", made(BASE62, 14) + ".atl" + "asv1." + made(URLSAFE, 67)),
    ("pulumi-api-token", "pu" + "l-" + made(HEX, 40)),
    ("grafana-token", "gl" + "sa_" + made(BASE62, 41)),
    ("age-secret-key", "AGE-SEC" + "RET-KEY-1" + made(UPPER, 58)),
    ("atlassian-api-token", "ATA" + "TT3" + made(URLSAFE, 180)),
    ("postman-api-token", "PM" + "AK-" + made(HEX, 24) + "-" + made(HEX, 34)),
    ("planetscale-token", "psc" + "ale_tkn_" + made(BASE62, 43)),
    ("tailscale-key", "tsk" + "ey-auth-" + made(BASE62, 12) + "-" + made(BASE62, 32)),
    ("jwt", jwt()),
]
SURROUNDINGS = [
    "{}",
    "The key is {}.",
    '"{}"',
    "KEY={}\n",
    "x: `{}`, y",
    "({})",
    "\\n{}\\n",
    "密钥:{}。",
    "<b>{}</b>",
    "\t{};",
    "a={}&b=1",
    "?next=%20{}",
    "\x1b[33m{}\x1b[0m",
    "\x1b[1;32m{}",
]


@pytest.mark.parametrize(("kind", "key"), KEYS, ids=[f"{kind}-{number}" for number, (kind, _) in enumerate(KEYS)])
def test_a_key_is_hidden_whole_wherever_it_stands(kind: str, key: str) -> None:
    for surrounding in SURROUNDINGS:
        text = surrounding.format(key)
        result = redact(text)
        assert result.text == surrounding.format(f"[REDACTED:{kind}]"), text
        assert [text[finding.start : finding.end] for finding in result.findings] == [key]


PASSWORD = "hun" + "ter2"
STRONG = "c0rrect!H0rse" + "Battery"
TOKEN = made(BASE62, 32)
HASHED = made(HEX, 40)
AWS_SECRET = made(BASE62, 38) + "/x"
BASIC = base64.b64encode(f"ada:{STRONG}".encode()).decode()

NAMED = [
    ("password={}", PASSWORD, "password"),
    ("password: {}", PASSWORD, "password"),
    ('password = "{}"', STRONG, "password"),
    ("DB_PASSWORD={}", STRONG, "password"),
    ("export PGPASSWORD='{}'", PASSWORD, "password"),
    ('{{"user": "ada", "password": "{}"}}', PASSWORD, "password"),
    ('{{\\"password\\": \\"{}\\"}}', PASSWORD, "password"),
    ("<password>{}</password>", PASSWORD, "password"),
    ("**Password:** `{}`", STRONG, "password"),
    ("the password is {}", STRONG, "password"),
    ("passphrase: {}", STRONG, "password"),
    ("Server=db;User Id=sa;Password={};Encrypt=true", STRONG, "password"),
    ("Server=db;Uid=sa;Pwd={};", STRONG, "password"),
    ("SMTP_PASS={}", PASSWORD, "password"),
    ("config['password'] = '{}'", STRONG, "password"),
    ("const password: string = '{}';", STRONG, "password"),
    ('user.setPassword("{}")', STRONG, "password"),
    ("tool --password {} --host db", STRONG, "password"),
    ("tool --password={}", STRONG, "password"),
    ("mysql -u root -p{} shop", STRONG, "password"),
    ("sshpass -p '{}' ssh ada@host", STRONG, "password"),
    ("machine example.org login ada password {}", STRONG, "password"),
    ("machine example.org\n  login ada\n  password {}\n", STRONG, "password"),
    ("curl -u ada:{} https://example.org", STRONG, "curl-auth-user"),
    ("postgres://ada:{}@db.example.org:5432/shop", STRONG.replace("!", "-"), "url-password"),
    ("postgresql+asyncpg://ada:{}@db/shop?ssl=true", PASSWORD, "url-password"),
    ("redis://:{}@cache:6379/0", PASSWORD, "url-password"),
    ("mongodb+srv://ada:{}@cluster0.mongodb.net", "p@ss:w0rd", "url-password"),
    ('"api_key": "{}"', TOKEN, "api-key"),
    ("apiKey: '{}'", TOKEN, "api-key"),
    ("api-key={}", TOKEN, "api-key"),
    ("API key: {}", TOKEN, "api-key"),
    ("x-api-key: {}", TOKEN, "api-key"),
    ('headers = {{"X-API-Key": "{}"}}', TOKEN, "api-key"),
    ("export FOO_TOKEN={}", TOKEN, "token"),
    ("?access_token={}&x=1", TOKEN, "token"),
    ("token: {}", HASHED, "token"),
    ("CLIENT_SECRET={}", TOKEN, "secret"),
    ('SECRET_KEY = "{}"', made(HEX, 64), "secret"),
    ("--token {}", TOKEN, "token"),
    ('os.environ["APP_TOKEN"] = "{}"', TOKEN, "token"),
    ('getenv("APP_TOKEN", "{}")', TOKEN, "token"),
    ("//registry.example.org/:_authToken={}", TOKEN, "token"),
    ("DD_API_KEY={}", made(HEX, 32), "datadog-api-key"),
    ("CLOUDFLARE_API_TOKEN={}", made(URLSAFE, 40), "cloudflare-token"),
    ("TWILIO_AUTH_TOKEN={}", made(HEX, 32), "twilio-token"),
    ("HEROKU_API_KEY=01234567-89ab-cdef-0123-{}", "", "heroku-api-key"),
    ("aws_secret_access_key = {}", AWS_SECRET, "aws-secret-access-key"),
    ("AWS Secret Access Key [None]: {}", AWS_SECRET, "aws-secret-access-key"),
    ('"SecretAccessKey": "{}"', AWS_SECRET, "aws-secret-access-key"),
    ("AccountName=shop;AccountKey={}==;EndpointSuffix=x", made(BASE62, 86), "azure-account-key"),
    ("https://x.blob.core.windows.net/c?sv=2024&sig={}", made(BASE62, 44), "azure-sas-signature"),
    ("Authorization: Bearer {}", TOKEN, "authorization"),
    ('-H "Authorization: Bearer {}"', TOKEN, "authorization"),
    ("'Authorization': 'token {}'", HASHED, "authorization"),
    ("Authorization: Basic {}", BASIC, "authorization"),
    ('"auths": {{"x": {{"auth": "{}"}}}}', BASIC, "docker-auth"),
    ("Cookie: theme=dark; sessionid={}; lang=en", TOKEN, "cookie"),
    ("Set-Cookie: sid={}; Path=/; HttpOnly", TOKEN, "cookie"),
    ("Cookie: PHPSESSID={}", made(HEX, 26), "cookie"),
]


@pytest.mark.parametrize(("shape", "value", "kind"), NAMED, ids=[shape[:40] for shape, _, _ in NAMED])
def test_a_secret_is_hidden_where_a_name_gives_it_away(shape: str, value: str, kind: str) -> None:
    if not value:
        shape, value = "HEROKU_API_KEY={}", "01234567-89ab-cdef-0123-456789abcdef"
    text = shape.format(value)
    result = redact(text)
    assert value not in result.text
    assert [(finding.kind, text[finding.start : finding.end].rstrip("=")) for finding in result.findings] == [(kind, value)]


def test_an_address_keeps_its_user_and_its_host() -> None:
    assert redact(f"postgres://ada:{STRONG}@db:5432/shop").text == "postgres://ada:[REDACTED:url-password]@db:5432/shop"


def test_the_secret_next_to_an_aws_key_id_is_hidden_too() -> None:
    identity = "AK" + "IA" + made(UPPER, 16)
    assert redact(f"{identity},{AWS_SECRET}\n").text == "[REDACTED:aws-access-token],[REDACTED:aws-secret-access-key]\n"


def test_a_password_in_an_environment_file_is_hidden_to_the_end_of_its_line() -> None:
    assert redact("A=1\nDB_PASSWORD=x7,y(8)&z#Q\nB=2\n").text == "A=1\nDB_PASSWORD=[REDACTED:password]\nB=2\n"


def test_a_vendors_kind_wins_over_the_name_it_stands_under() -> None:
    key = "gh" + "p_" + made(BASE62, 36)
    assert redact(f"password={key}").text == "password=[REDACTED:github-pat]"
    assert redact(f"https://ada:{key}@github.com/a/b").text == "https://ada:[REDACTED:github-pat]@github.com/a/b"


# Private keys


def block(kind: str, lines: int = 6, width: int = 64) -> tuple[str, list[str], str]:
    return f"-----BEGIN {kind}-----", [made(BASE62 + "+/", width) for _ in range(lines)], f"-----END {kind}-----"


BLOCKS = [
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
]


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_private_key_is_hidden_with_its_header_and_its_end(kind: str) -> None:
    header, body, end = block(kind)
    assert redact("\n".join(["before", header, *body, end, "after"])).text == "before\n[REDACTED:private-key]\nafter"


def test_a_private_key_with_fields_and_a_checksum_is_hidden_whole() -> None:
    header, body, end = block("PGP PRIVATE KEY BLOCK")
    text = "\n".join([header, "Version: GnuPG v2", "", *body, "=aB3d", end])
    assert redact(text).text == "[REDACTED:private-key]"
    header, body, end = block("RSA PRIVATE KEY")
    assert (
        redact("\n".join([header, "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0A1B2C", "", *body, end])).text
        == "[REDACTED:private-key]"
    )


def test_a_private_key_in_a_service_accounts_json_is_hidden() -> None:
    header, body, end = block("PRIVATE KEY")
    text = '{"type": "service_account", "private_key": "' + "\\n".join([header, *body, end]) + '\\n", "client_id": "1"}'
    result = redact(text)
    assert [finding.kind for finding in result.findings] == ["private-key"]
    assert not any(line in result.text for line in body)
    assert result.text.endswith('"client_id": "1"}')


@pytest.mark.parametrize(
    "decorate",
    [
        lambda number, line: f"{number:6}→{line}",
        lambda number, line: f"{number:6}\t{line}",
        lambda number, line: f"+{line}",
        lambda number, line: f"> {line}",
        lambda number, line: f"    {line}",
        lambda number, line: f'"{line}\\n" +',
        lambda number, line: f"│ {line} │",
        lambda number, line: f"{number}: {line}",
    ],
)
def test_a_private_key_in_a_listing_a_diff_or_a_table_is_hidden(decorate) -> None:  # type: ignore[no-untyped-def]
    header, body, end = block("RSA PRIVATE KEY")
    result = redact("\n".join(decorate(number, line) for number, line in enumerate([header, *body, end], start=1)))
    assert [finding.kind for finding in result.findings] == ["private-key"]
    assert not any(line in result.text for line in body)


def test_a_private_key_that_was_cut_off_is_hidden_and_the_text_after_it_is_not() -> None:
    header, body, _ = block("OPENSSH PRIVATE KEY")
    assert redact("\n".join([header, *body])).text == "[REDACTED:private-key]"
    assert redact("\n".join([header, *body, body[0][:9]])).text == "[REDACTED:private-key]"
    assert redact("\n".join([header, *body, "", "The key above is old."])).text == "[REDACTED:private-key]\n\nThe key above is old."


# Keys that a narrow terminal cut

LONG = [("openai-api-key", "sk" + "-proj-" + made(URLSAFE, 120)), ("anthropic-api-key", "sk" + "-ant-api03-" + made(URLSAFE, 93))]
LONG += [("github-pat", "gh" + "p_" + made(BASE62, 36)), ("gcp-api-key", "AI" + "za" + made(URLSAFE, 35)), ("jwt", jwt())]


def pieces(key: str, width: int) -> list[str]:
    return [key[place : place + width] for place in range(0, len(key), width)]


@pytest.mark.parametrize(("kind", "key"), LONG, ids=[kind for kind, _ in LONG])
@pytest.mark.parametrize("border", ["│", "|", "┃"])
@pytest.mark.parametrize("width", [21, 26, 34])
def test_a_key_wrapped_in_a_terminals_table_is_hidden_in_every_row(kind: str, key: str, border: str, width: int) -> None:
    rows = pieces(key, width)
    table = [
        f"{border} {name:8} {border} {row:{width}} {border} {when:10} {border}"
        for name, row, when in zip(["SOME_KEY", *[""] * 20], rows, ["2026-01-02", *[""] * 20], strict=False)
    ]
    result = redact("\n".join(["┌──────────┐", *table, "└──────────┘", "done"]))
    assert not any(row in result.text for row in rows if len(row) > 2), result.text
    assert {finding.kind for finding in result.findings} == {kind}
    assert "2026-01-02" in result.text
    assert result.text.endswith("done")


@pytest.mark.parametrize(("kind", "key"), LONG, ids=[kind for kind, _ in LONG])
def test_a_key_wrapped_inside_its_assignment_is_hidden(kind: str, key: str) -> None:
    half = len(key) // 2
    first, second = f"KEY={key[:half]}", key[half:]
    width = len(first)
    result = redact(f"│ {first} │\n│ {second[:width]:{width}} │\n│ {second[width:]:{width}} │\n")
    assert second not in result.text
    assert {finding.kind for finding in result.findings} == {kind}


@pytest.mark.parametrize(("kind", "key"), LONG, ids=[kind for kind, _ in LONG])
def test_a_key_cut_by_the_terminals_width_is_hidden(kind: str, key: str) -> None:
    line = "export SOME_RATHER_LONG_NAME_OF_A_VARIABLE=".ljust(60, "x") + " "
    rows = [key[:25], key[25:]]
    result = redact(f"{line}{rows[0]}\n{rows[1]}\nnext line\n")
    assert rows[1] not in result.text
    assert {finding.kind for finding in result.findings} == {kind}
    assert "next line" in result.text


def test_the_row_below_a_whole_key_is_left_alone() -> None:
    key = "gh" + "p_" + made(BASE62, 36)
    result = redact(f"│ one │ {key} │\n│ two │ something4else               │\n")
    assert "something4else" in result.text
    assert [finding.kind for finding in result.findings] == ["github-pat"]
