"""Reads a repository's remote, branch and main folder from its own files, without running git. Knows worktrees and submodules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MAX_FILE_BYTES = 2**20
_SECTION = re.compile(r"\[\s*(?P<name>[\w.-]+)(?:\s+\"(?P<sub>(?:[^\"\\]|\\.)*)\")?\s*\]")
_ENTRY = re.compile(r"(?P<key>[A-Za-z][\w-]*)\s*=\s*(?P<value>.*)")
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)[^/@]*@")


@dataclass(frozen=True, slots=True)
class GitCheckout:
    """A checkout: the folder that it stands in, and the folder of the repository that it is a worktree of (else the same)."""

    root: Path
    main_root: Path
    remote: str | None
    branch: str | None


def read_checkout(directory: Path) -> GitCheckout | None:
    """Read the checkout that a directory stands in. None outside of one; what can't be read of it is None."""
    for folder in (directory, *directory.parents):
        entry = folder / ".git"
        if entry.is_dir():
            own = entry
        elif entry.is_file() and (named := _text(entry).strip().removeprefix("gitdir:").strip()):
            own = (folder / named).resolve()
        else:
            continue
        common = _common(own)
        main = common.parent if common != own and common.name == ".git" else folder
        branch = _branch(own)
        return GitCheckout(folder, main, _remote(_text(common / "config"), branch), branch)
    return None


def without_credentials(url: str) -> str:
    """Return a remote's URL without its user name and password."""
    return _CREDENTIALS.sub(r"\g<scheme>", url, count=1)


def _common(own: Path) -> Path:
    """Return the folder that all worktrees of a repository share."""
    named = _text(own / "commondir").strip()
    return (own / named).resolve() if named else own


def _branch(own: Path) -> str | None:
    """Return the branch checked out; None: a commit is, or another format of references tells."""
    head = _text(own / "HEAD").strip()
    name = head.removeprefix("ref: refs/heads/")
    return name if name != head and name and not name.startswith(".") else None


def _remote(config: str, branch: str | None) -> str | None:
    """Return the URL of `origin`, else of the branch's remote, else of the first one."""
    remotes: dict[str, str] = {}
    upstream = None
    for section, sub, key, value in _entries(config):
        if section == "remote" and key == "url" and value:
            remotes.setdefault(sub, value)
        elif section == "branch" and key == "remote" and sub == branch:
            upstream = value
    for name in ("origin", upstream):
        if name is not None and name in remotes:
            return without_credentials(remotes[name])
    return without_credentials(next(iter(remotes.values()))) if remotes else None


def _entries(config: str) -> list[tuple[str, str, str, str]]:
    """Parse git's configuration format: (section, subsection, key, value)."""
    found: list[tuple[str, str, str, str]] = []
    section, sub = "", ""
    for line in config.replace("\\\n", "").splitlines():
        rest = line.strip()
        if (head := _SECTION.match(rest)) is not None:
            section, sub = head["name"].casefold(), re.sub(r"\\(.)", r"\1", head["sub"] or "")
            rest = rest[head.end() :].strip()
        if (entry := _ENTRY.match(rest)) is not None:
            found.append((section, sub, entry["key"].casefold(), _value(entry["value"])))
    return found


def _value(written: str) -> str:
    """Read a value: quotes and escapes resolved, a comment after it left out."""
    out: list[str] = []
    quoted, at = False, 0
    while at < len(written):
        char = written[at]
        if char == "\\" and at + 1 < len(written):
            at += 1
            out.append({"n": "\n", "t": "\t"}.get(written[at], written[at]))
        elif char == '"':
            quoted = not quoted
        elif char in "#;" and not quoted:
            break
        else:
            out.append(char)
        at += 1
    return "".join(out).strip()


def _text(path: Path) -> str:
    """Read a small file; empty where it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
