"""Selects from a tool call the command and the informative lines of its output (errors, exit codes, test results)."""

from __future__ import annotations

import re

from app.knowledge.passages.blocks import clean
from app.sessions.event import Event

MAX_COMMAND_CHARS, MAX_OUTPUT_CHARS = 300, 600
MAX_LINES, MAX_TELLING_LINE = 10, 240
_READ_CHARS = 20_000
"""Characters read of an output's beginning and end each: the outcome is reported there."""
_SHELL = re.compile(r"bash|shell|terminal|exec|command|cmd|run", re.IGNORECASE)
_LOOKING = re.compile(
    r"\s*(?:cd [^&;|]+(?:&&|;)\s*)?(?:ls|ll|cat|pwd|grep|rg|find|fd|head|tail|less|sed -n|echo|wc|which|file|tree|stat|du|awk|sleep|"
    r"git (?:status|diff|log|show|add|branch|fetch|stash list|rev-parse|remote))\b"
)
_TELLING = re.compile(
    r"\b(?:error|errors|exception|traceback|panic|fatal|fail(?:ed|ure|s|ing)?|denied|refused|cannot|can't|could not|not found|no such|"
    r"undefined|unexpected|invalid|mismatch|timed? ?out|deadlock|conflict|segfault|killed|passed|exit (?:code|status)|"
    r"deprecated|unsupported|missing)\b|"
    r"\b[A-Z]\w+(?:Error|Exception)\b|\bE[A-Z]{4,}\b|^(?:E  |FAIL|ok  |PASS|✗|✖|×)|错误|失败|异常|未找到",
    re.IGNORECASE,
)
_SERVED_TOOL = re.compile(r"cairn", re.IGNORECASE)
_SERVED_INPUT = re.compile(r"/v1/knowledge/|\bcairn (?:query|mcp)\b")
_SUB_AGENT = re.compile(r"task|agent|sub_?agent|dispatch_agent|spawn_agent", re.IGNORECASE)
_PATH = re.compile(r"[\w.@~/\\-]{0,200}[/\\.][\w.-]{1,80}\Z")


def is_served(event: Event) -> bool:
    """Tell whether a tool call queried Cairn: its output is Cairn's, not the team's."""
    tool = event.tool
    return tool is not None and bool(_SERVED_TOOL.search(tool.name) or _SERVED_INPUT.search(tool.input[:2000]))


def is_report(event: Event) -> bool:
    """Tell whether a tool call's output is a sub-agent's report: an agent's words, not a tool's."""
    return event.tool is not None and event.outcome == "ok" and bool(_SUB_AGENT.fullmatch(event.tool.name))


def informative_text(event: Event) -> tuple[str, bool]:
    """Return the informative text of a tool call, and whether it includes output; ("", False) if there is none."""
    tool = event.tool
    if tool is None or event.outcome == "rejected":
        return "", False
    failed = event.outcome == "failed" or bool(tool.exit_code)
    shell = bool(_SHELL.search(tool.name))
    if not shell and not failed:
        return "", False
    lines = telling_lines(tool.output, failed=failed)
    command = clean(tool.input[: MAX_COMMAND_CHARS * 4]).strip()[:MAX_COMMAND_CHARS]
    if not shell:
        command = f"{tool.name} {command.splitlines()[0] if command else ''}".strip()
    if not lines and (_LOOKING.match(command) or not command):
        return "", False
    if not failed and _LOOKING.match(command):
        return "", False
    if failed and tool.exit_code:
        lines.append(f"exit code {tool.exit_code}")
    return "\n".join([f"$ {command}" if shell else command, *lines]), bool(lines)


def telling_lines(output: str, *, failed: bool) -> list[str]:
    """Return the informative lines, deduplicated and bounded; of a failure without any, its last three lines."""
    if len(output) > 2 * _READ_CHARS:
        output = f"{output[:_READ_CHARS]}\n{output[-_READ_CHARS:]}"
    lines = [line.strip()[:MAX_TELLING_LINE] for line in clean(output).split("\n") if line.strip()]
    kept = [line for line in dict.fromkeys(lines) if _TELLING.search(line)]
    if failed and not kept:
        kept = lines[-3:]
    if len(kept) > MAX_LINES:
        kept = kept[: MAX_LINES // 2] + kept[-MAX_LINES // 2 :]
    room, made = MAX_OUTPUT_CHARS, []
    for line in kept:
        room -= len(line)
        if room < 0:
            break
        made.append(line)
    return made


def touched(event: Event) -> str | None:
    """Return the file path on the first line of a tool call's input, or None."""
    if event.tool is None or _SHELL.search(event.tool.name):
        return None
    first = event.tool.input[:300].split("\n", 1)[0].strip()
    return first if _PATH.fullmatch(first) else None
