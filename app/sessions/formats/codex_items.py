"""Reads Codex's `item_completed` records and its `…_end` events: words and tool uses. Knows one record at a time, no state."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.sessions.event import Role
from app.sessions.formats.lines import loads
from app.sessions.formats.tools import MAX_FILES, MAX_PATH_CHARS, files_of, tool_input
from app.sessions.formats.values import mapping, string, text_of

MAX_SCRIPT_CHARS = 200_000
_IN_SCRIPT = re.compile(r"tools\.(?:exec_command|shell_command|shell)\(\s*(\{.*?\})\s*\)", re.DOTALL)
Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class CompletedTool:
    """A tool's use with its result. `failed` None: nothing tells. `declined`: a person refused it."""

    name: str
    input: str
    output: str
    exit_code: int | None = None
    failed: bool | None = None
    declined: bool = False
    files: tuple[str, ...] = ()


def kind_of(value: object) -> str:
    """Return a type's name as one spelling: `CommandExecution`, `command_execution` and `commandExecution` are one."""
    return value.replace("_", "").replace("-", "").casefold() if isinstance(value, str) else ""


def words_of(item: Record) -> tuple[Role, str, bool] | None:
    """Return (role, text, is thinking) of an item that holds words; None for others."""
    match kind_of(item.get("type")):
        case "usermessage":
            return "user", text_of(item.get("content") or item.get("text")), False
        case "agentmessage" | "assistantmessage" | "plan":
            return "assistant", text_of(item.get("content") or item.get("text")), False
        case "reasoning":
            return "assistant", text_of(item.get("summary_text") or item.get("summary") or item.get("raw_content")), True
        case _:
            return None


def tool_of(item: Record) -> CompletedTool | None:
    """Return the tool use that an item, or the end event of a call, tells; None for other kinds."""
    match kind_of(item.get("type")):
        case "commandexecution" | "execcommandend":
            return _command(item)
        case "mcptoolcall" | "mcptoolcallend":
            return _mcp(item)
        case "filechange" | "patchapplyend":
            return _patch(item)
        case "extension" | "websearch" | "websearchend":
            return _search(item)
        case _:
            return None


def commands_in_script(script: str) -> str:
    """Return the commands that a script runs, one a line; the script itself where they can't be read."""
    found = []
    for given in _IN_SCRIPT.findall(script[:MAX_SCRIPT_CHARS]):
        try:
            found.append(tool_input("exec_command", mapping(loads(given))))
        except (ValueError, RecursionError):
            return script
    return "\n".join(found) or script


def _command(item: Record) -> CompletedTool:
    streams = "\n".join(text for key in ("stdout", "stderr") if (text := string(item.get(key))))
    output = string(item.get("aggregated_output")) or streams or string(item.get("formatted_output")) or ""
    words = tool_input("exec_command", {"command": item.get("command")})
    return CompletedTool("exec_command", words, output, _code(item.get("exit_code")), _failed(item), declined=_declined(item))


def _mcp(item: Record) -> CompletedTool:
    call = mapping(item.get("invocation")) or item
    name = f"mcp__{string(call.get('server')) or 'server'}__{string(call.get('tool')) or 'tool'}"
    result = mapping(item.get("result"))
    error, inner = result.get("Err") or item.get("error"), mapping(result.get("Ok")) or result
    failed = True if error or inner.get("isError") is True else _failed(item)
    given = call.get("arguments")
    words, output = tool_input(name, given) if given else "", text_of(error) or text_of(inner.get("content"))
    return CompletedTool(name, words, output, failed=failed, declined=_declined(item), files=files_of(given))


def _patch(item: Record) -> CompletedTool:
    lines, changes = list[str](), mapping(item.get("changes"))
    for path, change in changes.items():
        lines.append(f"{string(mapping(change).get('type')) or 'update'} {path}")
        lines.append(string(mapping(change).get("unified_diff")) or string(mapping(change).get("content")) or "")
    output = "\n".join(text for key in ("stdout", "stderr") if (text := string(item.get(key))))
    failed = not item["success"] if isinstance(item.get("success"), bool) else _failed(item)
    files = tuple(path for path in changes if 0 < len(path) <= MAX_PATH_CHARS)[:MAX_FILES]
    words = "\n".join(line for line in lines if line)
    return CompletedTool("apply_patch", words, output, failed=failed, declined=_declined(item), files=files)


def _search(item: Record) -> CompletedTool:
    action, results = mapping(item.get("action")), item.get("results")
    asked = string(item.get("query")) or next((found for key in ("query", "url", "pattern") if (found := string(action.get(key)))), "")
    lines = [
        " ".join(text for key in ("title", "url", "snippet") if (text := string(mapping(each).get(key))))
        for each in (results if isinstance(results, list) else [])
    ]
    return CompletedTool(string(item.get("kind")) or "web_search", asked, "\n".join(line for line in lines if line))


def _failed(item: Record) -> bool | None:
    return {"failed": True, "completed": False}.get(kind_of(item.get("status")))


def _declined(item: Record) -> bool:
    return kind_of(item.get("status")) in {"declined", "denied", "rejected"}


def _code(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
