"""Codex itself, as npm installs it, headless against Cairn: it gets an answer, runs a command, applies a patch, hears of an empty budget.

It runs in a namespace that has only a loopback; the provider behind Cairn is a scripted one of OpenAI's Chat Completions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api import isolated
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_claude_code import Model, calls, said, session_cost

pytestmark = pytest.mark.slow

PACKAGE = "@openai/codex"
WORDS = "Rivers run to the sea."
KNOWN_MODEL = "gpt-5.5"
"""A name that Codex knows: only then does it offer `apply_patch`, as a custom tool. Here a profile has it."""
CONFIG = f"""\
model = "auto"
model_provider = "cairn"
[model_providers.cairn]
name = "Cairn"
base_url = "{isolated.URL}/v1"
env_key = "CAIRN_KEY"
wire_api = "responses"
"""
PATCH = "*** Begin Patch\n*** Add File: rivers.txt\n+To the sea.\n*** End Patch\n"


@dataclass(frozen=True, slots=True)
class Agent:
    """Codex, installed. `folder`: where it works."""

    program: Path
    namespace: list[str]
    folder: Path

    async def ask(self, door: Door, prompt: str, *options: str, resumed: str | None = None) -> tuple[isolated.Finished, list[Any]]:
        """Ask it headless; returns how it ended, and its events."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        (self.folder / "work").mkdir(exist_ok=True)
        (home / "config.toml").write_text(CONFIG)
        environment = {"HOME": str(home), "CODEX_HOME": str(home), "CAIRN_KEY": door.key}
        command = [str(self.program), "exec", "--json", "--skip-git-repo-check", *options]
        command += [prompt] if resumed is None else ["resume", resumed, prompt]
        async with isolated.socket_to(door.api.url, self.folder) as socket:
            done = await isolated.run(self.namespace, command, socket=socket, folder=self.folder / "work", environment=environment)
        return done, [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]


def messages(events: list[Any]) -> list[str]:
    return [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codex")
    if (why := isolated.install(PACKAGE, folder)) is not None:
        pytest.skip(why)
    return folder / "node_modules" / ".bin" / "codex"


@pytest.fixture
def agent(program: Path, tmp_path: Path) -> Agent:
    namespace = isolated.namespace_command()
    if namespace is None:
        pytest.skip("network namespaces are not allowed here (unshare -n)")
    return Agent(program, namespace, tmp_path)


async def test_codex_gets_an_answer(agent: Agent, api: Api) -> None:
    async with Model(said(WORDS)) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        done, events = await agent.ask(door, "What do rivers do?")
        assert (done.status, messages(events)) == (0, [WORDS])
        (usage,) = [event["usage"] for event in events if event["type"] == "turn.completed"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (900, 12)
        assert (await door.money())["spent_usd"] > 0


async def test_codex_writes_a_file_with_a_command(agent: Agent, api: Api) -> None:
    script = calls("exec_command", {"cmd": "echo 'To the sea.' > rivers.txt"}), said("Written.")
    async with Model(*script) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        done, events = await agent.ask(door, "Write rivers.txt.", "--dangerously-bypass-approvals-and-sandbox")
        assert (done.status, messages(events)) == (0, ["Written."])
        assert (agent.folder / "work" / "rivers.txt").read_text() == "To the sea.\n"
        results = [message for message in model.asked[-1]["messages"] if message["role"] == "tool"]
        assert [each["tool_call_id"] for each in results] == ["call_1"]


async def test_codex_applies_a_patch_through_a_provider_without_custom_tools(agent: Agent, api: Api) -> None:
    script = calls("apply_patch", {"input": PATCH}), said("Patched.")
    profiles = {KNOWN_MODEL: ("one",)}
    async with Model(*script) as model, open_door(api, hostile={"one": model}, profiles=profiles) as door:  # type: ignore[dict-item]
        options = ("--dangerously-bypass-approvals-and-sandbox", "-m", KNOWN_MODEL)
        done, events = await agent.ask(door, "Write rivers.txt.", *options)
        assert (done.status, messages(events)) == (0, ["Patched."])
        assert (agent.folder / "work" / "rivers.txt").read_text() == "To the sea.\n"
        assert any(event.get("item", {}).get("type") == "file_change" for event in events)
        offered = {tool["function"]["name"] for tool in model.asked[0]["tools"]}
        assert "apply_patch" in offered
        (call,) = [message["tool_calls"][0] for message in model.asked[-1]["messages"] if message.get("tool_calls")]
        assert json.loads(call["function"]["arguments"]) == {"input": PATCH}


async def test_codex_goes_on_with_a_session(agent: Agent, api: Api) -> None:
    async with Model(said("Forty-two."), said("I said so.")) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        _, first = await agent.ask(door, "What is the answer?")
        (thread,) = [event["thread_id"] for event in first if event["type"] == "thread.started"]
        done, second = await agent.ask(door, "What did you say?", resumed=thread)
        assert (done.status, messages(second)) == (0, ["I said so."])
        asked = json.dumps(model.asked[-1]["messages"])
        assert "What is the answer?" in asked
        assert "Forty-two." in asked
        cost = await session_cost(door, thread)
        assert (cost["requests"], cost["cost_usd"]) == (2, pytest.approx((await door.money())["spent_usd"]))
        assert [each["agent"] for each in cost["agents"]] == [None]


async def test_codex_tells_of_an_exhausted_budget(agent: Agent, api: Api) -> None:
    async with Model(said(WORDS)) as model, open_door(api, hostile={"one": model}, limit_usd=0.0001) as door:  # type: ignore[dict-item]
        done, events = await agent.ask(door, "What do rivers do?")
        assert done.status != 0
        assert model.asked == []
        (told,) = [event["message"] for event in events if event["type"] == "error"]  # once: it doesn't ask again
        assert "budget" in told
        assert "resets at" in told
