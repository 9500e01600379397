"""The model's export beside what else a start prepares."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.embeddings import part
from app.embeddings.part import exporting_model
from app.errors import ConfigurationError


async def test_the_export_runs_while_the_body_does_and_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, prepared, exported = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def export(models: Path) -> None:
        begun.set()
        await prepared.wait()
        exported.set()

    monkeypatch.setattr(part, "ensure_exported", export)
    async with exporting_model(Path("models")):
        await begun.wait()
        prepared.set()
    assert exported.is_set()


async def test_an_export_that_fails_does_not_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def export(models: Path) -> None:
        raise ConfigurationError("The weights are not there.")

    monkeypatch.setattr(part, "ensure_exported", export)
    async with exporting_model(Path("models")):
        await asyncio.sleep(0)


async def test_a_start_that_fails_ends_the_export_and_tells_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def export(models: Path) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(part, "ensure_exported", export)
    with pytest.raises(ConfigurationError, match="PostgreSQL"):
        async with exporting_model(Path("models")):
            await begun.wait()
            raise ConfigurationError("PostgreSQL can't start.")
    assert ended.is_set()
