"""What a hook told is in the journal once it is answered, even if the server is killed right then."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from tests.running import Running, start

pytestmark = pytest.mark.slow


def hook(server: Running, session: str, number: int) -> None:
    body = {
        "session_id": session,
        "hook_event_name": "UserPromptSubmit",
        "prompt_id": f"p{number}",
        "cwd": "/home/ada/shop",
        "prompt": f"Do the step number {number} of the plan.",
    }
    headers = {"content-type": "application/json", "x-cairn-project": "shop"}
    assert server._ask("POST", "/v1/hooks/claude-code", json.dumps(body).encode(), headers) == {}


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    session = str(uuid4())
    server = start(tmp_path / "data")
    for number in range(20):
        hook(server, session, number)
    server.kill()
    again = start(tmp_path / "data")
    try:
        sessions = again.get("/v1/sessions?project=shop")["sessions"]
        assert isinstance(sessions, list)
        assert [(each["external_id"], each["events"]) for each in sessions] == [(session, 20)]
        hook(again, session, 19)
        assert again.get("/v1/sessions?project=shop")["sessions"] == sessions
    finally:
        again.stop()
