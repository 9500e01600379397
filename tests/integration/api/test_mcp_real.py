"""Token budgets of MCP's tools over real sessions, counted with tiktoken: a hit, a whole answer, what a session is told at its start."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from app.mcp.definitions import DEFAULT_GET_TOKENS, DEFAULT_SEARCH_TOKENS, MAX_HIT_TOKENS
from app.tokens import count_text
from tests.integration.api.conftest import Api
from tests.integration.api.test_mcp import call, client

MAX_BYTES, FILES, QUESTIONS = 150_000, 8, 30


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.long
async def test_hits_and_answers_over_real_sessions_keep_to_their_budgets(api: Api, shared_data: Path) -> None:
    key = await api.developer("mcp-real")
    small = [
        each
        for each in read_lines(shared_data / "questions" / "uploads.jsonl")
        if (shared_data / each["transcript"]).stat().st_size < MAX_BYTES
    ]
    for each in small[:FILES]:
        path = shared_data / each["transcript"]
        await api.ingest(path.read_bytes(), key=key, team="mcp-real", project=each["project"], name=path.name)
    projects = {each["project"] for each in small[:FILES]}
    asked = [each["question"] for each in read_lines(shared_data / "questions" / "questions.jsonl")][:QUESTIONS]
    lines: list[int] = []
    entries: list[int] = []
    wholes: list[int] = []
    async with client(api, key) as opened:
        for question in asked:
            text, found = await call(opened, "search", query=question)
            assert count_text(text) <= DEFAULT_SEARCH_TOKENS
            assert count_text(compact(found)) <= DEFAULT_SEARCH_TOKENS
            if not found["results"]:
                continue
            lines += [count_text(f"{line}\n {hit['id']}") for line, hit in zip(text.splitlines()[2:-1], found["results"], strict=True)]
            entries += [count_text(f"{compact(hit)},") for hit in found["results"]]
            whole, read = await call(opened, "get", ids=[hit["id"] for hit in found["results"]][:3])
            wholes.append(count_text(whole))
            assert count_text(whole) <= DEFAULT_GET_TOKENS
            assert count_text(compact(read)) <= DEFAULT_GET_TOKENS
    assert max(lines) <= MAX_HIT_TOKENS
    assert max(entries) <= MAX_HIT_TOKENS
    print(
        f"{len(lines)} hits: line {statistics.mean(lines):.0f} mean, {max(lines)} most; JSON {statistics.mean(entries):.0f}, {max(entries)}"
    )
    print(f"{len(wholes)} answers of get: {statistics.mean(wholes):.0f} mean, {max(wholes)} most")
    for project in sorted(projects):
        async with client(api, key, project=project) as opened:
            for budget in (300, 2000):
                text, told = await call(opened, "session_context", max_tokens=budget)
                assert count_text(text) <= budget
                print(f"{project}: {len(told['entries'])} entries, {count_text(text)} of {budget} tokens\n{text if budget == 2000 else ''}")
