"""Claude Code itself, as npm installs it, headless against Cairn: it gets an answer, calls a tool, and hears of an exhausted budget.

It runs in a namespace that has only a loopback; the provider behind Cairn is a scripted one of OpenAI's format.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.scripted import ScriptedProvider, Streamed
from tests.integration.api import isolated
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door

PACKAGE = "@anthropic-ai/claude-code"
WORDS = "Rivers run to the sea."
USAGE = {"prompt_tokens": 900, "completion_tokens": 12, "total_tokens": 912}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [choice], **more}


def said(text: str) -> Streamed:
    words = [chunk({"content": word if at == 0 else f" {word}"}) for at, word in enumerate(text.split(" "))]
    return Streamed([chunk({"role": "assistant"}), *words, chunk({}, "stop", usage=USAGE), "[DONE]"])


def calls(name: str, arguments: Mapping[str, Any]) -> Streamed:
    text = json.dumps(arguments)
    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": text[at : at + 9]}}]}) for at in range(0, len(text), 9)]
    return Streamed([chunk({"role": "assistant", "tool_calls": [head]}), *pieces, chunk({}, "tool_calls", usage=USAGE), "[DONE]"])


async def session_cost(door: Door, session: str) -> Any:
    """What a session cost, by the agent's own id."""
    await door.engine._meter.close()
    await door.api.services.budget.requests._writing.finish()
    return (await door.api.ask("GET", f"/v1/budget/sessions/{session}", key=door.key)).json


class Model(ScriptedProvider):
    """Answers the agent's main conversation, which has its tools, from the script; whatever else it asks (a title …) with some words."""

    def __init__(self, *script: Streamed) -> None:
        super().__init__(said("A title"))
        self._script = list(script)

    def reply_to(self, body: Mapping[str, Any]) -> Streamed | Mapping[str, Any]:
        return (self._script.pop(0) if self._script else said(WORDS)) if body.get("tools") else super().reply_to(body)


@dataclass(frozen=True, slots=True)
class Agent:
    """Claude Code, installed. `folder`: where it works."""

    program: Path
    namespace: list[str]
    folder: Path

    async def ask(self, door: Door, prompt: str, *options: str) -> tuple[isolated.Finished, Any]:
        """Ask it headless; returns how it ended, and its own account of it as JSON."""
        environment = {
            "HOME": str(self.folder / "home"),
            "ANTHROPIC_BASE_URL": isolated.URL,
            "ANTHROPIC_AUTH_TOKEN": door.key,
            "ANTHROPIC_MODEL": "auto",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "auto",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        (self.folder / "home").mkdir(exist_ok=True)
        (self.folder / "work").mkdir(exist_ok=True)
        command = [str(self.program), "-p", prompt, "--output-format", "json", *options]
        async with isolated.socket_to(door.api.url, self.folder) as socket:
            done = await isolated.run(self.namespace, command, socket=socket, folder=self.folder / "work", environment=environment)
        return done, json.loads(done.out) if done.out.startswith(("{", "[")) else None


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("claude-code")
    if (why := isolated.install(PACKAGE, folder)) is not None:
        pytest.skip(why)
    return folder / "node_modules" / ".bin" / "claude"


@pytest.fixture
def agent(program: Path, short_folder: Path, tmp_path: Path) -> Agent:
    namespace = isolated.namespace_command()
    if namespace is None:
        pytest.skip("network namespaces are not allowed here (unshare -n)")
    return Agent(program, namespace, tmp_path)


@pytest.fixture
async def answering(api: Api) -> AsyncIterator[Door]:
    async with Model(said(WORDS)) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        yield door


async def test_claude_code_gets_an_answer(agent: Agent, answering: Door) -> None:
    done, told = await agent.ask(answering, "What do rivers do?")
    assert (done.status, told["result"]) == (0, WORDS)


@pytest.mark.parametrize("kind", ["groq", "anthropic", "gemini"])
async def test_claude_code_gets_an_answer_of_a_provider_of_any_format(agent: Agent, api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door:
        door.fakes["one"].say(WORDS)
        done, told = await agent.ask(door, "What do rivers do?")
        assert (done.status, told["result"]) == (0, WORDS)


async def test_claude_code_writes_a_file_with_a_tool_call(agent: Agent, api: Api) -> None:
    path = agent.folder / "work" / "rivers.txt"
    script = calls("Write", {"file_path": str(path), "content": "To the sea.\n"}), said("Written.")
    async with Model(*script) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        done, told = await agent.ask(door, "Write rivers.txt.", "--allowedTools", "Write", "--permission-mode", "acceptEdits")
        assert (done.status, told["result"], told["num_turns"]) == (0, "Written.", 2)
        assert path.read_text() == "To the sea.\n"
        results = [message for message in model.asked[-1]["messages"] if message["role"] == "tool"]
        assert [each["tool_call_id"] for each in results] == ["call_1"]


async def test_claude_code_goes_on_with_a_session(agent: Agent, api: Api) -> None:
    async with Model(said("Forty-two."), said("I said so.")) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        _, first = await agent.ask(door, "What is the answer?")
        done, second = await agent.ask(door, "What did you say?", "--resume", first["session_id"])
        assert (done.status, second["result"]) == (0, "I said so.")
        asked = json.dumps(model.asked[-1]["messages"])
        assert "What is the answer?" in asked
        assert "Forty-two." in asked
        cost = await session_cost(door, first["session_id"])
        assert cost["requests"] >= 2
        assert cost["cost_usd"] == pytest.approx((await door.money())["spent_usd"])


async def test_claude_code_tells_of_an_exhausted_budget(agent: Agent, api: Api) -> None:
    async with Model(said(WORDS)) as model, open_door(api, hostile={"one": model}, limit_usd=0.0001) as door:  # type: ignore[dict-item]
        done, told = await agent.ask(door, "What do rivers do?")
        assert done.status != 0
        assert model.asked == []
        assert "budget" in told["result"]
        assert "resets at" in told["result"]
