"""A query filtered by intent: whether it finds the nearest passages of the intent, and what it costs beside the same query without it.

python tests/performance/measure_intent_filter.py [--passages N]

Passages of varied texts in sessions of 20 exchanges, whose prompts have an intent by number; one in a hundred is of the rarest. Costs are
processor time of this process, PostgreSQL and the vector engine together, since other programs may run beside.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from app import settings as config
from app.embeddings import late_interaction
from app.knowledge.neighbours import pack_half
from app.knowledge.passage_search import PassageSearch
from app.knowledge.passages import terms
from app.knowledge.reads import Reads
from app.knowledge.results import Query
from app.knowledge.search_backend import SearchBackend
from app.knowledge.versions import Scope
from app.services import Services, open_services
from tests.fakes.models import models_folder
from tests.performance.corpus import questions, varied_lessons
from tests.performance.filled import _copy, vectors_of

A_SESSION, AN_EXCHANGE = 100, 5
COMMON, RARE = "debugging", "optimization"
ASKED, NEAREST = 60, 10
NO_TOKENS = late_interaction.pack((), np.zeros((0, 384), np.float32))
TICKS = os.sysconf("SC_CLK_TCK")
"""Of a second, in which the system counts processor time."""


def intent_of(exchange: int) -> str:
    return RARE if exchange % 100 == 7 else COMMON if exchange % 2 else "feature-dev"


async def stored(services: Services, count: int) -> NDArray[np.float32]:
    """Store the passages with their places and intents; return their vectors, as they are stored."""
    texts = [body for _, body in varied_lessons(count, seed=1)]
    vectors = await vectors_of(services.embedder, texts)
    async with services.database.begin() as connection:
        team = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
        project = await services.accounts.project_id(connection, team, "shop")
        raw: Any = (await connection.get_raw_connection()).driver_connection
        sessions = [uuid4() for _ in range(0, count, A_SESSION)]
        passages = [UUID(int=number + 1) for number in range(count)]
        await _copy(raw, "sessions", _sessions(sessions, team, project))
        await _copy(raw, "prompt_intents", _intents(sessions))
        await _copy(raw, "passages", _passages(passages, texts, vectors, team, project))
        await _copy(raw, "passage_places", _places(passages, sessions))
        await connection.exec_driver_sql("analyze")
    await services.knowledge.index.rebuild()
    return vectors


def _sessions(sessions: Sequence[UUID], team: UUID, project: UUID) -> Iterator[dict[str, Any]]:
    for number, session in enumerate(sessions):
        named = {"provider": "generic", "external_id": str(number), "transcript": f"{number}.jsonl"}
        yield {"id": session, "team_id": team, "project_id": project, **named}


def _intents(sessions: Sequence[UUID]) -> Iterator[dict[str, Any]]:
    for number, session in enumerate(sessions):
        for exchange in range(A_SESSION // AN_EXCHANGE):
            told = {"intent": intent_of(number * (A_SESSION // AN_EXCHANGE) + exchange), "confidence": 0.8}
            yield {
                "session_id": session,
                "seq": exchange * AN_EXCHANGE + 1,
                **told,
                "second": "testing",
                "second_confidence": 0.1,
                "made_by": "m",
            }


def _passages(
    passages: Sequence[UUID], texts: Sequence[str], vectors: NDArray[np.float32], team: UUID, project: UUID
) -> Iterator[dict[str, Any]]:
    for number, (passage, body) in enumerate(zip(passages, texts, strict=True)):
        yield {
            "id": passage,
            "team_id": team,
            "project_id": project,
            "key": number.to_bytes(32, "big"),
            "text": body,
            "heading": "",
            "tokens": len(body) // 4,
            "terms": terms.hashed(body),
            "embedding": pack_half(vectors[number]),
            "made_by": "m",
            "late": NO_TOKENS,
        }


def _places(passages: Sequence[UUID], sessions: Sequence[UUID]) -> Iterator[dict[str, Any]]:
    for number, passage in enumerate(passages):
        place = number % A_SESSION
        told = {"locator": f"L{place}", "role": "assistant", "kind": "said", "sidechain": False, "prompt": "", "files": []}
        yield {
            "session_id": sessions[number // A_SESSION],
            "seq": place + 1,
            "number": 0,
            "ordinal": place,
            "passage_id": passage,
            "exchange": place // AN_EXCHANGE + 1,
            **told,
        }


def spent_ms(folder: Path) -> float:
    """Processor time so far of this process, of what names `folder` in its command (PostgreSQL has left the tree), and of all they started."""
    parents: dict[int, tuple[int, float]] = {}
    ours = {os.getpid()}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                named = str(folder).encode() in (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            parents[int(entry.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) * 1_000 / TICKS
            ours |= {int(entry.name)} if named else set()
    while more := {each for each, (parent, _) in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(parents[each][1] for each in ours if each in parents)


async def measure(services: Services, vectors: NDArray[np.float32], folder: Path) -> None:
    backend = SearchBackend(
        Reads(services.database), services.accounts, services.knowledge.index, services.storage.vectors, services.settings.knowledge
    )
    search, scope = PassageSearch(backend), Scope(await services.accounts.team_id("default"), None)
    asked = [(each, await services.embedder.embed_question(each)) for each in questions(ASKED)]
    labels = np.array([intent_of(number // AN_EXCHANGE) for number in range(len(vectors))])
    for intents in ((), (COMMON,), (RARE,)):
        found_of: list[float] = []
        wrong = 0
        began = spent_ms(folder)
        for words, encoded in asked:
            degraded: list[str] = []
            query = Query(words, kinds=("passage",), min_score=0.0, intents=intents)
            found = await search.find(scope, query, encoded, degraded)
            assert not degraded
            ids = {UUID(each).int - 1 for each in found.rows}
            near = np.where(np.isin(labels, intents) if intents else np.ones(len(labels), bool), vectors @ encoded.vector, -2.0)
            best = np.argsort(-near)[:NEAREST]
            found_of.append(len(ids.intersection(best.tolist())) / NEAREST)
            wrong += sum(labels[each] not in intents for each in ids) if intents else 0
        spent = (spent_ms(folder) - began) / len(asked)
        name = ", ".join(intents) or "no intent"
        share = np.isin(labels, intents).mean() if intents else 1.0
        print(
            f"{name} ({share:.0%} of {len(labels):,} passages): {np.mean(found_of):.3f} of the nearest {NEAREST} read, "
            f"worst question {min(found_of):.1f}, {wrong} of another intent; {spent:.1f} ms of processor time a question"
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=10_000)
    count = parser.parse_args().passages
    with tempfile.TemporaryDirectory(prefix="cairn-intents-", dir="/tmp") as scratch:
        folder = Path(scratch) / "data"
        folder.mkdir()
        (folder / "models").symlink_to(models_folder())
        async with open_services(config.load(data_dir=folder), role="serve") as services:
            await measure(services, await stored(services, count), folder)


if __name__ == "__main__":
    asyncio.run(main())
