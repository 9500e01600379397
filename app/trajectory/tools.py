"""Tells what kind of tool an event calls: a shell, an editor, a reader, a test run. Names of tools and commands only; pure."""

from __future__ import annotations

import re

from app.sessions.event import Event
from app.trajectory.shell import commands_of, only_looks

SHELL_TOOL = re.compile(r"bash|shell|terminal|exec|command|run_", re.IGNORECASE)
EDIT_TOOL = re.compile(r"edit|write|patch|create_?file|replace|insert|notebook", re.IGNORECASE)
READ_TOOL = re.compile(r"read|view|fetch|search|grep|glob|cat|open_file", re.IGNORECASE)
_READ_COMMAND = re.compile(
    r"\s*(?:(?:sudo|time|command)\s+)*(?:cat|head|tail|less|more|nl|tac|type|get-content|gc|sed\s+-n|awk|grep|rg|ag|curl|wget|bat|jq|yq|git\s+(?:-C\s+\S+\s+)?(?:show|log|diff))\b",
    re.IGNORECASE,
)
"""A command that prints what somebody wrote before."""
_TEST_COMMAND = re.compile(
    r"\b(?:pytest|go test|cargo (?:test|nextest)|vitest|jest|mocha|rspec|phpunit|ctest|tox|nox|gotestsum|playwright test|cypress run|python3? -m unittest"
    r"|(?:manage\.py|mix|rake|dotnet|swift|deno|bun|flutter|dart|zig|sbt|lein|stack|cabal|composer|hatch|rails|artisan|bazel|buck2?|mvnw?|gradlew?) (?:-\S+ )?(?:test|spec|verify)"
    r"|(?:(?:npm|pnpm|yarn|bun|mise|poe|pdm|just|task|make|nx|turbo) (?:run |-\S+ )?(?:tests?|spec|check|verify)))\b"
)


def reads(line: str) -> bool:
    """Tell whether a command line prints files, pages or history, alone or beside other commands."""
    return any(_READ_COMMAND.match(command) for command in commands_of(line))


def runs_tests(event: Event) -> bool:
    """Tell whether an event runs tests: a text that is written or searched may name their command as well."""
    return event.tool is not None and SHELL_TOOL.search(event.tool.name) is not None and line_runs_tests(event.tool.input)


def line_runs_tests(line: str) -> bool:
    """Tell whether a command line runs tests."""
    if _TEST_COMMAND.search(line) is None:
        return False
    return any(_TEST_COMMAND.search(command) and not only_looks(command) for command in commands_of(line))
