"""Writes the client's synchronous face from the asynchronous one: python -m tests.sync_client [--check]

Token by token: `await` and `async` go, names lose their `Async` and `a`. Only `runtime.py`, what the two do differently, is written by hand.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "cairn" / "client" / "_async", ROOT / "cairn" / "client" / "_sync"
BY_HAND = frozenset({"runtime.py", "__init__.py"})
FACE = '"""The synchronous face, written from `_async` by `python -m tests.sync_client`: change that one."""\n'
NOTE = "# Written from {source} by `python -m tests.sync_client`: change that one.\n"
WORDS = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "asynccontextmanager": "contextmanager",
    "_async": "_sync",
}
DROPPED = frozenset({"async", "await"})
TEXTS = {"async with": "with", "async for": "for", "all tasks of an event loop": "threads", "Async": ""}
"""What is said otherwise in docstrings and messages."""


def written() -> dict[Path, str]:
    """Return the text of each module of the synchronous face."""
    found = {TARGET / "__init__.py": FACE}
    for source in sorted(SOURCE.glob("*.py")):
        if source.name not in BY_HAND:
            named = source.relative_to(ROOT).as_posix()
            text = NOTE.format(source=named) + synchronous(source.read_text("utf-8"))
            found[TARGET / source.name] = _formatted(text, TARGET / source.name)
    return found


def _formatted(text: str, path: Path) -> str:
    """Return a module with its imports in order, its lines as ruff breaks them."""
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        run = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(path), "-"]
        text = subprocess.run(run, input=text, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60).stdout
    return text


def synchronous(text: str) -> str:
    """Return a module of the asynchronous face as one of the synchronous."""
    lines = text.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        new = _replaced(token)
        if new is None:
            continue
        (row, start), (end_row, end) = token.start, token.end
        after = lines[end_row - 1][end:]
        if not new:
            after = after.removeprefix(" ")
        lines[row - 1 : end_row] = [*(lines[row - 1][:start] + new + after).splitlines(keepends=True)]
    return "".join(lines)


def _replaced(token: tokenize.TokenInfo) -> str | None:
    """Return what a token becomes; None: it stays."""
    if token.type == tokenize.NAME:
        if token.string in DROPPED:
            return ""
        if token.string in WORDS:
            return WORDS[token.string]
        return token.string.removeprefix("Async") if token.string.startswith("Async") else None
    if token.type == tokenize.STRING:
        new = token.string
        for old, said in TEXTS.items():
            new = new.replace(old, said)
        return new if new != token.string else None
    return None


def main() -> int:
    """Write the modules or, with --check, say which differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something differs")
    check = parser.parse_args().check
    wanted = written()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    extra = [path for path in TARGET.glob("*.py") if path not in wanted and path.name != "runtime.py"]
    for path in [*stale, *extra]:
        print(("differs: " if check else "written: ") + path.relative_to(ROOT).as_posix())
    if not check:
        for path in stale:
            path.write_text(wanted[path], "utf-8")
        for path in extra:
            path.unlink()
    return 1 if check and (stale or extra) else 0


if __name__ == "__main__":
    sys.exit(main())
