"""What `cairn doctor` makes of the server's parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.cli.check import Check, Verdict
from app.cli.doctor import git_check, part_checks
from app.settings import FreshnessSettings
from app.storage.disk import DiskState, FreeSpace

HERE: dict[DiskState, Verdict] = {"ok": "ok", "low": "note", "full": "failed"}


def ready(state: DiskState) -> Any:
    words = FreeSpace(2**30, state).words
    return {
        "status": "degraded",
        "database": "ok",
        "disk": "ok" if state == "ok" else "degraded",
        "reasons": {} if state == "ok" else {"disk": words},
    }


@pytest.mark.parametrize("state", ["ok", "low", "full"])
def test_this_machines_disk_is_told_once(state: DiskState) -> None:
    assert [each.name for each in part_checks(ready(state), disk=Check("disk", HERE[state], ""))] == ["database"]


@pytest.mark.parametrize("state", ["ok", "low", "full"])
def test_another_machines_disk_has_the_verdict_that_this_ones_would_have(state: DiskState) -> None:
    (found,) = (each for each in part_checks(ready(state), disk=None) if each.name == "disk")
    assert found.verdict == HERE[state]


def test_a_full_disk_that_is_not_this_machines_is_told_beside_it() -> None:
    (found,) = (each for each in part_checks(ready("full"), disk=Check("disk", "ok", "90 GB free")) if each.name == "disk")
    assert found.verdict == "failed"


def test_git_is_missing_where_a_repository_is_to_be_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = FreshnessSettings(repositories={"shop": tmp_path})
    assert git_check(settings).verdict == "ok"
    monkeypatch.setenv("PATH", str(tmp_path))
    found = git_check(settings)
    assert (found.name, found.verdict) == ("git", "failed")
    assert "install the package `git`" in found.detail


def test_a_repository_that_is_not_on_this_machine_is_named(tmp_path: Path) -> None:
    found = git_check(FreshnessSettings(repositories={"shop": tmp_path, "core:till": tmp_path / "till.git"}))
    assert (found.verdict, found.detail.endswith(f": {tmp_path / 'till.git'}")) == ("failed", True)
