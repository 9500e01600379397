"""The route of IDEs' hooks: the body is what the IDE gives its hook, the answer what it expects from it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response

from app import clock
from app.assist.hooks.origins import GivenOrigin
from app.assist.hooks.outputs import output_of
from app.errors import InvalidInput, Unreadable
from app.sessions.hook_payloads import Ide, read
from app.web import json_body
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Reader, services_of

router = APIRouter(prefix="/v1/hooks", tags=["hooks"], route_class=AuthenticatedRoute)

MAX_HEADER_CHARS = 1000
PROMPT = {
    "session_id": "0b0c9e3e-5a52-4b8e-9a3e-0e5a6d1f2c3b",
    "prompt_id": "prompt-17",
    "transcript_path": "/home/ada/.claude/projects/-home-ada-shop/0b0c9e3e.jsonl",
    "cwd": "/home/ada/shop",
    "hook_event_name": "UserPromptSubmit",
    "prompt": "Why do the payment tests fail with ECONNREFUSED?",
}
TOOL = {
    "session_id": "0b0c9e3e-5a52-4b8e-9a3e-0e5a6d1f2c3b",
    "cwd": "/home/ada/shop",
    "hook_event_name": "PostToolUse",
    "tool_name": "Bash",
    "tool_input": {"command": "pytest tests/payments"},
    "tool_response": {"stdout": "1 passed", "stderr": "", "interrupted": False},
    "tool_use_id": "toolu_01A",
}
CURSOR_PROMPT = {
    "conversation_id": "c-77",
    "generation_id": "g-1",
    "hook_event_name": "beforeSubmitPrompt",
    "workspace_roots": ["/home/ada/shop"],
    "prompt": "Why do the payment tests fail?",
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The JSON that the IDE gives its hook, as it is.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {
                    "prompt": {"summary": "Claude Code or Codex: a prompt", "value": PROMPT},
                    "tool": {"summary": "Claude Code or Codex: a tool's call", "value": TOOL},
                    "cursor": {"summary": "Cursor: a prompt", "value": CURSOR_PROMPT},
                },
            }
        },
    },
    "responses": {
        "200": {
            "description": "The hook's output; an empty object gives the session nothing.",
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "examples": {
                        "given": {
                            "summary": "Knowledge for a prompt",
                            "value": {
                                "hookSpecificOutput": {
                                    "hookEventName": "UserPromptSubmit",
                                    "additionalContext": '<cairn-knowledge ids="…">\n…\n</cairn-knowledge>',
                                }
                            },
                        },
                        "nothing": {"summary": "Nothing to give", "value": {}},
                    },
                }
            },
        }
    },
}
IdeName = Annotated[Ide, Path(description="The IDE whose hook it is.", examples=["claude-code"])]
GivenProject = Annotated[
    str | None, Header(max_length=MAX_HEADER_CHARS, description="The session's project; precedes what was registered.", examples=["shop"])
]
GivenRepository = Annotated[
    str | None,
    Header(
        max_length=MAX_HEADER_CHARS,
        description="URL of the repository that the session works in.",
        examples=["git@github.com:acme/shop.git"],
    ),
]
GivenBranch = Annotated[str | None, Header(max_length=MAX_HEADER_CHARS, description="Its branch.", examples=["fix/pool"])]
GivenDirectory = Annotated[
    str | None, Header(max_length=MAX_HEADER_CHARS, description="Name of the folder that the session works in.", examples=["shop"])
]
GivenMain = Annotated[
    str | None,
    Header(
        max_length=MAX_HEADER_CHARS,
        description="Folder of the repository, where the session works in a worktree of it.",
        examples=["/home/ada/shop"],
    ),
]

GivenInject = Annotated[
    Literal["on", "off"],
    Header(description="off: the client passes no text on to the session, which is given none."),
]


@router.post(
    "/{ide}",
    summary="Receive an IDE's hook, and answer it",
    description=(
        "The event is stored before the reply. At a session's start and at each prompt, the reply contains what the team knows, if "
        "the session's project is known: by `x-cairn-project`, or by the headers that came with an earlier hook of the session. For "
        "an unknown event the reply is an empty object. Headers are percent-encoded where they aren't ASCII."
    ),
    openapi_extra=BODY,
    responses=responses(400, 413),
)
async def receive(
    request: Request,
    caller: Reader,
    ide: IdeName,
    *,
    x_cairn_project: GivenProject = None,
    x_cairn_repository: GivenRepository = None,
    x_cairn_branch: GivenBranch = None,
    x_cairn_directory_name: GivenDirectory = None,
    x_cairn_directory: GivenMain = None,
    x_cairn_inject: GivenInject = "on",
) -> Response:
    headers = (x_cairn_project, x_cairn_repository, x_cairn_branch, x_cairn_directory_name, x_cairn_directory)
    told = (unquote(each).strip() or None if each else None for each in headers)
    hook = read(ide, _parsed(await request.body()), clock.now())
    text = await services_of(request).assist.hooks.receive(caller, hook, GivenOrigin(*told), inject=x_cairn_inject == "on")
    return Response(json.dumps(output_of(hook, text), ensure_ascii=False), media_type="application/json")


def _parsed(body: bytes) -> object:
    if not body.strip():
        raise InvalidInput("The body is empty: send the hook's input as the IDE gave it.", param="body")
    try:
        return json_body.parse(body)
    except json.JSONDecodeError:
        raise Unreadable("The body is not valid JSON in UTF-8: send the hook's input as the IDE gave it.") from None
