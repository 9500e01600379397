"""Tells the newer formats apart: by a record's fields, a document's first keys, a text's markers, a binary file's first bytes."""

from __future__ import annotations

import re
from collections.abc import Callable

from app.sessions.event import Format
from app.sessions.formats.claude_export import is_export
from app.sessions.formats.databases import is_database
from app.sessions.formats.values import mapping, string

Record = dict[str, object]
_COPILOT = re.compile(r"(?:session|user|assistant|tool|hook|subagent|system)\.\w+")
_DROID_STREAM = {
    "message": {"role", "text"},
    "tool_call": {"toolName", "parameters"},
    "tool_result": {"value"},
    "completion": {"finalText"},
}
"""Fields of each kind of record that Droid prints."""
_KIMI = frozenset({"turn.prompt", "context.append_message", "context.append_loop_event", "llm.request", "llm.tools_snapshot"})
_OWN_ROLES = frozenset({"user", "assistant", "tool_result", "system"})


def _kind(record: Record) -> str:
    return string(record.get("type")) or ""


def _gemini(record: Record) -> bool:
    header = {"sessionId", "projectHash"} <= record.keys() and not isinstance(record.get("messages"), list)
    return header or _kind(record) == "gemini" or record.get("role") == "gemini"


def _qwen(record: Record) -> bool:
    parts = isinstance(mapping(record.get("message")).get("parts"), list)
    system = _kind(record) == "system" and "systemPayload" in record
    return _kind(record) in _OWN_ROLES and "sessionId" in record and "uuid" in record and (parts or system)


def _copilot_cli(record: Record) -> bool:
    return isinstance(record.get("data"), dict) and _COPILOT.fullmatch(_kind(record)) is not None


def _copilot_chat(record: Record) -> bool:
    return record.get("kind") == 0 and bool({"requests", "sessionId"} & mapping(record.get("v")).keys())


def _droid(record: Record) -> bool:
    named = any(string(record.get(key)) for key in ("session_id", "sessionId")) and "uuid" not in record
    return (_kind(record) == "session_start" and "id" in record) or (named and _DROID_STREAM.get(_kind(record), {""}) <= record.keys())


def _pi(record: Record) -> bool:
    opens = _kind(record) == "session" and {"id", "version", "cwd"} <= record.keys()
    return opens or (_kind(record) == "message" and string(mapping(record.get("message")).get("role")) in {"toolResult", "bashExecution"})


def _kimi(record: Record) -> bool:
    return _kind(record) in _KIMI or (_kind(record) == "metadata" and "protocol_version" in record)


def _grok(record: Record) -> bool:
    answers = _kind(record) == "assistant" and {"content", "model_id"} <= record.keys()
    return answers or (_kind(record) == "tool_result" and {"tool_call_id", "content"} <= record.keys() and "role" not in record)


def _antigravity(record: Record) -> bool:
    return {"step_index", "source", "type"} <= record.keys()


def _amp(record: Record) -> bool:
    return (string(record.get("session_id")) or "").startswith("T-") and _kind(record) in {"system", "user", "assistant", "result"}


RECORDS: tuple[tuple[Format, Callable[[Record], bool]], ...] = (
    ("gemini", _gemini),
    ("qwen", _qwen),
    ("copilot-cli", _copilot_cli),
    ("copilot-chat", _copilot_chat),
    ("amp", _amp),
    ("droid", _droid),
    ("pi", _pi),
    ("kimi", _kimi),
    ("grok", _grok),
    ("antigravity", _antigravity),
)
"""Formats that write a record a line, by what one of their records has."""
DOCUMENTS: tuple[tuple[Format, tuple[re.Pattern[str], ...]], ...] = (
    ("qwen", (re.compile(r'"parts"\s*:\s*\['), re.compile(r'"parentUuid"\s*:'))),
    ("chatgpt", (re.compile(r'"mapping"\s*:\s*\{'), re.compile(r'"(?:parent|children|current_node|author)"\s*:'))),
    (
        "copilot-chat",
        (re.compile(r'"requests"\s*:\s*\['), re.compile(r'"(?:requesterUsername|responderUsername|requestId|initialLocation)"\s*:')),
    ),
    ("copilot-chat", (re.compile(r'\A\s*\{"kind"\s*:\s*0\s*,\s*"v"\s*:'), re.compile(r'"(?:requests|sessionId|responderUsername)"\s*:'))),
    ("opencode", (re.compile(r'\A\s*\{\s*"info"\s*:\s*\{'), re.compile(r'"(?:projectID|sessionID|messages)"\s*:'))),
    ("amp", (re.compile(r'"id"\s*:\s*"T-[\w-]+"'), re.compile(r'"(?:messages|created|agentMode|env)"\s*:'))),
    ("gemini", (re.compile(r'"(?:messages|history)"\s*:\s*\['), re.compile(r'"projectHash"\s*:|"(?:type|role)"\s*:\s*"gemini"'))),
)
"""Formats that write one JSON document, by what stands in its beginning; it serves for a line that is not whole too."""

_PAGE_KIND, _LEAF = 100, b"\x0d"
"""Place at which a SQLite file's first page tells its kind; a leaf holds the whole schema."""


def of_record(record: Record) -> Format | None:
    return next((name for name, is_its in RECORDS if is_its(record)), None)


def of_document(text: str) -> Format | None:
    """Tell the format of a JSON document by its beginning. Text within its messages is quoted, and matches nothing."""
    return next((name for name, marks in DOCUMENTS if all(mark.search(text) for mark in marks)), None)


def of_text(text: str) -> Format | None:
    return "claude-export" if is_export(text) else None


def of_binary(head: bytes) -> Format | None:
    """Tell the format of a SQLite file by the tables that its first page declares; None for any other file."""
    if not is_database(head):
        return None
    if re.search(rb"CREATE TABLE [`\"]?part[`\"]?\b", head):
        return "opencode"
    whole_schema = head[_PAGE_KIND : _PAGE_KIND + 1] == _LEAF
    return "cursor-database" if b"cursorDiskKV" in head or not whole_schema else None
