"""What holds for every text: offsets, idempotence, and that nothing around a secret hides it."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.redaction import Redacted, redact

KEYS = (
    ("github-pat", "gh" + "p_" + "A1b2" * 9),
    ("aws-access-token", "AK" + "IA" + "J7Q2M4X8Z1C5V9B3"),
    ("anthropic-api-key", "sk" + "-ant-api03-" + "xK9_2fLq" * 11),
    ("private-key", "-----BEGIN RSA PRIV" + "ATE KEY-----\n" + ("q7Zx" * 16 + "\n") * 3 + "-----END RSA PRIVATE KEY-----"),
)
PIECES = (
    *(key for _, key in KEYS),
    *(
        "password=",
        "password: ",
        '"api_key": "',
        "token=",
        "secret",
        "--password ",
        "Authorization: Bearer ",
        "Cookie: ",
        "sid=",
        "://u:",
    ),
    *(
        "@host",
        "hunter2",
        "x7Kq92LmZp40TrWb",
        "ghp_",
        "sk-",
        "eyJhbGciOi.",
        "AKIA",
        "-----BEGIN PRIVATE KEY-----",
        "[REDACTED:jwt]",
    ),
    *(
        "пароль: ",
        "密码是",
        "mot de passe : ",
        "Password → ",
        "\nPassword\n====\n",
        "| password | ",
        "|---|---|",
        "echo x7Kq92LmZp40",
        " | sudo -S",
        "otpauth://totp/a?secret=",
        "STRIPE=",
        "https://4518a705d19c432d0fc70242ecd800ea@o1.ingest.sentry.io/1",
        "twilio ",
        "GITHUB_TOKEN ",
        "host:5432:db:ada:",
        "ada:$2y$05$",
        "PASSWORD='dragon'",
        "%22",
        "Z2hwX0ExYjJBMWIyQTFiMkExYjJBMWIyQTFiMkExYjJBMWIy",
        "\u200b",
        "\u00ad",
        "\\u200b",
    ),
    *(
        "│",
        "|",
        "\n",
        "\\n",
        " ",
        '"',
        "'",
        "\\",
        "=",
        ":",
        ";",
        ",",
        "&",
        "(",
        ")",
        "İ",
        "密码",
        "a",
        "7",
        ".",
        "-",
        "_",
        "[REDACTED",
    ),
)
noise = st.text(max_size=60)
mixed = st.lists(st.sampled_from(PIECES) | noise, max_size=14).map("".join)


def rebuilt(text: str, result: Redacted) -> str:
    parts, done = [], 0
    for finding in result.findings:
        assert done <= finding.start < finding.end <= len(text)
        parts += [text[done : finding.start], f"[REDACTED:{finding.kind}]"]
        done = finding.end
    return "".join([*parts, text[done:]])


@settings(max_examples=400, deadline=None)
@given(mixed)
@example("password=[REDACTED:jwt]hunter2")
@example("://u:[REDACTED:jwt]x7@host")
def test_the_findings_are_sorted_disjoint_and_explain_the_result(text: str) -> None:
    result = redact(text)
    assert rebuilt(text, result) == result.text


@settings(max_examples=400, deadline=None)
@given(mixed)
@example(f"https://{'4518a705d19c432d' * 2}@o123.ingest.sentry.io/1")
@example("Cookie: curl --user admin:xK9mQ2vL8pR4tZ7w http://h")
def test_redacting_again_finds_nothing(text: str) -> None:
    result = redact(redact(text).text)
    assert result.findings == ()


@settings(deadline=None)
@given(noise, st.sampled_from(KEYS), noise)
def test_no_surrounding_hides_a_key(before: str, key: tuple[str, str], after: str) -> None:
    text = f"{before} {key[1]} {after}"
    result = redact(text)
    assert key[1] not in result.text
    assert key[0] in {finding.kind for finding in result.findings}


@settings(deadline=None)
@given(noise, st.sampled_from(KEYS), st.data(), noise)
def test_no_invisible_character_hides_a_key(before: str, key: tuple[str, str], data: st.DataObject, after: str) -> None:
    place = data.draw(st.integers(1, len(key[1]) - 1))
    mark = data.draw(st.sampled_from(["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\\u200b", "\u200b\u200c"]))
    text = f"{before} {key[1][:place]}{mark}{key[1][place:]} {after}"
    result = redact(text)
    start = len(before) + 1
    assert rebuilt(text, result) == result.text
    assert any(finding.start <= start and start + len(key[1]) + len(mark) <= finding.end for finding in result.findings)


@settings(deadline=None)
@given(st.lists(st.sampled_from(KEYS), min_size=1, max_size=6), st.sampled_from(["\n", " ", ", ", " | ", "\\n", "é "]))
def test_every_one_of_many_keys_is_found(keys: list[tuple[str, str]], between: str) -> None:
    result = redact(between.join(key for _, key in keys))
    assert not any(key in result.text for _, key in keys)


@settings(deadline=None)
@given(st.text(st.characters(codec=None)))
def test_any_text_is_accepted(text: str) -> None:
    result = redact(text)
    assert rebuilt(text, result) == result.text


def test_offsets_are_those_of_the_original_text_even_where_lower_case_is_longer() -> None:
    key = KEYS[0][1]
    text = f"İİİ 密码 😀 {key}"
    (finding,) = redact(text).findings
    assert text[finding.start : finding.end] == key


def test_a_text_without_secrets_comes_back_as_it_is() -> None:
    text = "nothing to see here"
    assert redact(text) == Redacted(text, ())
