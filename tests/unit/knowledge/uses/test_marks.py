"""Marks are what nobody writes by chance, and nothing that a text says not to use."""

from __future__ import annotations

import pytest

from app.knowledge.uses.marks import marks_of


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Tests: the command `pnpm vitest --project=edge-web` worked.", "pnpm vitest --project=edge-web"),
        ("Rebuild it:\n```sh\ncd infra && just image-rebuild --no-layers\n```", "just image-rebuild --no-layers"),
        ("Then:\n$ just gen-protos --strict-names 2>&1 | tail", "just gen-protos --strict-names"),
    ],
)
def test_a_command_is_read_as_it_is_run(text: str, command: str) -> None:
    assert marks_of(text).commands == (command,)


@pytest.mark.parametrize("text", ["Run `npm test` first.", "Use `git status`.", "`make` builds it.", "See `README.md`."])
def test_what_everybody_runs_is_no_mark(text: str) -> None:
    assert not marks_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "Never call `flush_all_queues` from a request.",
        "Don't set `--skip-integrity-check`.",
        "`flush_all_queues` hangs on Windows.",
        "Nicht `flush_all_queues` verwenden.",
        "不要使用 `flush_all_queues`。",
        "Run `make db-wipe-all --now`: no. `make db-wipe-all --now` is forbidden.",
    ],
)
def test_what_a_text_says_not_to_use_is_no_mark(text: str) -> None:
    assert not marks_of(text)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("Set `retry_budget_ms` to 750.", ("retry_budget_ms", "750")),
        ("`retry_budget_ms = 750` is what works.", ("retry_budget_ms", "750")),
        ("`lazy_imports` must be off here.", ("lazy_imports", "off")),
        ("把 `retry_budget_ms` 设为 750", ("retry_budget_ms", "750")),
    ],
)
def test_a_setting_is_read_with_its_value(text: str, setting: tuple[str, str]) -> None:
    assert [(each.name, each.value) for each in marks_of(text).settings] == [setting]


def test_prose_and_products_have_no_marks() -> None:
    assert not marks_of("We moved from GitHub to GitLab in 2024 since the worker restarts its JavaScript build every 30s.")


def test_a_run_of_backticks_of_any_length_opens_one_block() -> None:
    assert not marks_of("`" * 1_000_000)  # quadratic, this would take an hour
    assert marks_of("`````sh\njust image-rebuild --no-layers\n`````").commands == ("just image-rebuild --no-layers",)
