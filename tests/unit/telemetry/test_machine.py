"""The machine's use: what a container is held to counts, not what its host has."""

from __future__ import annotations

from pathlib import Path

import psutil

from app.telemetry.machine import Machine


def made(tmp_path: Path, cgroup: str, files: dict[str, str]) -> Machine:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(cgroup)
    root = tmp_path / "cgroup"
    root.mkdir()
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return Machine(tmp_path, root=root, proc=tmp_path / "proc")


V2 = {
    "cpu.max": "200000 100000",
    "memory.max": str(2 * 2**30),
    "memory.current": str(2**30),
    "memory.stat": f"anon 1\ninactive_file {2**29}\n",
    "cpu.stat": "usage_usec 1000000\n",
}


def test_a_container_of_cgroup_v2_counts_its_own_memory_without_what_can_be_given_back(tmp_path: Path) -> None:
    machine = made(tmp_path, "0::/\n", V2)
    assert machine.limits.memory == 2 * 2**30
    assert machine.measure().memory == 0.25


def test_a_limit_of_a_group_around_ours_counts(tmp_path: Path) -> None:
    inner = {"a/b/memory.max": "max", "a/b/memory.current": "5", "a/memory.max": "1000", "a/memory.current": "800"}
    machine = made(tmp_path, "0::/a/b\n", inner)
    assert machine.measure().memory == 0.8


def test_the_hosts_path_seen_from_inside_a_container_is_no_hindrance(tmp_path: Path) -> None:
    machine = made(tmp_path, "0::/system.slice/docker-4711.scope\n", V2)
    assert machine.measure().memory == 0.25


def test_cgroup_v1_is_read_by_its_controllers(tmp_path: Path) -> None:
    files = {
        "memory/docker/x/memory.limit_in_bytes": "1000",
        "memory/docker/x/memory.usage_in_bytes": "900",
        "memory/docker/x/memory.stat": "total_inactive_file 100",
        "cpu/docker/x/cpu.cfs_quota_us": "50000",
        "cpu/docker/x/cpu.cfs_period_us": "100000",
        "cpuacct/docker/x/cpuacct.usage": "5000000000",
    }
    machine = made(tmp_path, "9:memory:/docker/x\n2:cpuacct:/docker/x\n1:cpu:/docker/x\n", files)
    assert machine.limits.cores == (0.5 if (psutil.cpu_count() or 1) > 0.5 else None)
    assert machine.measure().memory == 0.8


def test_no_limit_means_the_whole_machine(tmp_path: Path) -> None:
    machine = made(tmp_path, "0::/\n", {"memory.max": "max", "cpu.max": "max 100000"})
    assert (machine.limits.cores, machine.limits.memory) == (None, None)
    found = machine.measure()
    assert 0 <= found.memory <= 1
    assert 0 <= found.disk <= 1
    assert found.process_memory > 0


def test_the_cpu_is_a_share_of_what_the_container_may_use(tmp_path: Path) -> None:
    machine = made(tmp_path, "0::/\n", {**V2, "cpu.max": "10000 100000"})  # a tenth of a core
    (tmp_path / "cgroup" / "cpu.stat").write_text("usage_usec 900000000\n")
    assert machine.measure().cpu == 1.0
