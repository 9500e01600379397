"""Test runs, static checks and waits are known by their commands, in all usual ecosystems."""

from __future__ import annotations

import pytest

from app.trajectory.events.shell import commands_of
from app.trajectory.events.tools import checks, waits

TESTS = (
    "pytest -q",
    "python -m unittest discover",
    "uv run pytest tests",
    "tox -e py311",
    "go test ./...",
    "go -C api test ./...",
    "gotestsum -- -race",
    "cargo test --workspace",
    "cargo +nightly nextest run",
    "npm test",
    "npm run test:unit",
    "npm --prefix web test",
    "pnpm vitest run",
    "yarn jest --ci",
    "bun test",
    "node --test",
    "npx playwright test",
    "deno test -A",
    "bundle exec rspec",
    "bin/rails test",
    "vendor/bin/phpunit",
    "php artisan test",
    "mvn -q verify",
    "./mvnw clean test",
    "./gradlew :core:test",
    "sbt test",
    "lein test",
    "mix test test/a_test.exs:4",
    "rebar3 eunit",
    "swift test --filter A",
    "xcodebuild -scheme App test",
    "dotnet test --no-build",
    "ctest --test-dir build",
    "bazel test //...",
    "zig build test",
    "flutter test",
    "cabal test",
    "stack test",
    "dune runtest",
    "forge test -vvv",
    "make check",
    "make -C api test",
    "just test",
    "task test",
    "mise run test",
    "mise run test:ci",
    "cd web && CI=1 npm test -- --watch=false",
    'docker compose exec api sh -c "pytest -q"',
)
STATIC = (
    "npx tsc --noEmit",
    "ruff check .",
    "mypy app",
    "golangci-lint run ./...",
    "go vet ./...",
    "cargo clippy -- -D warnings",
    "npm run lint",
    "mise run lint",
    "just lint",
    "mix credo --strict",
    "bundle exec rubocop",
    "vendor/bin/phpstan analyse",
    "deno lint",
    "dotnet format --verify-no-changes",
    "shellcheck run.sh",
    "terraform validate",
    "swiftlint",
    "pre-commit run -a",
)
NEITHER = (
    "ls tests",
    "cat test.log",
    "git commit -m 'make test pass'",
    "mkdir -p tests/unit",
    "npm install vitest",
    "pip install pytest",
    "python manage.py migrate",
    "go build ./cmd/testserver",
    "docker build -t checker .",
    "./latest",
    "grep -rn 'go test' .",
    "make build",
    "cargo build",
    "deno run main.ts",
)


@pytest.mark.parametrize("line", [*TESTS, *STATIC])
def test_a_test_run_or_a_static_check_is_one(line: str) -> None:
    assert checks("Bash", list(commands_of(line)))


@pytest.mark.parametrize("line", NEITHER)
def test_what_only_names_a_test_is_none(line: str) -> None:
    assert not checks("Bash", list(commands_of(line)))


@pytest.mark.parametrize(
    "line",
    [
        "sleep 5",
        "sleep 30; cat log",
        "gh run watch 7",
        "kubectl rollout status deploy/api",
        "docker compose ps",
        "systemctl status nginx",
        "tail -f app.log",
        "flyctl status",
        "curl -s localhost:8080/healthz",
    ],
)
def test_a_wait_is_one(line: str) -> None:
    assert waits("Bash", list(commands_of(line)))


@pytest.mark.parametrize("tool", ["BashOutput", "TaskOutput", "wait_for", "get_terminal_output"])
def test_a_tool_that_waits_is_one(tool: str) -> None:
    assert waits(tool, [])


@pytest.mark.parametrize("line", ["git status", "ls", "make", "curl -s api/items", "cat status.md", "kubectl apply -f a.yaml"])
def test_what_looks_or_does_something_is_no_wait(line: str) -> None:
    assert not waits("Bash", list(commands_of(line)))


def test_a_tool_for_diagnostics_checks() -> None:
    assert checks("mcp__ide__getDiagnostics", [])
