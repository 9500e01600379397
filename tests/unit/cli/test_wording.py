"""A server's message names fields and routes; a command's user reads options and commands."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from app.cli.commands import COMMANDS, GROUPS, command_line
from app.cli.exits import ServerRefused
from app.cli.wording import OLDER_SERVER, called, in_command_words, usage_message, without_routes
from app.errors import InvalidInput


@pytest.fixture(scope="module")
def tree() -> Any:
    return get_command(command_line())


@pytest.mark.parametrize(
    ("words", "param", "message", "told"),
    [
        ("context", "max_tokens", "max_tokens must be at most 20,000 tokens.", "--tokens must be at most 20,000 tokens."),
        ("budget spend", "from", "`from` is in the future: the last day with calls is today.", "--from is in the future: the last day with calls is today."),
        ("budget calls", "min_cost_usd", "min_cost_usd must be at least 0 US dollars.", "--min-cost must be at least 0 US dollars."),
        ("query", "query", "query is empty: send a question.", "QUESTION is empty: send a question."),
        ("query", "kinds", "kinds: x not known.", "--kind: x not known."),
        ("query", "since", "since (2027) isn't before until (2026): send an earlier `since` or a later `until`.",
         "--since (2027) isn't before until (2026): send an earlier --since or a later --until."),
        ("remember", "paths", "paths[2] is empty: name a file.", "--path is empty: name a file."),
        ("remember", "text", "text is empty: write a text.", "TEXT is empty: write a text."),
        ("correct", "text", "text is empty: write a text.", "--text is empty: write a text."),
        ("budget set", "monthly_limit_usd", "monthly_limit_usd is out of range.", "USD is out of range."),
        ("budget set-team", "monthly_limit_tokens", "monthly_limit_tokens must be at most 9.", "--tokens must be at most 9."),
        ("ingest", "file", "This is no transcript. Name its `format` if it is one.", "This is no transcript. Name its --format if it is one."),
        ("query", "branch", "branch is unknown.", "branch is unknown."),
        ("query", None, "A text-query and its limit stay.", "A text-query and its limit stay."),
    ],
)  # fmt: skip
def test_fields_are_told_as_the_commands_options(tree: Any, words: str, param: str | None, message: str, told: str) -> None:
    error = ServerRefused(message, status=422, code="invalid_input", param=param)
    assert in_command_words(error, called(tree, words.split())[-1]) == told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("List them: GET /v1/teams or `cairn teams list`.", "List them: `cairn teams list`."),
        ("Set `cairn budget set` or PUT /v1/budgets/ada.", "Set `cairn budget set`."),
        ("Say so on its page, or with POST /v1/knowledge/{id}/feedback.", "Say so on its page."),
        ("Its page, or GET /v1/knowledge/{id}, shows it.", "Its page shows it."),
        ("see citations or `cairn sessions list` (GET /v1/sessions).", "see citations or `cairn sessions list`."),
    ],
)
def test_a_route_beside_a_command_is_left_out(message: str, told: str) -> None:
    assert without_routes(message) == told


def test_a_route_that_the_server_lacks_is_told_as_an_older_server() -> None:
    error = ServerRefused("There is no such route. /docs lists all routes.", status=404, code="not_found")
    assert in_command_words(error) == OLDER_SERVER


def test_our_own_messages_stay_as_they_are() -> None:
    assert in_command_words(InvalidInput("max_tokens, GET /v1/x", param="max_tokens")) == "max_tokens, GET /v1/x"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Input should be less than or equal to 100", "must be at most 100."),
        ("Input should be a valid integer, unable to parse string as an integer", "must be a whole number."),
        ("Input should be less than or equal to 1000000.0", "must be at most 1,000,000."),
        ("Input should be greater than or equal to 0.25", "must be at least 0.25."),
        ("Value error, 'x' does not match the formats '%Y-%m-%d'.", "'x' is not a date: write 2026-11-28."),
        (
            "Value error, 'x' does not match the formats '%Y-%m-%d', '%Y-%m-%dT%H:%M:%S'.",
            "'x' is not a date: write 2026-11-28 or 2026-11-28T14:30:00.",
        ),
        ("'x' is not one of 'item', 'passage'.", "'x' is not one of 'item', 'passage'."),
    ],
)
def test_a_wrong_value_is_told_in_our_words(message: str, told: str) -> None:
    assert usage_message(message) == told


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_the_tree_of_one_command_has_that_command_and_the_whole_tree_has_it_too(tree: Any, name: str) -> None:
    alone = get_command(command_line(name))
    assert list(alone.commands) == [name]
    assert name in tree.commands
