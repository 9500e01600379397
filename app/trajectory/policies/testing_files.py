"""Tells a file of tests by its path, and an edit that makes tests check less: fewer assertions or cases, or a marker that skips them. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

CODE: Final = frozenset(
    {
        "py",
        "pyx",
        "ts",
        "tsx",
        "js",
        "jsx",
        "mjs",
        "cjs",
        "go",
        "rs",
        "java",
        "kt",
        "kts",
        "swift",
        "c",
        "cc",
        "cpp",
        "cxx",
        "h",
        "hh",
        "hpp",
        "cs",
        "fs",
        "rb",
        "php",
        "scala",
        "sh",
        "bash",
        "sql",
        "vue",
        "svelte",
        "dart",
        "ex",
        "exs",
        "erl",
        "clj",
        "hs",
        "lua",
        "r",
        "jl",
        "m",
        "mm",
        "pl",
        "groovy",
        "zig",
        "nim",
        "ml",
        "astro",
        "ipynb",
        "proto",
    }
)
"""Endings of files that a check can find wrong."""
_TEST_NAME = re.compile(r"(?:^|[._-])(?:tests?|specs?)(?:[._-]|$)|(?:Tests?|Spec|IT)\.(?:java|kt|cs|swift|scala|groovy|php)$")
_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs"})
_PASSING_PLACES = frozenset({"tmp", "temp", "node_modules", "dist", "build", "coverage", "target"})
_COMMENT = re.compile(r"\s*(?:#|//|/?\*|--|<!--)")
_ASSERTION = re.compile(
    r"\bassert\w*\b|\bexpect\w*\s*[({]|\.should\b|\b(?:t|b|tb)\.(?:Error|Errorf|Fatal|Fatalf)\(|\b(?:require|assert)\.[A-Z]\w*\(|\bverify\("
)
_CASE = re.compile(
    r"\bdef test\w*\(|\bfunc Test\w*\(|(?:^|\s)(?:it|test|scenario)(?:\.each\([^)]*\))?\s*[(\"']|@Test\b|#\[(?:tokio::)?test\]|\[(?:Fact|Theory|Test)\]"
)
_SKIPS = re.compile(
    r"\bskip(?:if|test|unless|now)?\b|\bxfail\b|(?:^|[\s.])x(?:it|describe|test)\s*\(|\.(?:todo|fixme)\(|@(?:Disabled|Ignore)\b|#\[ignore\b|\bpending\s*[(\"']"
    r"|\bassert\s+True\s*$|assertTrue\(\s*True\s*\)|expect\(\s*true\s*\)\.to(?:Be\(\s*true\s*\)|BeTruthy)|\|\|\s*true\b",
    re.IGNORECASE,
)


def is_code(path: str) -> bool:
    return _ending(path) in CODE


def is_test(path: str) -> bool:
    """Tell whether a path is that of a file of tests. One in a temporary place or an output isn't."""
    parts = path.replace("\\", "/").split("/")
    if not is_code(path) or not _PASSING_PLACES.isdisjoint(parts):
        return False
    return _TEST_NAME.search(parts[-1]) is not None or parts[-1].startswith("test") or not _TEST_FOLDERS.isdisjoint(parts[:-1])


def is_test_place(word: str) -> bool:
    """Tell whether a word of a command that deletes names a file or a folder of tests."""
    parts = word.replace("\\", "/").rstrip("/*").split("/")
    return is_test(word) or (parts[-1] in _TEST_FOLDERS and _PASSING_PLACES.isdisjoint(parts))


def checks_less(removed: str, added: str) -> bool:
    """Tell whether an edit of a file of tests takes out assertions or cases, or puts in what skips them."""
    return _count(_SKIPS, added) > _count(_SKIPS, removed) or any(
        _count(each, removed) > _count(each, added) for each in (_ASSERTION, _CASE)
    )


def change_of_edit(text: str) -> tuple[str, str]:
    """Return the lines that an edit takes out and those that it puts in, of a tool's input as sessions keep it."""
    lines = text.splitlines()
    return tuple("\n".join(line[1:] for line in lines if line.startswith(sign) and line[:3] not in {"---", "+++", "***"}) for sign in "-+")  # type: ignore[return-value]


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for line in text.splitlines() if not _COMMENT.match(line) and pattern.search(line))


def _ending(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).suffix[1:].casefold()
