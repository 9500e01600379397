"""Sections of what coding agents and their IDEs ask: MCP and hooks."""

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
        description="hosts under which /mcp is served, whatever the port, with white space between them; *.example.com: all below it, *:"
        " every host; another is refused with 421, so that no web page reaches it under a name of its own",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = Field(
        (), description="origins of web pages that may ask /mcp, such as https://app.example.com, beside those of the allowed hosts"
    )


class HooksSettings(Section):
    """Bounds of what IDEs' hooks are given."""

    min_score: float = Field(0.35, ge=0, le=1, description="score that the best passage must have for a prompt to be given anything")
    timeout_seconds: float = Field(
        1.5,
        gt=0,
        le=25,
        description="seconds that a search for a prompt or a session's start may take; then nothing is given. Below the client's"
        " `hooks.answer_ms`: what comes later is lost",
    )
