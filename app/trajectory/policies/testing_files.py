"""Tells a file of tests by its path, and an edit that makes tests check less: fewer assertions or cases, or a marker that skips them. Pure."""

from __future__ import annotations

import re
from typing import Final

from app.trajectory.events.mentions import Mentions

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
_SETUP = re.compile(r"\berr\w* != nil \{\s{0,40}\w+\.Fatalf?\(|\b(?:require|assert)\.(?:NoError|NoErr)f?\(|\bexpect\(err\w*\)")
"""A check that preparations worked: taken out or put in with them, it says nothing of what is tested."""
_CASE = re.compile(
    r"\bdef test\w*\(|\bfunc Test\w*\(|(?:^|\s)(?:it|test|scenario)(?:\.each\([^)]*\))?\s*[(\"']|@Test\b|#\[(?:tokio::)?test\]|\[(?:Fact|Theory|Test)\]"
)
_SKIPS = re.compile(
    r"\bskip(?:if|test|unless|now)?\b|\bxfail\b|(?:^|[\s.])x(?:it|describe|test)\s*\(|\.(?:todo|fixme)\(|@(?:Disabled|Ignore)\b|#\[ignore\b|\bpending\s*[(\"']"
    r"|\bassert\s+True\s*$|assertTrue\(\s*True\s*\)|expect\(\s*true\s*\)\.to(?:Be\(\s*true\s*\)|BeTruthy)|\|\|\s*true\b",
    re.IGNORECASE,
)

_SKIP_WORDS: Final = Mentions(
    {
        "skips": (
            *("skip", "xfail", "xit", "xdescribe", "xtest", ".todo(", ".fixme(", "@disabled", "@ignore", "#[ignore", "pending"),
            *("assert", "expect(", "||"),
        )
    }
)
"""Words of which `_SKIPS` needs one."""


def is_code(path: str) -> bool:
    return path.rpartition(".")[2].casefold() in CODE


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
    """Tell whether an edit of a file of tests takes out all assertions or cases of what it replaces, or puts in what skips them.

    Fewer of them are not enough: two assertions are often made one that says more.
    """
    if _SKIP_WORDS.in_text(added) and _count(_SKIPS, added) > _count(_SKIPS, removed):
        return True
    removed, added = _SETUP.sub("", removed), _SETUP.sub("", added)
    return any(_count(each, removed) > 0 == _count(each, added) for each in (_ASSERTION, _CASE))


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for line in text.splitlines() if pattern.search(line) and not _COMMENT.match(line))
