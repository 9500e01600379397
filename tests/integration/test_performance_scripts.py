"""Scripts under tests/performance, in their shortest form: that they work, not how fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT, Running, running

pytestmark = pytest.mark.slow

SECONDS = 180


def ran(script: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"tests/performance/{script}.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("load") / "data") as made:
        yield made


def test_a_short_load_test_asks_every_route_and_nothing_fails(tmp_path: Path) -> None:
    found = tmp_path / "load.json"
    done = ran("load_test", "--users=4", "--duration=8s", "--think=0.02", f"--json={found}")
    routes = json.loads(found.read_text())["routes"]
    asked = {"query, new", "query, asked before", "completion", "stream", "embedding", "events", "budget"}
    assert asked <= routes.keys(), done.stdout + done.stderr
    assert routes["all"]["failed"] == 0, done.stdout
    assert "By route" in done.stdout


def test_a_stress_test_goes_step_by_step_and_says_what_bounds_it(server: Running, tmp_path: Path) -> None:
    given = [f"--url={server.url}", "--users=1", "--duration=5s", "--profile=stress"]
    done = ran("load_test", *given, env={"CAIRN_KEY": server.key})
    assert "Step by step" in done.stdout, done.stderr
    assert "What bounds it: " in done.stdout
    assert "completion" not in done.stdout  # a server of somebody's: its models cost money


def test_without_a_key_for_somebodys_server_it_says_what_to_do(server: Running) -> None:
    done = ran("load_test", f"--url={server.url}", env={"CAIRN_KEY": ""})
    assert done.returncode == 2
    assert "CAIRN_KEY" in done.stderr


def test_a_key_that_is_no_admins_is_said(server: Running) -> None:
    done = ran("load_test", f"--url={server.url}", "--duration=1s", env={"CAIRN_KEY": "nobody"})
    assert done.returncode == 1
    assert "No developer could be made" in done.stderr
    assert "401" in done.stderr


@pytest.mark.parametrize("arguments", [["--users=0"], ["--duration=soon"], ["--profile=gentle"]])
def test_nonsense_is_refused_by_name(arguments: list[str]) -> None:
    done = ran("load_test", *arguments)
    assert done.returncode == 2
    assert arguments[0].partition("=")[0] in done.stderr


def test_a_short_benchmark_measures_and_says_what_is_worse_than_before(tmp_path: Path) -> None:
    found, earlier = tmp_path / "figures.json", tmp_path / "earlier.json"
    earlier.write_text(json.dumps({"database: round trip p50": 1e-9}))
    done = ran("benchmarks", "--component=database", "--iterations=3", f"--json={found}", f"--compare={earlier}")
    figures = json.loads(found.read_text())
    assert figures.keys() == {f"database: round trip {name}" for name in ("p50", "p95", "p99")}
    assert all(value > 0 for value in figures.values())
    assert done.returncode == 1
    assert "worse: database: round trip p50: 0.00 → " in done.stderr


@pytest.mark.parametrize(("ways", "sizes"), [("ingest,dedup,query", [100]), ("hold", [100, 200]), ("dashboard,team page", [100])])
def test_growth_is_measured_fitted_and_drawn_where_it_was_asked_for(ways: str, sizes: list[int], tmp_path: Path) -> None:
    docs = ROOT / "docs" / "explanation" / "performance.md"
    before, found = docs.read_bytes(), tmp_path / "growth.json"
    given = [f"--sizes={','.join(map(str, sizes))}", f"--only={ways}", "--iterations=1", f"--out={tmp_path}", f"--json={found}"]
    done = ran("measure_growth", *given)
    assert done.returncode == 0, done.stderr
    told = json.loads(found.read_text())["ways"]
    assert list(told) == ways.split(",")
    for name, each in told.items():
        assert [point["size"] for point in each["points"]] == sizes, name
        assert all(0 < point["p50"] <= point["p95"] for point in each["points"]), name
        assert (each["fit"] is None) == (len(sizes) == 1), name
    assert "<svg" in (tmp_path / "growth.svg").read_text()
    page = (tmp_path / "performance.md").read_text()
    assert all(f"| {name}, ms " in page for name in told)
    assert docs.read_bytes() == before


def test_requests_are_measured_beside_half_sent_heads() -> None:
    done = ran("measure_connections", "--heads=300", "--open-files=400", "--requests=5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[:4]] == ["idle", "idle", "beside", "beside"]
    assert 'cairn_connections_cut_total{reason="too_many"}' in done.stdout


@pytest.mark.parametrize("arguments", [["--sizes=1000,many"], ["--sizes=5"], ["--only=everything"], ["--iterations=0"]])
def test_growth_of_nonsense_is_refused_by_name(arguments: list[str]) -> None:
    done = ran("measure_growth", *arguments)
    assert done.returncode == 2
    assert arguments[0].partition("=")[0] in done.stderr
