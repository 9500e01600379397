"""Tells what kind of tool an event calls: a shell, an editor, a reader, a test run, a wait. Names of tools and commands only; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.sessions.event import Event
from app.trajectory.events.shell import commands_of, only_looks

MAX_COMMAND_CHARS = 2_000
SHELL_TOOL = re.compile(r"bash|shell|terminal|exec|command|run_", re.IGNORECASE)
EDIT_TOOL = re.compile(r"edit|write|patch|create_?file|replace|insert|notebook", re.IGNORECASE)
READ_TOOL = re.compile(r"read|view|fetch|search|grep|glob|cat|open_file", re.IGNORECASE)
_READ_COMMAND = re.compile(
    r"\s*(?:(?:sudo|time|command)\s+)*(?:cat|head|tail|less|more|nl|tac|type|get-content|gc|sed\s+-n|awk|grep|rg|ag|curl|wget|bat|jq|yq|git\s+(?:-C\s+\S+\s+)?(?:show|log|diff))\b",
    re.IGNORECASE,
)
"""A command that prints what somebody wrote before."""
_OPTIONS = r"(?:\s+(?:-{1,2}[\w-]+(?:[= ][^\s;&|-][^\s;&|]{0,200})?|\+\w+)){0,6}?"
"""Options between a program and what it is told to do."""
_TEST_COMMAND = re.compile(
    r"(?<![\w./-])(?:\./|bin/|vendor/bin/|node_modules/\.bin/)?(?:"
    r"pytest|py\.test|nosetests|nose2|python3?\s+-m\s+(?:pytest|unittest|nose2|doctest)|manage\.py\s+test|tox|nox|(?:hatch|pdm|rye|uv)\s+(?:run\s+)?test"
    rf"|go{_OPTIONS}\s+test|gotestsum|ginkgo|cargo{_OPTIONS}\s+(?:test|nextest|miri\s+test)|(?:npm|pnpm|yarn|bun){_OPTIONS}\s+(?:run\s+|run-script\s+)?(?:tests?(?::[\w:-]+)?|t\b)"
    r"|vitest|jest|mocha|ava|jasmine|karma\s+start|cypress\s+run|playwright\s+test|wdio\s+run|node\s+--test|tap\b|deno\s+(?:test|bench)|(?:nx|turbo|lerna|rush)\s+(?:run\s+)?(?:run-many\s+)?test"
    r"|rspec|rake\s+(?:test|spec)|rails\s+test|minitest|cucumber|phpunit|pest|paratest|artisan\s+test|composer\s+(?:run\s+)?test|codecept\s+run"
    rf"|mvnw?{_OPTIONS}\s+(?:clean\s+|-\S+\s+){{0,4}}(?:test|verify|integration-test)|gradlew?{_OPTIONS}\s+(?:clean\s+)?:?(?:[\w:-]+:)?(?:test|check|connected\w*Test)\w*|sbt\s+\"?(?:[\w/]+\s*;\s*)?test\w*|lein\s+test|clj\w*\s+-[MX]:test|mill\s+\S+\.test"
    r"|mix\s+(?:do\s+)?test(?:\.\w+)?|rebar3\s+(?:eunit|ct|proper)|gleam\s+test|swift\s+test|xcodebuild\s[^;&|\n]{0,200}?\btest|dotnet\s+(?:test|vstest)|vstest\.console|ctest|meson\s+test|ninja\s+(?:test|check)"
    rf"|bazel(?:isk)?{_OPTIONS}\s+test|buck2?\s+test|pants\s+test|zig\s+(?:build\s+)?test|flutter\s+(?:test|drive)|dart\s+(?:run\s+)?test|cabal\s+(?:v2-|new-)?test|stack\s+test|dune\s+(?:run)?test|nimble\s+test|crystal\s+spec|busted|bats|prove|shellspec"
    r"|forge\s+test|hardhat\s+test|anchor\s+test|terraform\s+test|tofu\s+test|molecule\s+test|helm\s+test|opa\s+test|conftest\s+verify|julia\s[^;&|\n]{0,200}?Pkg\.test|Rscript\s[^;&|\n]{0,200}?(?:testthat|test_\w+)"
    rf"|(?:make|gmake|just|task|mise|rake|invoke|doit|earthly|moon|pixi|poe|grunt|gulp){_OPTIONS}\s+(?:run\s+|r\s+)?\+?(?:[\w:-]+[:-])?(?:test|tests|check|ci|spec|e2e)(?:[:-][\w:-]+)?(?![\w/.])"
    r")(?![\w-])"
)
_CHECK_COMMAND = re.compile(
    r"(?<![\w./-])(?:\./|bin/|vendor/bin/|node_modules/\.bin/)?(?:"
    r"eslint|tslint|stylelint|oxlint|xo|standard|tsc|vue-tsc|svelte-check|biome\s+(?:check|lint|ci)|prettier\s[^;&|\n]{0,100}?--check|deno\s+(?:lint|check|fmt\s+--check)"
    r"|ruff\s+(?:check|format\s+--check)|ruff|mypy|pyright|basedpyright|pytype|pyre|flake8|pylint|bandit|black\s+--check|isort\s+--check\S*|lint-imports|pre-commit\s+run"
    rf"|golangci-lint|go{_OPTIONS}\s+vet|staticcheck|gofmt\s+-l|cargo{_OPTIONS}\s+(?:clippy|check|fmt\s+--check|deny|audit)|rubocop|standardrb|brakeman|sorbet|srb\s+tc|phpstan|psalm|phpcs|mix\s+(?:credo|dialyzer|format\s+--check\S*)|dialyzer"
    r"|swiftlint|swift-format\s+lint|ktlint\w*|detekt|checkstyle\w*|spotbugs\w*|spotless\w*|dotnet\s+format\s+--verify\S*|clang-tidy|cppcheck|clang-format\s+--dry-run|shellcheck|hadolint|actionlint|yamllint|markdownlint\S*|vale|buf\s+lint"
    r"|terraform\s+(?:validate|fmt\s+-check)|tflint|ansible-lint|helm\s+lint|kubeconform|nix\s+flake\s+check|flutter\s+analyze|dart\s+analyze"
    rf"|(?:npm|pnpm|yarn|bun|deno\s+task|make|just|task|mise|poe|pixi|rake){_OPTIONS}\s+(?:run\s+|r\s+)?(?:[\w:-]+[:-])?(?:lint|typecheck|type-check|types|check|validate)(?:[:-][\w:-]+)?"
    r")(?![\w-])"
)
_NAMES_CHECK = re.compile(
    r"test|spec|check|lint|tox|nox|jest|mocha|jasmine|karma|cypress|wdio|ginkgo|cucumber|busted|prove|bats|pest|tap\b|ava\b|xo\b|codecept|rebar3|tsc|mypy|ruff|vet|verify|pyre|pyright|pytype|standard|flake|bandit|black|isort|pre-commit|static|gofmt|cargo|rubocop|brakeman|sorbet|srb|php|psalm|credo|dialyzer|detekt|spot|dotnet|clang|vale|valid|buf|terraform|kube|analyze|types|biome|prettier|deno|:ci|[ -]ci\b|e2e|drive"
)
"""A cheap question before the two long ones: most commands that name none of these run no tests or checks."""
_INSTALLING = re.compile(r"\s*(?:sudo\s+)?[\w.-]+\s+(?:-\S+\s+)*(?:pip\s+)?(?:install|i|add|remove|uninstall|upgrade|update|get)\b")
"""A command that fetches a program whose name is that of a test run."""
_CHECK_TOOL = re.compile(r"diagnostics|run_?tests?|get_?errors|lint", re.IGNORECASE)
_WAIT_TOOL = re.compile(
    r"bash_?output|task_?output|shell_?output|terminal_?output|(?:^|_)(?:wait|sleep|await|poll)|get_?process|read_?background|write_stdin",
    re.IGNORECASE,
)
_WAIT_COMMAND = re.compile(
    r"\s*(?:(?:sudo|time)\s+)?(?:sleep|wait|watch|until|while)\b|\s*(?:tail|journalctl)\s(?:[^;&|\n]{0,60}\s)?-f\b|\s*gh\s+(?:run|pr)\s+(?:watch|view|list|checks|status)|\s*glab\s+ci|\s*(?:kubectl|oc)\s+(?:get|wait|rollout\s+status|describe)"
    r"|\s*docker\s+(?:ps|inspect|compose\s+ps|wait)|\s*(?:systemctl|service|supervisorctl|pm2)\s+(?:status|is-active|list|ls)|\s*(?:ps|pgrep|jobs|squeue|sacct|qstat|nc\s+-z|pg_isready|ping)\b"
    r"|\s*(?!(?:git|cat|less|head|tail|echo|ls|rm|vim?|touch|mkdir|cd|rg|grep|find)\b)\S+\s(?:[\w-]+\s){0,2}(?:status|progress|wait|poll)(?![\w./-])|\s*curl\s[^;&|\n]{0,200}?/(?:healthz?|readyz?|livez|status|ping)\b"
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
    return any(_TEST_COMMAND.search(command) and _does(command) for command in commands_of(line))


def checks(name: str, commands: Sequence[str]) -> bool:
    """Tell whether a call runs tests or static checks: `commands` are those of its line, where it is a shell."""
    if not commands:
        return _CHECK_TOOL.search(name) is not None
    return any(
        _NAMES_CHECK.search(each) is not None and _does(each) and (_TEST_COMMAND.search(each) or _CHECK_COMMAND.search(each)) is not None
        for each in commands
    )


def waits(name: str, commands: Sequence[str]) -> bool:
    """Tell whether a call only waits for something or asks how far it is, so that the same answer again is to be expected."""
    return _WAIT_TOOL.search(name) is not None or any(map(_WAIT_COMMAND.match, commands))


def _does(command: str) -> bool:
    return not only_looks(command) and _INSTALLING.match(command) is None
