"""An embedded worker answers no requests: which of its loops fail it writes where the server looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.errors import DatabaseUnavailable
from app.part import Loop
from app.services.child import worker_heartbeat
from app.supervision import MAX_FAILURES, LoopHealth, Supervisor


async def nothing() -> None:
    return None


async def test_the_file_is_touched_each_time_and_holds_what_fails_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, supervisor = tmp_path / "worker.alive", Supervisor()
    loop = worker_heartbeat(file, supervisor)
    await loop.step()
    assert file.read_text() == ""
    os.utime(file, (0, 0))
    await loop.step()
    assert file.stat().st_mtime > 0
    health = LoopHealth(Loop(name="knowledge.feed", step=nothing, pause=1.0, meanwhile="New sessions can't be found by search yet."))
    for _ in range(MAX_FAILURES):
        health.failed(DatabaseUnavailable("PostgreSQL does not answer."))
    monkeypatch.setattr(Supervisor, "degraded", property(lambda self: [health]))
    await loop.step()
    assert "knowledge.feed failed" in file.read_text()
    assert "can't be found by search yet" in file.read_text()
    monkeypatch.undo()
    await loop.step()
    assert file.read_text() == ""
