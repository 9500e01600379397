"""Reads which coding session a model call belongs to, and which agent of it makes it: from headers, else from the body.

Cairn's own headers count first, then those that Claude Code and Codex send by themselves. An id that is no label (too long, not printable,
like a secret) is left out: no call fails for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.types import Scope

from app.inference.request import CallOrigin
from app.redaction.labels import looks_like_a_secret
from app.web.key_headers import AGENT, MAX_ORIGIN_CHARS, PARENT_AGENT, SESSION

SESSIONS: Final = (SESSION, "x-claude-code-session-id", "session-id", "session_id", "conversation-id", "conversation_id")
AGENTS: Final = (AGENT, "x-claude-code-agent-id", "thread-id")
PARENTS: Final = (PARENT_AGENT, "x-claude-code-parent-agent-id", "x-codex-parent-thread-id")
"""Headers in the order in which they count. Codex names a thread in each call: the session itself, or a sub-agent's own."""
_READ: Final = {name.encode(): name for name in (*SESSIONS, *AGENTS, *PARENTS)}
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IN_USER_ID: Final = re.compile(rf"_session_({_UUID.pattern})$")
NOBODY: Final = CallOrigin()


def origin_of(scope: Scope, body: Mapping[str, Any]) -> CallOrigin:
    """Return the session and the agent of a call. `body`: the request's own, where an older Claude Code names its session."""
    sent = {name: value for raw, value in scope["headers"] if (name := _READ.get(raw)) is not None}
    session = _first(sent, SESSIONS) or _session_in(body)
    if session is None:
        return NOBODY
    agent, parent = _first(sent, AGENTS), _first(sent, PARENTS)
    return CallOrigin(session, None if agent == session else agent, None if parent == session else parent)


def _first(sent: Mapping[str, bytes], names: Sequence[str]) -> str | None:
    """Return the first of these headers that holds a label."""
    for name in names:
        if (value := sent.get(name)) is not None and (label := _label(value.decode("latin-1"))) is not None:
            return label
    return None


def _label(text: str) -> str | None:
    text = text.strip()
    if _UUID.fullmatch(text):
        return text
    return text if 0 < len(text) <= MAX_ORIGIN_CHARS and text.isprintable() and not looks_like_a_secret(text) else None


def _session_in(body: Mapping[str, Any]) -> str | None:
    """Return the session that a body names: in Anthropic's `metadata.user_id` or, if it is a UUID, as OpenAI's `prompt_cache_key`."""
    metadata, key = body.get("metadata"), body.get("prompt_cache_key")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    if isinstance(user, str):
        return _session_of(user)
    return key if isinstance(key, str) and _UUID.fullmatch(key) else None


def _session_of(user: str) -> str | None:
    if (found := _IN_USER_ID.search(user)) is not None:
        return found[1]
    try:
        told = msgspec.json.decode(user, type=dict[str, Any]) if user.startswith("{") else {}
    except (msgspec.DecodeError, UnicodeError):
        return None
    session = told.get("session_id")
    return _label(session) if isinstance(session, str) else None
