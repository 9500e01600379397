"""What `cairn doctor` makes of the server's parts."""

from __future__ import annotations

from typing import Any

import pytest

from app.cli.check import Check, Verdict
from app.cli.doctor import part_checks
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
