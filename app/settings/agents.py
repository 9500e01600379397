"""Sections of what developers and their agents use on their machines: MCP, hooks, the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from app.settings.sections import Section


def _split_names(value: object) -> object:
    """Split the names of a variable or a file at white space, in lower case."""
    return tuple(value.lower().split()) if isinstance(value, str) else value


class McpSettings(Section):
    """MCP at /mcp."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = Field(
        ("localhost", "127.0.0.1", "[::1]"),
        description=(
            "host names under which /mcp is served, on any port, separated by white space; *.example.com: all subdomains, *: every "
            "host; others are refused with 421 (protection against DNS rebinding)"
        ),
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = Field(
        (),
        description="origins of web pages that may call /mcp, such as https://app.example.com, in addition to those of the allowed hosts",
    )


class HooksSettings(Section):
    """Bounds of what IDEs' hooks are given."""

    min_score: float = Field(0.35, ge=0, le=1, description="minimum score of the best passage; below it nothing is added to a prompt")
    timeout_seconds: float = Field(
        1.5,
        gt=0,
        le=25,
        description=(
            "maximum seconds of the search at a prompt or a session's start; after that nothing is added. Keep it below the client's "
            "`hooks.answer_ms`: later answers are lost"
        ),
    )
    nudges: bool = Field(
        True,
        description="whether hooks tell a session that goes in circles, or breaks a rule, so: once a streak, with what helped before",
    )


class CliSettings(Section):
    """The `cairn` command on this machine."""

    warm_minutes: float = Field(
        10,
        ge=0,
        le=1440,
        description="idle minutes after which a server started by a command stops; 0: it stops with the command",
    )
