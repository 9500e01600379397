"""Small transcripts written by hand, each in the documented shape of one agent: a question, a thought, a call that fails, an answer."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from app.sessions.event import Format

QUESTION, THOUGHT, COMMAND, OUTPUT, ANSWER = (
    "Why does the turnstile test fail?",
    "I should run it first.",
    "pytest -q tests/test_turnstile.py",
    "1 failed: expected 3 visitors, got 2",
    "The gate counts the second visitor twice.",
)
AT = "2026-03-01T10:00:00.000Z"
MILLIS = 1772359200000


def lines(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def document(value: object, indent: int | None = 1) -> bytes:
    return json.dumps(value, indent=indent).encode()


GEMINI_MESSAGES: list[dict[str, Any]] = [
    {"id": "g1", "timestamp": AT, "type": "user", "content": [{"text": QUESTION}]},
    {
        "id": "g2",
        "timestamp": AT,
        "type": "gemini",
        "content": "",
        "thoughts": [{"subject": "Plan", "description": THOUGHT}],
        "tokens": {"input": 90, "output": 10, "cached": 40, "thoughts": 5},
        "model": "gemini-3-pro",
        "toolCalls": [
            {
                "id": "run-1",
                "name": "run_shell_command",
                "args": {"command": COMMAND},
                "status": "error",
                "result": [{"functionResponse": {"id": "run-1", "response": {"output": f"{OUTPUT}\nExit Code: 1"}}}],
            }
        ],
    },
    {"id": "g3", "timestamp": AT, "type": "gemini", "content": ANSWER, "model": "gemini-3-pro"},
]
GEMINI_HEADER = {"sessionId": "gem-1", "projectHash": "ab12", "startTime": AT, "lastUpdated": AT}
GEMINI = document({"messages": GEMINI_MESSAGES, **GEMINI_HEADER})
GEMINI_LINES = lines(GEMINI_HEADER, *GEMINI_MESSAGES[:2], {"$set": {"lastUpdated": AT, "summary": "Turnstile"}}, GEMINI_MESSAGES[2])
QWEN = lines(
    *(
        {"uuid": f"q{number}", "parentUuid": None, "sessionId": "qw-1", "timestamp": AT, "cwd": "/home/a/gate", "gitBranch": "main", **each}
        for number, each in enumerate(
            [
                {"type": "user", "message": {"role": "user", "parts": [{"text": QUESTION}]}},
                {
                    "type": "assistant",
                    "model": "qwen3-coder",
                    "usageMetadata": {"promptTokenCount": 90, "candidatesTokenCount": 10},
                    "message": {
                        "role": "model",
                        "parts": [
                            {"text": THOUGHT, "thought": True},
                            {"functionCall": {"id": "run-1", "name": "run_shell_command", "args": {"command": COMMAND}}},
                        ],
                    },
                },
                {
                    "type": "tool_result",
                    "message": {"role": "user", "parts": [{"functionResponse": {"id": "run-1", "response": {"error": OUTPUT}}}]},
                },
                {"type": "assistant", "model": "qwen3-coder", "message": {"role": "model", "parts": [{"text": ANSWER}]}},
            ]
        )
    )
)
COPILOT_CLI = lines(
    *(
        {"id": f"c{number}", "timestamp": AT, "parentId": None, "type": kind, "data": data}
        for number, (kind, data) in enumerate(
            [
                (
                    "session.start",
                    {
                        "sessionId": "cop-1",
                        "copilotVersion": "1.0.77",
                        "selectedModel": "gpt-5",
                        "context": {"cwd": "/home/a/gate", "branch": "main", "repository": "a/gate", "repositoryHost": "github.com"},
                    },
                ),
                ("user.message", {"content": QUESTION, "transformedContent": f"<x>{QUESTION}</x>"}),
                (
                    "assistant.message",
                    {
                        "content": "",
                        "reasoningText": THOUGHT,
                        "outputTokens": 12,
                        "toolRequests": [{"toolCallId": "run-1", "name": "bash", "arguments": json.dumps({"command": COMMAND})}],
                    },
                ),
                ("tool.execution_start", {"toolCallId": "run-1", "toolName": "bash", "arguments": {"command": COMMAND}}),
                (
                    "tool.execution_complete",
                    {"toolCallId": "run-1", "success": True, "result": {"content": f"{OUTPUT}\n<exited with exit code 1>"}},
                ),
                ("assistant.message", {"content": ANSWER, "toolRequests": [], "outputTokens": 9}),
            ]
        )
    )
)
CHAT_REQUEST = {
    "requestId": "request_1",
    "timestamp": MILLIS,
    "modelId": "copilot/gpt-5",
    "message": {"text": QUESTION, "parts": [{"text": QUESTION, "kind": "text"}]},
    "response": [
        {"kind": "mcpServersStarting"},
        {"kind": "thinking", "value": THOUGHT},
        {
            "kind": "toolInvocationSerialized",
            "toolCallId": "run-1",
            "toolId": "run_in_terminal",
            "isComplete": True,
            "isConfirmed": {"type": 1},
            "invocationMessage": {"value": "Running the tests"},
            "toolSpecificData": {
                "kind": "terminal",
                "commandLine": {"original": COMMAND},
                "terminalCommandOutput": {"text": OUTPUT},
                "terminalCommandState": {"exitCode": 1},
            },
        },
        {"value": ANSWER[:9]},
        {"kind": "markdownContent", "content": {"value": ANSWER[9:]}},
    ],
    "result": {"metadata": {"promptTokens": 90, "outputTokens": 10}},
}
CHAT = {"version": 3, "responderUsername": "GitHub Copilot", "requests": [CHAT_REQUEST], "sessionId": "chat-1", "creationDate": MILLIS}
COPILOT_CHAT = document(CHAT)
COPILOT_CHAT_LOG = lines(
    {"kind": 0, "v": {**CHAT, "requests": []}},
    {"kind": 2, "k": ["requests"], "v": [{**CHAT_REQUEST, "response": [{"value": "half an ans"}]}]},
    {"kind": 1, "k": ["customTitle"], "v": "Turnstile"},
    {"kind": 2, "k": ["requests", 0, "response"], "i": 0, "v": CHAT_REQUEST["response"]},
)
OPENCODE_INFO = {
    "id": "ses_1",
    "projectID": "p",
    "directory": "/home/a/gate",
    "title": "Turnstile",
    "version": "1.3.0",
    "time": {"created": MILLIS},
}
OPENCODE_MESSAGES: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({"id": "msg_1", "role": "user", "time": {"created": MILLIS}}, [{"id": "prt_1", "type": "text", "text": QUESTION}]),
    (
        {
            "id": "msg_2",
            "role": "assistant",
            "time": {"created": MILLIS},
            "modelID": "gpt-5",
            "cost": 0.0011,
            "tokens": {"input": 50, "output": 10, "reasoning": 5, "cache": {"read": 40, "write": 0}},
        },
        [
            {"id": "prt_2", "type": "reasoning", "text": THOUGHT},
            {
                "id": "prt_3",
                "type": "tool",
                "tool": "bash",
                "callID": "run-1",
                "state": {"status": "completed", "input": {"command": COMMAND}, "output": OUTPUT, "metadata": {"exit": 1}},
            },
            {"id": "prt_4", "type": "text", "text": ANSWER},
        ],
    ),
]
OPENCODE = document({"info": OPENCODE_INFO, "messages": [{"info": info, "parts": parts} for info, parts in OPENCODE_MESSAGES]})
AMP = document(
    {
        "v": 7,
        "id": "T-1234-abcd",
        "created": MILLIS,
        "messages": [
            {"role": "user", "messageId": 0, "content": [{"type": "text", "text": QUESTION}], "meta": {"sentAt": MILLIS}},
            {
                "role": "assistant",
                "messageId": 1,
                "usage": {"model": "claude-opus-4-5", "inputTokens": 50, "outputTokens": 10, "cacheReadInputTokens": 40},
                "content": [
                    {"type": "thinking", "thinking": THOUGHT},
                    {"type": "tool_use", "id": "run-1", "name": "Bash", "input": {"cmd": COMMAND}},
                ],
            },
            {
                "role": "user",
                "messageId": 2,
                "content": [
                    {"type": "tool_result", "toolUseID": "run-1", "run": {"status": "done", "result": {"output": OUTPUT, "exitCode": 1}}}
                ],
            },
            {"role": "assistant", "messageId": 3, "content": [{"type": "text", "text": ANSWER}]},
        ],
        "title": "Turnstile",
        "env": {
            "initial": {
                "trees": [{"uri": "file:///home/a/gate", "repository": {"url": "https://example.org/a/gate", "ref": "refs/heads/main"}}]
            }
        },
    }
)
AMP_LINES = lines(
    {"type": "system", "subtype": "init", "session_id": "T-1234-abcd", "cwd": "/home/a/gate"},
    *(
        {"type": role, "session_id": "T-1234-abcd", "message": {"role": role, "content": content}}
        for role, content in [
            ("user", [{"type": "text", "text": QUESTION}]),
            (
                "assistant",
                [{"type": "thinking", "thinking": THOUGHT}, {"type": "tool_use", "id": "run-1", "name": "Bash", "input": {"cmd": COMMAND}}],
            ),
            ("user", [{"type": "tool_result", "tool_use_id": "run-1", "is_error": True, "content": f"Exit code 1\n{OUTPUT}"}]),
            ("assistant", [{"type": "text", "text": ANSWER}]),
        ]
    ),
    {"type": "result", "session_id": "T-1234-abcd", "result": ANSWER},
)
_BLOCKS = [
    ("user", [{"type": "text", "text": QUESTION}]),
    (
        "assistant",
        [{"type": "thinking", "thinking": THOUGHT}, {"type": "tool_use", "id": "run-1", "name": "Execute", "input": {"command": COMMAND}}],
    ),
    ("user", [{"type": "tool_result", "tool_use_id": "run-1", "content": f"Error: Command failed (exit code: 1)\n{OUTPUT}"}]),
    ("assistant", [{"type": "text", "text": ANSWER}]),
]
DROID = lines(
    {"type": "session_start", "id": "dro-1", "title": "Turnstile", "cwd": "/home/a/gate", "version": "0.81.0"},
    *(
        {"type": "message", "id": f"d{number}", "timestamp": AT, "message": {"role": role, "content": content}}
        for number, (role, content) in enumerate(_BLOCKS)
    ),
)
DROID_STREAM = lines(
    {"type": "system", "subtype": "init", "session_id": "dro-1", "timestamp": MILLIS, "model": "droid-1", "cwd": "/home/a/gate", "id": "s"},
    {"type": "message", "session_id": "dro-1", "timestamp": MILLIS, "role": "user", "text": QUESTION, "id": "d0"},
    {"type": "reasoning", "session_id": "dro-1", "timestamp": MILLIS, "text": THOUGHT, "id": "d1"},
    {
        "type": "tool_call",
        "session_id": "dro-1",
        "timestamp": MILLIS,
        "toolCallId": "run-1",
        "toolName": "Shell",
        "parameters": {"command": COMMAND},
    },
    {"type": "tool_result", "session_id": "dro-1", "timestamp": MILLIS, "toolCallId": "run-1", "value": {"stdout": OUTPUT, "exitCode": 1}},
    {
        "type": "completion",
        "session_id": "dro-1",
        "timestamp": MILLIS,
        "finalText": ANSWER,
        "id": "d2",
        "usage": {"input_tokens": 9, "output_tokens": 5},
    },
)
PI = lines(
    {"type": "session", "version": 3, "id": "pi-1", "timestamp": AT, "cwd": "/home/a/gate"},
    {"type": "message", "id": "e1", "timestamp": AT, "message": {"role": "user", "content": [{"type": "text", "text": QUESTION}]}},
    {
        "type": "message",
        "id": "e2",
        "parentId": "e1",
        "timestamp": AT,
        "message": {
            "role": "assistant",
            "model": "claude-opus-4-5",
            "usage": {"input": 50, "output": 10, "cacheRead": 40, "cost": {"total": 0.01}},
            "content": [
                {"type": "thinking", "thinking": THOUGHT},
                {"type": "toolCall", "id": "run-1", "name": "bash", "arguments": {"command": COMMAND}},
            ],
        },
    },
    {
        "type": "message",
        "id": "e3",
        "timestamp": AT,
        "message": {"role": "toolResult", "toolCallId": "run-1", "content": [{"type": "text", "text": OUTPUT}], "isError": True},
    },
    {"type": "message", "id": "e4", "timestamp": AT, "message": {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]}},
)


def _loop(**event: object) -> dict[str, object]:
    return {"type": "context.append_loop_event", "event": event, "time": MILLIS}


KIMI = lines(
    {"type": "metadata", "protocol_version": "1.4", "created_at": MILLIS},
    {"type": "config.update", "cwd": "/home/a/gate", "modelAlias": "kimi-k2", "time": MILLIS},
    {"type": "turn.prompt", "input": [{"type": "text", "text": QUESTION}], "origin": {"kind": "user"}, "time": MILLIS},
    {
        "type": "context.append_message",
        "message": {"role": "user", "content": [{"type": "text", "text": QUESTION}], "origin": {"kind": "user"}},
        "time": MILLIS,
    },
    _loop(type="content.part", uuid="k1", part={"type": "think", "think": THOUGHT}),
    _loop(type="tool.call", uuid="run-1", toolCallId="run-1", name="Bash", args={"command": COMMAND}),
    _loop(type="tool.result", toolCallId="run-1", result={"output": f"Command failed with exit code: 1\n{OUTPUT}", "isError": True}),
    _loop(type="step.end", usage={"inputOther": 50, "output": 10, "inputCacheRead": 40}),
    _loop(type="content.part", uuid="k2", part={"type": "text", "text": ANSWER}),
)
GROK = lines(
    {"type": "system", "content": "You are Grok."},
    {"type": "user", "content": [{"type": "text", "text": "<user_info>x</user_info>"}], "synthetic_reason": "environment_context"},
    {"type": "user", "content": [{"type": "text", "text": QUESTION}], "prompt_index": 0},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]},
    {
        "type": "assistant",
        "content": "",
        "tool_calls": [{"id": "run-1", "name": "run_terminal_cmd", "arguments": json.dumps({"command": COMMAND})}],
        "model_id": "grok-4.5",
    },
    {"type": "tool_result", "tool_call_id": "run-1", "content": f"Exit code: 1\n{OUTPUT}"},
    {"type": "assistant", "content": ANSWER, "tool_calls": [], "model_id": "grok-4.5"},
)
_STEPS: list[dict[str, Any]] = [
    {
        "source": "USER_EXPLICIT",
        "type": "USER_INPUT",
        "content": f"<USER_REQUEST>\n{QUESTION}\n</USER_REQUEST>\n<SETTINGS>x</SETTINGS>",
    },
    {
        "source": "MODEL",
        "type": "PLANNER_RESPONSE",
        "thinking": THOUGHT,
        "tool_calls": [{"name": "run_command", "args": {"command": json.dumps(COMMAND)}}],
    },
    {"source": "MODEL", "type": "RUN_COMMAND", "status": "ERROR", "content": f"Exit code: 1\n{OUTPUT}"},
    {"source": "MODEL", "type": "PLANNER_RESPONSE", "content": ANSWER},
]
ANTIGRAVITY = lines(*({"step_index": number, "status": "DONE", "created_at": AT} | each for number, each in enumerate(_STEPS)))


def _node(name: str, parent: str | None, role: str, content: object, **more: object) -> tuple[str, dict[str, object]]:
    message = {
        "id": name,
        "author": {"role": role},
        "create_time": MILLIS / 1000,
        "content": content,
        "metadata": {"model_slug": "gpt-5"},
        **more,
    }
    return name, {"id": name, "parent": parent, "children": [], "message": message}


def _parts(text: str) -> dict[str, object]:
    return {"content_type": "text", "parts": [text]}


CONVERSATION: dict[str, Any] = {
    "title": "Turnstile",
    "create_time": MILLIS / 1000,
    "mapping": {
        "root": {"id": "root", "message": None, "parent": None, "children": ["n1"]},
        **dict(
            [
                _node("n1", "root", "user", _parts(QUESTION)),
                _node("n2", "n1", "assistant", {"content_type": "thoughts", "thoughts": [{"content": THOUGHT}]}),
                _node("n3", "n2", "assistant", {"content_type": "code", "text": COMMAND}, recipient="python"),
                _node("n4", "n3", "tool", {"content_type": "execution_output", "text": f"Exit code: 1\n{OUTPUT}"}),
                _node("n5", "n4", "assistant", _parts(ANSWER)),
                _node("n6", "n4", "assistant", _parts("An answer that was made anew since.")),
            ]
        ),
    },
    "current_node": "n5",
    "conversation_id": "conv-1",
}
CHATGPT = document([CONVERSATION, {**CONVERSATION, "conversation_id": "conv-2", "title": "Again"}])
CLAUDE_EXPORT = f"""
 ▐▛███▜▌   Claude Code v2.0.14
