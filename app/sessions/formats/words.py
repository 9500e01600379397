"""Tells a person's prompt from text that agents and editors insert into the user's turn (a notice)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WRAPPER = re.compile(
    r"<(system-reminder|ide_opened_file|ide_selection|ide_diagnostics|environment_context|environment_details|user_instructions|attached_files|additional_data|"
    r"user_info|open_and_recently_viewed_files|current_file|context|INSTRUCTIONS|permissions instructions|skill|rules|project_layout|git_status)"
    r"(?:\s[^>]{0,200})?>"
)
_NOTICE = re.compile(
    r"\s*(?:<(?:command-name|command-message|command-args|local-command|bash-input|bash-stdout|bash-stderr|task-notification|system-reminder|"
    r"user-prompt-submit-hook|session-start-hook|post-tool-use-hook|environment_context|user_instructions|turn_aborted|subagent_notification|ide_|skill>)"
    r"|Caveat: The messages below|\[Request interrupted by user|This session is being continued from a previous conversation"
    r"|\[Image: (?:source|original)|Base directory for this skill:|# AGENTS\.md instructions|Stop hook feedback|PostToolUse:|Your task is to create a detailed summary"
    r"|API Error)"
)
_QUERY = re.compile(r"<(user_query|USER_REQUEST|user_message|task|feedback)>")
_SLASH = re.compile(r"\s*/[a-z][\w:-]{1,40}(?:\s|$)")
_ECHO = re.compile(r"^\s*⎿", re.MULTILINE)


def prompt_in(text: str) -> str | None:
    """Return what a person typed in a user's turn; None if nobody typed anything there."""
    if found := next(_tagged(text, _QUERY), None):
        return text[found[1] : found[2]].strip() or None
    rest = _unwrapped(text).strip()
    if not rest or _NOTICE.match(rest) or (_SLASH.match(rest) and (_ECHO.search(rest) or len(rest.split()) == 1)):
        return None
    return rest


def _unwrapped(text: str) -> str:
    """Remove wrapper tags and their content."""
    kept, place = [], 0
    for begins, _, inner_ends, tag in _tagged(text, _WRAPPER):
        kept.append(text[place:begins])
        place = inner_ends + len(tag) + 3
    return "".join([*kept, text[place:]])


def _tagged(text: str, opening: re.Pattern[str]) -> Iterator[tuple[int, int, int, str]]:
    """Yield (start, inner start, inner end, tag) of tagged sections, in order, not nested.

    Linear time: a tag that has no closing tag after one place has none after any later place, so it is searched only once.
    """
    place, unclosed = 0, set[str]()
    while found := opening.search(text, place):
        tag, place = found[1], found.end()
        if tag in unclosed:
            continue
        ends = text.find(f"</{tag}>", place)
        if ends < 0:
            unclosed.add(tag)
            continue
        yield found.start(), place, ends, tag
        place = ends + len(tag) + 3


def title_of(prompt: str) -> str:
    """Derive a session's title from a prompt: its first non-empty line, cut to 120 characters."""
    return next((line.strip() for line in prompt.splitlines() if line.strip()), "")[:120]
