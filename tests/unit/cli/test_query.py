"""What `cairn query` says where nothing was found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.cli.query import nothing_found


async def answers(path: str, **_: object) -> Any:
    return {"/v1/sessions": {"sessions": ["one"]}, "/v1/projects": {"projects": [{"name": "shop"}]}}[path]


@pytest.mark.parametrize(
    ("project", "narrowed", "end"),
    [
        (None, [], "a file or a flag."),
        (None, ["--intent"], "a file or a flag; or search without --intent."),
        (None, ["--since", "--intent"], "a file or a flag; or search without --since and --intent."),
        ("shop", [], "a file or a flag; or ask all projects, without --project."),
        ("shop", ["--kind"], "a file or a flag; or search without --kind; or ask all projects, without --project."),
    ],
)
async def test_the_options_that_narrowed_a_search_are_named(project: str | None, narrowed: list[str], end: str) -> None:
    client: Any = SimpleNamespace(get=answers)
    assert (await nothing_found(client, project, narrowed=narrowed)).endswith(end)
