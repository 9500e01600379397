"""Finds commands that worked (test, build, run, deploy), above all those that worked after an earlier attempt had failed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.knowledge.extraction.drafts import Draft
from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.intent import intent_of
from app.knowledge.extraction.memory import SessionMemory
from app.knowledge.extraction.prose import Statement
from app.knowledge.item import KnowledgeType
from app.sessions.event import Event
from app.trajectory.events import SHELL_TOOL, hides_exit_code
from app.trajectory.intent import Intent

MAX_AN_EXCHANGE = 1
"""Commands that one exchange may contribute."""
MAX_COMMAND_CHARS = 240
MAX_SHOWN = 70
AFTER_FAILURE, ALONE = 3.0, 1.0
"""Log-odds of a command that worked after a failure, and of one that just worked: the classifier only knows sentences."""
_PREFIX = re.compile(r"^\s*(?:cd\s+\S+\s*(?:&&|;)\s*)+")
_OUTPUT = re.compile(r"\s*(?:2>&1|&>|2?>\s*/dev/null|\s\|\s|\|\||;\s*echo\b|&&\s*echo\b).*$", re.DOTALL)
"""Trailing parts of a command line that only shorten, redirect or swallow its output."""
_NARROW = re.compile(
    r"\s-run[ =]|\s-k[ =]|::|\s-t[ =]|--grep|--testNamePattern|/tmp/|\.(?:test|spec)\.\w+\b|test_\w+\.py\b|_test\.go\b|/Users/|/home/"
)
"""One test, one file, one machine: too narrow to be of use on another day."""
OBVIOUS = re.compile(
    r"^(?:go (?:mod tidy|vet|build|run)(?: \./?(?:\.\.\.)?)?|go test \./\.\.\.|npm (?:install|test|ci|run build|run dev|start)|pip install\b.*|cargo (?:build|test|run|fmt)|(?:uv run )?pytest|make \w{1,5}|tsc|npx tsc)$"
)
_USAGE = re.compile(
    r"not found|no such|unknown|unrecogni[sz]ed|cannot find|no module|permission denied|usage:|missing script|requires|invalid (?:option|argument|flag)|undefined (?:task|target)|no rule to make|not installed|is not (?:a|in)|build constraints|no tests? (?:files|ran|found)",
    re.IGNORECASE,
)
_KINDS: tuple[tuple[str, KnowledgeType, re.Pattern[str]], ...] = (
    ("Tests", "testing_strategy", re.compile(r"^(?:\w+=\S+ )*(?:(?:uv run |poetry run |npx |pnpm (?:exec |dlx )?|bundle exec |python3? -m )?(?:pytest|vitest|jest|mocha|rspec|phpunit|tox|playwright test)\b|go test\b|cargo (?:test|nextest)\b|(?:npm|pnpm|yarn|bun) (?:run )?test\b|make (?:test|check)\b|mise run \S*test\S*|just test\b|gradle\w* test\b|mvn \S*test\b)")),
    ("Deployment", "deployment_approach", re.compile(r"^(?:\w+=\S+ )*(?:docker(?:-compose| compose)? (?:build|up|push)\b|kubectl (?:apply|rollout)\b|helm (?:install|upgrade)\b|terraform (?:apply|plan)\b|fly deploy\b|vercel\b|gh release\b|goreleaser\b|npm publish\b|cargo publish\b|alembic upgrade\b|ansible-playbook\b)")),
    ("Build and checks", "tool_usage", re.compile(r"^(?:\w+=\S+ )*(?:go (?:build|vet|run|generate|mod tidy)\b|golangci-lint run\b|cargo (?:build|clippy|fmt|run)\b|(?:npm|pnpm|yarn|bun) (?:run )?(?:build|lint|dev|start|typecheck|install|ci)\b|(?:npx |pnpm exec )?(?:tsc|eslint|prettier|biome|vite)\b|make \w+|mise run \S+|just \w+|(?:uv run |poetry run )?(?:ruff|mypy|black|flake8|isort|pyright|alembic|pre-commit)\b|uv (?:sync|pip|add)\b|poetry install\b|pip install\b|gradle\w* \w+|mvn \w+|cmake\b|bazel \w+|pip-compile\b)")),
)  # fmt: skip
_ERROR = re.compile(
    r"^.*?((?:error|fatal|panic|FAIL|failed|cannot|not found|undefined|unknown|no such|missing)\b.{5,160})$",
    re.IGNORECASE | re.MULTILINE,
)
_FAILED_OUTPUT = re.compile(
    r"^\s*(?:FAIL\b|ERROR\b|error(?:\[|:)|fatal:|panic:|Traceback|npm ERR!|✗|✖)|\b[1-9]\d* (?:failed|failures?|errors?)\b|exit (?:status|code):? [1-9]|command not found|No such file",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"[<>]{1}\w+|\$\(|EOF|\n")


def find(exchange: Exchange, number: int, memory: SessionMemory) -> Iterator[Draft]:
    """Yield drafts for the exchange's commands that succeeded and aren't obvious, each command once a session."""
    made = 0
    for event in exchange.tools:
        assert event.tool is not None
        command = normal(event.tool.input)
        kind = _kind(command)
        if kind is None or not SHELL_TOOL.search(event.tool.name):
            continue
        label, type_, program = kind
        if event.outcome == "failed":
            memory.fail(program, command, _error(event.tool.output))
        elif succeeded(event) and made < MAX_AN_EXCHANGE and memory.is_new(command):
            failure = memory.failures.pop(program, None)
            if failure is not None and (failure[0] == command or not _USAGE.search(failure[1])):
                failure = None  # the code was wrong, not the command: the lesson is the fix
            if failure is None and (_NARROW.search(command) or OBVIOUS.match(command)):
                continue
            made += 1
            yield _draft(label, type_, command, event, failure, number, intent_of(exchange.asked))


def succeeded(event: Event) -> bool:
    """Tell whether the command succeeded by its own exit code and output; False where a pipe or a list of commands hides its exit code."""
    tool = event.tool
    if tool is None or event.outcome != "ok" or tool.exit_code not in {0, None}:
        return False
    return not hides_exit_code(tool.input) and not _FAILED_OUTPUT.search(tool.output)


def normal(given: str) -> str:
    """Strip the leading `cd` and whatever only shortens the output from a command line."""
    return _OUTPUT.sub("", _PREFIX.sub("", given.strip())).strip()


def _kind(command: str) -> tuple[str, KnowledgeType, str] | None:
    if not 6 <= len(command) <= MAX_COMMAND_CHARS or _PLACEHOLDER.search(command) or command.count("&&") > 2:
        return None
    for label, type_, pattern in _KINDS:
        if found := pattern.match(command):
            return label, type_, found[0]
    return None


def _draft(
    label: str, type_: KnowledgeType, command: str, event: Event, failure: tuple[str, str] | None, exchange: int, intent: Intent | None
) -> Draft:
    text = f"{label}: the command `{command}` worked."
    if failure is not None:
        text += f" Before, `{failure[0]}` had failed" + (f": {failure[1]}." if failure[1] else ".")
    assert event.tool is not None
    raw = event.tool.input if len(event.tool.input) <= 400 else command
    core = Statement(event, command, raw)
    shown = command if len(command) <= MAX_SHOWN else command[: command.rfind(" ", 0, MAX_SHOWN)].rstrip() + " …"
    prior = AFTER_FAILURE if failure is not None else ALONE
    return Draft(core, (core,), prior, exchange, intent, type=type_, title=f"{label}: {shown}", text=text)


def _error(output: str) -> str:
    found = _ERROR.search(output[-4000:])
    return found[1].strip().rstrip(".") if found else ""
