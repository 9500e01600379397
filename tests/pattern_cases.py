"""Troubles written to be told apart: several sessions of each kind, in other words, with other names and other detours.

Two of one kind should be one pattern, two of different kinds not. Pairs of kinds share a command with another failure, or a failure with
another command. Written before the first measurement and not changed after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from app.sessions.event import Event, ToolUse

Call: TypeAlias = tuple[str, str, str, int]
"""Tool, input, output, exit code."""


def sh(line: str, output: str = "", code: int = 1) -> Call:
    return "Bash", line, output, code


def ok(line: str, output: str = "done, as it was asked") -> Call:
    return "Bash", line, output, 0


def look(path: str) -> Call:
    return "Read", path, f"the text of {path}, a line or two of it", 0


def edit(path: str, number: int = 0) -> Call:
    return "Edit", f"{path}\n- a{number}\n+ b{number}", f"updated {path}", 0


def missed(path: str, number: int = 0) -> Call:
    return "Edit", f"{path}\n- old{number}\n+ new{number}", f"String to replace not found in file {path}.", 1


def away(line: str, output: str) -> Call:
    return "Bash", line, output, 1


def session(*calls: Call) -> list[Event]:
    """A prompt, then these calls, a minute apart."""
    begun = datetime(2026, 10, 5, 9, tzinfo=UTC)
    events = [Event("1", "user", "prompt", "Make it work.", "1", at=begun)]
    for number, (tool, given, output, code) in enumerate(calls, 2):
        at = begun + timedelta(minutes=number)
        files = (given.partition("\n")[0],) if tool in {"Read", "Edit"} else ()
        events.append(Event(str(number), "assistant", "tool", "", str(number), at=at, tool=ToolUse(tool, given, output, code), files=files))
    return events


CASES: Mapping[str, Sequence[list[Event]]] = {
    "the database is locked": [
        session(
            *[sh("alembic upgrade head", "sqlite3.OperationalError: database is locked")] * 3, edit("env.py"), ok("alembic upgrade head")
        ),
        session(
            *[sh("alembic upgrade head", "sqlite3.OperationalError: database is locked")] * 2,
            look("alembic.ini"),
            sh("alembic upgrade head", "sqlite3.OperationalError: database is locked"),
            ok("fuser -k app.db"),
            ok("alembic upgrade head"),
        ),
        session(*[sh("python manage.py migrate", "sqlite3.OperationalError: database is locked")] * 3, ok("git commit -am x")),
    ],
    "a column that a migration misses": [
        session(
            *[sh("alembic upgrade head", 'sqlalchemy.exc.ProgrammingError: column "total" does not exist')] * 3,
            edit("0007.py"),
            ok("alembic upgrade head"),
        ),
        session(
            *[sh("alembic upgrade head", 'sqlalchemy.exc.ProgrammingError: column "grand_sum" does not exist')] * 3,
            look("models.py"),
            edit("0009.py"),
            ok("alembic upgrade head"),
        ),
    ],
    "a Python module that isn't there": [
        session(
            *[sh("pytest -q", "ModuleNotFoundError: No module named 'yaml'")] * 3, ok("pip install pyyaml"), ok("pytest -q", "3 passed")
        ),
        session(
            *[sh("pytest tests/unit", "ModuleNotFoundError: No module named 'attrs'")] * 3,
            look("pyproject.toml"),
            ok("uv sync"),
            ok("pytest tests/unit", "9 passed"),
        ),
        session(
            *[sh("python -m pytest", "ModuleNotFoundError: No module named 'shop.till'")] * 4,
            edit("conftest.py"),
            ok("python -m pytest", "1 passed"),
        ),
    ],
    "an assertion of a test": [
        session(
            sh("pytest -q", "E   AssertionError: assert 3 == 4"),
            edit("till.py", 1),
            sh("pytest -q", "E   AssertionError: assert 3 == 4"),
            edit("till.py", 2),
            sh("pytest -q", "E   AssertionError: assert 3 == 4"),
            edit("till.py", 3),
            sh("pytest -q", "E   AssertionError: assert 3 == 4"),
            edit("till.py", 4),
            ok("pytest -q", "12 passed"),
        ),
        session(
            sh("pytest tests/test_tax.py", "E   AssertionError: assert 19 == 7"),
            look("tax.py"),
            edit("tax.py", 1),
            sh("pytest tests/test_tax.py", "E   AssertionError: assert 19 == 7"),
            edit("tax.py", 2),
            sh("pytest tests/test_tax.py", "E   AssertionError: assert 19 == 7"),
            sh("pytest tests/test_tax.py", "E   AssertionError: assert 19 == 7"),
            edit("tax.py", 3),
            ok("pytest tests/test_tax.py", "2 passed"),
        ),
    ],
    "a type that doesn't fit": [
        session(
            *[sh("npx tsc --noEmit", "src/a.ts(3,9): error TS2345: Argument of type 'A' is not assignable to parameter of type 'B'.")] * 3,
            edit("src/a.ts"),
            ok("npx tsc --noEmit"),
        ),
        session(
            *[
                sh(
                    "npm run typecheck",
                    "lib/cart.ts(77,12): error TS2345: Argument of type 'Item' is not assignable to parameter of type 'Line'.",
                )
            ]
            * 3,
            edit("lib/cart.ts"),
            ok("npm run typecheck"),
        ),
    ],
    "a property that a type lacks": [
        session(
            *[sh("npx tsc --noEmit", "src/a.ts(3,9): error TS2339: Property 'sum' does not exist on type 'Till'.")] * 3,
            edit("src/a.ts"),
            ok("npx tsc --noEmit"),
        ),
        session(
            *[sh("npx tsc --noEmit", "src/long/b.ts(41,2): error TS2339: Property 'taxRate' does not exist on type 'Order'.")] * 4,
            edit("src/b.ts"),
            ok("npx tsc --noEmit"),
        ),
    ],
    "an edit that doesn't match": [
        session(*[missed("till.py")] * 3, look("till.py"), edit("till.py", 7)),
        session(missed("src/cart.ts", 1), missed("src/cart.ts", 1), missed("src/cart.ts", 1), look("src/cart.ts"), edit("src/cart.ts", 8)),
    ],
    "a port that is taken": [
        session(*[sh("npm run dev", "Error: listen EADDRINUSE: address already in use :::3000")] * 3, ok("kill 1234"), ok("npm run dev")),
        session(
            *[sh("npm start", "Error: listen EADDRINUSE: address already in use :::8080")] * 3, edit("vite.config.ts"), ok("npm start")
        ),
    ],
    "packages that conflict": [
        session(*[sh("npm install", "npm ERR! ERESOLVE unable to resolve dependency tree")] * 3, edit("package.json"), ok("npm install")),
        session(
            *[sh("npm ci", "npm ERR! ERESOLVE unable to resolve dependency tree")] * 3,
            look("package.json"),
            edit("package.json"),
            ok("npm ci"),
        ),
    ],
    "a push that is refused": [
        session(*[sh("git push", "! [rejected] main -> main (non-fast-forward)")] * 3, ok("git pull --rebase"), ok("git push")),
        session(
            *[sh("git push origin fix-1", "! [rejected] fix-1 -> fix-1 (non-fast-forward)")] * 3,
            ok("git fetch"),
            ok("git push origin fix-1"),
        ),
    ],
    "a registry that doesn't answer": [
        session(*[away("pip install attrs", "ReadTimeoutError: connection timed out")] * 3, ok("pip install attrs")),
        session(
            *[away("pip install -r requirements.txt", "503 Service Unavailable")] * 3, ok("sleep 60"), ok("pip install -r requirements.txt")
        ),
    ],
    "no right to a file": [
        session(
            *[sh("make install", "cp: cannot create regular file '/usr/local/bin/till': Permission denied")] * 3,
            edit("Makefile"),
            ok("make install"),
        ),
        session(
            *[sh("make install", "cp: cannot create regular file '/opt/shop/bin/x': Permission denied")] * 3,
            ok("make install PREFIX=~/.local"),
        ),
    ],
    "the same look": [
        session(*[look("till.py")] * 4, edit("till.py"), ok("pytest -q", "2 passed")),
        session(*[look("src/cart.ts")] * 5, edit("src/cart.ts"), ok("npm test", "5 passed")),
    ],
    "a linker that finds no header": [
        session(
            *[sh("make", "till.c:3:10: fatal error: libtill.h: No such file or directory")] * 3,
            ok("apt-get install libtill-dev"),
            ok("make"),
        ),
        session(
            *[sh("cmake --build build", "src/db.c:9:10: fatal error: sqlite3.h: No such file or directory")] * 3,
            ok("apt-get install libsqlite3-dev"),
            ok("cmake --build build"),
        ),
    ],
}