▝▜█████▛▘  Opus 4.5 · Claude Max
  ▘▘ ▝▝    ~/gate

> {QUESTION}

✻ Thinking…

  {THOUGHT}

⏺ Bash({COMMAND})
  ⎿  Error: Exit code 1
     {OUTPUT}

⏺ {ANSWER}
  It is a matter of one line.
""".encode()


def database(*statements: tuple[str, tuple[object, ...]]) -> bytes:
    """Return the bytes of a SQLite file made by these statements."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        connection = sqlite3.connect(path)
        for statement, values in statements:
            connection.execute(statement, values)
        connection.commit()
        connection.close()
        return path.read_bytes()


def key_values(values: dict[str, object]) -> bytes:
    """Return a `state.vscdb` that holds these values."""
    rows = [("INSERT INTO cursorDiskKV VALUES (?, ?)", (key, json.dumps(value))) for key, value in values.items()]
    return database(
        ("CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)", ()),
        ("CREATE TABLE cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)", ()),
        *rows,
    )


CURSOR_VALUES: dict[str, object] = {
    "composerData:comp-1": {
        "_v": 3,
        "composerId": "comp-1",
        "name": "Turnstile",
        "createdAt": MILLIS,
        "modelConfig": {"modelName": "claude-opus-4-5"},
        "workspaceIdentifier": {"uri": {"fsPath": "/home/a/gate"}},
        "fullConversationHeadersOnly": [{"bubbleId": f"b{number}", "type": 1 if number == 1 else 2} for number in (1, 2, 3, 4)],
    },
    "bubbleId:comp-1:b1": {"type": 1, "bubbleId": "b1", "text": QUESTION, "createdAt": AT},
    "bubbleId:comp-1:b2": {
        "type": 2,
        "bubbleId": "b2",
        "thinking": {"text": THOUGHT},
        "tokenCount": {"inputTokens": 90, "outputTokens": 10},
    },
    "bubbleId:comp-1:b3": {
        "type": 2,
        "bubbleId": "b3",
        "toolFormerData": {
            "toolCallId": "run-1",
            "name": "run_terminal_cmd",
            "status": "completed",
            "rawArgs": json.dumps({"command": COMMAND}),
            "result": json.dumps({"output": OUTPUT, "exitCode": 1}),
        },
    },
    "bubbleId:comp-1:b4": {"type": 2, "bubbleId": "b4", "text": ANSWER},
}
CURSOR_DATABASE = key_values(CURSOR_VALUES)
OPENCODE_DATABASE = database(
    ("CREATE TABLE session (id text PRIMARY KEY, parent_id text, directory text, title text, version text, time_created integer)", ()),
    ("CREATE TABLE message (id text PRIMARY KEY, session_id text, time_created integer, data text)", ()),
    ("CREATE TABLE part (id text PRIMARY KEY, message_id text, session_id text, time_created integer, data text)", ()),
    ("INSERT INTO session VALUES ('ses_1', NULL, '/home/a/gate', 'Turnstile', '1.3.0', ?)", (MILLIS,)),
    *(
        (
            "INSERT INTO message VALUES (?, 'ses_1', ?, ?)",
            (info["id"], MILLIS, json.dumps({key: value for key, value in info.items() if key != "id"})),
        )
        for info, _ in OPENCODE_MESSAGES
    ),
    *(
        (
            "INSERT INTO part VALUES (?, ?, 'ses_1', ?, ?)",
            (part["id"], info["id"], MILLIS, json.dumps({key: value for key, value in part.items() if key != "id"})),
        )
        for info, parts in OPENCODE_MESSAGES
        for part in parts
    ),
)

TRANSCRIPTS: dict[str, tuple[Format, bytes]] = {
    "gemini": ("gemini", GEMINI),
    "gemini-lines": ("gemini", GEMINI_LINES),
    "qwen": ("qwen", QWEN),
    "copilot-cli": ("copilot-cli", COPILOT_CLI),
    "copilot-chat": ("copilot-chat", COPILOT_CHAT),
    "copilot-chat-log": ("copilot-chat", COPILOT_CHAT_LOG),
    "opencode": ("opencode", OPENCODE),
    "opencode-database": ("opencode", OPENCODE_DATABASE),
    "amp": ("amp", AMP),
    "amp-lines": ("amp", AMP_LINES),
    "droid": ("droid", DROID),
    "droid-stream": ("droid", DROID_STREAM),
    "pi": ("pi", PI),
    "kimi": ("kimi", KIMI),
    "grok": ("grok", GROK),
    "antigravity": ("antigravity", ANTIGRAVITY),
    "chatgpt": ("chatgpt", CHATGPT),
    "claude-export": ("claude-export", CLAUDE_EXPORT),
    "cursor-database": ("cursor-database", CURSOR_DATABASE),
}
"""Name → (format, transcript). Each tells the same story."""
