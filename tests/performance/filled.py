"""A data folder with so many items, made once and copied for each measurement: real embeddings of varied texts, in bulk.

Written with COPY past the intake, which is measured elsewhere; the index is then built as every index is, from PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from app import settings as settings_module
from app.clock import now
from app.embeddings import Embedder
from app.embeddings.longform import MODEL as LONG_MODEL
from app.knowledge.neighbours import item_text, pack
from app.services import Services, open_services
from app.storage import migrations
from tests.fakes.models import models_folder
from tests.performance.corpus import varied_lessons

PROJECTS = 10
"""The items are shared out evenly: a filter on a project leaves a tenth."""
A_SESSION = 100
EMBEDDED_AT_ONCE = 5_000
SEED = 1
RECIPE = 2
"""Of what is stored: a folder that was made by another is made anew."""


def project(number: int) -> str:
    return f"project-{number}"


async def filled(count: int, folder: Path) -> None:
    """Make `folder` the data folder of a stopped Cairn that holds `count` items, indexed."""
    stock = Path(tempfile.gettempdir()) / f"cairn-filled-{os.getuid()}-{count}-{migrations.head()}-{RECIPE}"
    if not (stock / "whole").exists():
        await asyncio.to_thread(shutil.rmtree, stock, ignore_errors=True)
        (stock / "data").mkdir(parents=True)
        (stock / "data" / "models").symlink_to(models_folder())
        async with open_services(settings_module.load(data_dir=stock / "data"), role="serve") as services:
            await _store(services, count)
            await services.knowledge.index.rebuild()
        (stock / "whole").touch()
    copying = await asyncio.create_subprocess_exec("cp", "-a", str(stock / "data"), str(folder))  # owners too: PostgreSQL's may be another
    if await copying.wait():
        raise RuntimeError(f"{stock} could not be copied to {folder}.")


async def vectors_of(embedder: Embedder, texts: list[str]) -> NDArray[np.float32]:
    """Embedded once a machine: a hundred thousand take two minutes."""
    kept = models_folder() / f"corpus-{len(texts)}-{SEED}.npy"
    if kept.exists():
        return np.asarray(np.load(kept, mmap_mode="r"))
    parts = [await embedder.embed(texts[start : start + EMBEDDED_AT_ONCE]) for start in range(0, len(texts), EMBEDDED_AT_ONCE)]
    made = np.concatenate(parts)
    np.save(kept, made)
    return made


async def _store(services: Services, count: int) -> None:
    pairs = list(varied_lessons(count, seed=SEED))
    vectors = await vectors_of(services.embedder, [item_text(*pair) for pair in pairs])
    async with services.database.begin() as connection:
        team = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
        projects = [await services.accounts.project_id(connection, team, project(number)) for number in range(PROJECTS)]
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        sessions = [uuid4() for _ in range(0, count, A_SESSION)]
        await _copy(raw, "sessions", _sessions(sessions, team, projects))
        items = [uuid4() for _ in pairs]
        await _copy(raw, "knowledge", _items(items, pairs, vectors, team, projects, services.embedder.model))
        await _copy(raw, "knowledge_evidence", _evidence(items, pairs, vectors, sessions, services.embedder.model))
        await connection.exec_driver_sql("analyze")


async def _copy(connection: Any, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    records = [tuple(first.values()), *(tuple(row.values()) for row in rows)]
    await connection.copy_records_to_table(table, records=records, columns=list(first))


def _sessions(sessions: list[UUID], team: UUID, projects: list[UUID]) -> Iterator[dict[str, Any]]:
    for number, session in enumerate(sessions):
        yield {
            "id": session,
            "team_id": team,
            "project_id": projects[number % PROJECTS],
            "provider": "generic",
            "external_id": str(number),
            "transcript": f"{number}.jsonl",
        }


def _items(
    items: list[UUID], pairs: list[tuple[str, str]], vectors: NDArray[np.float32], team: UUID, projects: list[UUID], model: str
) -> Iterator[dict[str, Any]]:
    moment = now()
    for number, (item, (title, body)) in enumerate(zip(items, pairs, strict=True)):
        yield {
            "id": item,
            "team_id": team,
            "project_id": projects[number // A_SESSION % PROJECTS],
            "type": "bug_solution",
            "title": title,
            "text": body,
            "confidence": 0.7,
            "embedding": pack(vectors[number]),
            "embedding_model": model,
            "long_embedding_model": LONG_MODEL,  # as learnt: the texts are short
            "created_at": moment,
            "last_seen_at": moment,
        }


def _evidence(
    items: list[UUID], pairs: list[tuple[str, str]], vectors: NDArray[np.float32], sessions: list[UUID], model: str
) -> Iterator[dict[str, Any]]:
    for number, (item, (title, body)) in enumerate(zip(items, pairs, strict=True)):
        yield {
            "id": uuid4(),
            "knowledge_id": item,
            "session_id": sessions[number // A_SESSION],
            "candidate_key": str(number),
            "event_id": str(number),
            "locator": f"L{number % A_SESSION}",
            "transcript": f"{number // A_SESSION}.jsonl",
            "excerpt": body,
            "type": "bug_solution",
            "title": title,
            "text": body,
            "confidence": 0.7,
            "embedding": pack(vectors[number]),
            "embedding_model": model,
            "long_embedding_model": LONG_MODEL,  # as learnt: the texts are short
        }
