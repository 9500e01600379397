"""Finds passwords on command lines: `mysql -p…`, `curl -u ada:…`, `echo … | sudo -S`, `openssl -k …`, a Kubernetes literal.

Only for programs listed here, in which such an option means a password. Options with a telling name belong to `assignments.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import names, shape
from app.redaction.finding import Finding
from app.redaction.gate import Find, RedactionRule
from app.redaction.typed import is_clearly_password, may_be_password, secret_at

_USER_OPTION = re.compile(r"(?:-u|--user)[ =]?[\"']?[^\s:\"'\\]{1,100}:(?P<secret>[^\s\"'\\]{3,200})")
_ATTACHED_P = re.compile(r"-p[\"']?(?P<secret>[^\s\"'\\=-][^\s\"'\\]{2,100})")
_SEPARATE_P = re.compile(r"-[pa][ ]?[\"']?(?P<secret>[^\s\"'\\-][^\s\"'\\]{2,100})")
_SEPARATE_K = re.compile(r"-(?:k|pass)[ ](?:pass:)?[\"']?(?P<secret>[^\s\"'\\-][^\s\"'\\]{2,200})")
_LITERAL = re.compile(r"--from-literal[ =][\"']?(?P<name>[\w.-]{1,60})=[\"']?(?P<secret>[^\s\"'\\]{4,200})")
_NO_SECRETS = re.compile(r"user|name|host|url|port|mail|region|mode|\bdb|version", re.IGNORECASE)
_ECHO = re.compile(
    r"\b(?:echo|printf)[ ](?:-[neE]{1,3}[ ]|[\"']?%s(?:\\n)?[\"']?[ ])?(?P<open>[\"']?)(?P<secret>[^\s\"'|`]{4,200}?)(?:\\n)?(?P=open)"
    r"[ ]{0,4}\|[ ]{0,4}(?P<reader>[^|\n]{0,120})\Z"
)
_HERE_STRING = re.compile(r"[^\n|;]{0,120}?<<<[ ]?[\"']?(?P<secret>[^\s\"'|`]{4,200})")


def _behind(commands: tuple[str, ...], find: Find, reach: int = 300) -> Find:
    """Restrict a rule to command lines of these programs: `-u` and `-p` mean something else in others."""

    def gated(text: str, at: int) -> Iterator[Finding]:
        if at and text[at - 1] in " \t" and (found := list(find(text, at))):
            line = text[max(0, at - reach) : at].replace("\\\n", " ").rpartition("\n")[2]
            if any(command in line for command in commands):
                yield from found

    return gated


def _piped(text: str, at: int) -> Iterator[Finding]:
    """Find what `echo` pipes into a program that reads a password."""
    start = max(0, at - 300)
    command = _ECHO.search(text[start:at])
    if command and may_be_password(command["secret"]):
        yield Finding("password", start + command.start("secret"), start + command.end("secret"))


def _literal(text: str, at: int) -> Iterator[Finding]:
    if not (match := _LITERAL.match(text, at)) or not is_clearly_password(match["secret"]):
        return
    name = match["name"]
    if not _NO_SECRETS.search(name) and names.announces(name) and shape.looks_like_password(match["secret"], quoted=True):
        yield Finding("password" if names.kind(name) == "secret" else names.kind(name), *match.span("secret"))


_MYSQL = ("mysql", "mariadb", "mycli")
_PASSWORD_PROGRAMS = ("sshpass", "redis-cli", "mongo ", "mongosh", "mongodump", "docker login", "podman login", "registry login")
RULES = (
    RedactionRule(("-u", "--user"), _behind(("curl", "wget", "http "), secret_at("curl-auth-user", _USER_OPTION, is_clearly_password))),
    RedactionRule(("-p",), _behind(_MYSQL, secret_at("password", _ATTACHED_P, is_clearly_password))),
    RedactionRule(("-p", "-a"), _behind(_PASSWORD_PROGRAMS, secret_at("password", _SEPARATE_P, is_clearly_password))),
    RedactionRule(("-k ", "-pass "), _behind(("openssl ",), secret_at("password", _SEPARATE_K, is_clearly_password))),
    RedactionRule(("--from-literal",), _literal),
    RedactionRule(
        ("sudo -s", "--password-stdin", "sudo --stdin", "cryptsetup ", "chpasswd", "--stdin", "kinit", "vncpasswd", "smbpasswd", "gpg --"),
        _piped,
    ),
    RedactionRule(
        ("sudo -s", "--password-stdin", "cryptsetup ", "kinit ", "vncpasswd ", "su - "),
        secret_at("password", _HERE_STRING, may_be_password),
    ),
)
